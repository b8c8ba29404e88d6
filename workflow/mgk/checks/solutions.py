"""The recipes of solutions, and the pairs of them that config.yaml names."""

from mgk.checks.files import SOLUTIONS
from mgk.study import Study
from mgk.tables.problems import InputError, Problem
from mgk.tables.schema import nearest


def check_solutions(study: Study) -> list[Problem]:
    """Each recipe can be solved, and each pair names two of them."""
    from mgk.solutions import check_recipe

    recipes, problems = study.read_solutions()
    if problems:
        return problems
    for name, recipe in recipes.items():
        for place, allowed in check_recipe(recipe, study.constants):
            problems.append(Problem(SOLUTIONS, None, f"{name}.{place}", "", allowed))
    for number, pair in enumerate(study.solution_pairs if recipes else ()):
        for column in ("pipette_solution", "bath_solution"):
            if pair[column] not in recipes:
                allowed = f"must be a solution of {SOLUTIONS}{nearest(pair[column], recipes)}"
                problems.append(
                    Problem("config.yaml", None, f"solutions.pairs.{number}.{column}", pair[column], allowed)
                )
    return problems


def totals_mm(recipe: dict, constants: str) -> dict[str, float]:
    """Return the totals of a recipe, its salts taken apart; a recipe that is wrong has its problem elsewhere."""
    from mgk.solutions.recipes import read_recipe

    try:
        read = read_recipe(recipe, recipe.get("constants", constants))
    except InputError:
        return {}
    return {**dict.fromkeys(read.absent, 0.0), **read.totals_mm}
