"""What a run that went well still has to say: verdicts to look at, and what its tables hold that nothing uses."""

from mgk.checks import not_analysed, not_used
from mgk.study import Study
from mgk.tables import read_table

KEY_NUMBERS = "results/report/key_numbers.csv"
JUDGED = {"recordings": "recordings", "plates": "plates", "stacks": "image stacks"}


def warnings_of(study: Study) -> list[str]:
    """Return what is worth a look after a run, each with the table that says more."""
    return [*_verdicts(study), *_numbers(study), *left_out(study)]


def left_out(study: Study) -> list[str]:
    """Say what the tables hold that no analysis uses."""
    rows = [
        f"{n} rows of raw_data/{table}.csv are not analysed: config.yaml does not name the experiment {experiment}"
        for table, experiment, n in not_analysed(study)
    ]
    return [*rows, *not_used(study)]


def _verdicts(study: Study) -> list[str]:
    """Say how many recordings and plates were excluded, or passed with a warning."""
    found = []
    for stage, what in JUDGED.items():
        path = study.results / stage / "quality.csv"
        if path.exists():
            counts = read_table(path)["verdict"].value_counts()
            n = int(counts.sum())
            words = {"exclude": "excluded", "warn": "passed with a warning"}
            said = [f"{counts[v]} of {n} {what} {word}" for v, word in words.items() if v in counts]
            found += [f"{', '.join(said)}: results/{stage}/quality.csv"] if said else []
    return found


def _numbers(study: Study) -> list[str]:
    """Say how many key numbers are not identified, or only weakly."""
    path = study.root / KEY_NUMBERS
    if not path.exists():
        return []
    verdicts = read_table(path)["verdict"]
    counts = {
        word: int((verdicts == v).sum()) for v, word in {"not_identified": "not identified", "weak": "weak"}.items()
    }
    said = [f"{n} {word}" for word, n in counts.items() if n]
    return [f"of {len(verdicts)} key numbers {', '.join(said)}: {KEY_NUMBERS}"] if said else []
