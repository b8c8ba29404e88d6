rule solve_solutions:
    """Free ions and complexes of every recipe."""
    input:
        recipes,
    output:
        "results/solutions/free_ions.csv",
    log:
        "results/logs/solve_solutions/all.log",
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=digest("solve_solutions.py"),
        raw=lambda w: content(recipes(w)),
        constants=study.constants,
    message:
        "solutions: free ions of every recipe"
    script:
        "../scripts/solve_solutions.py"


rule solutions:
    """Each solution shown; every set of constants; pH and temperature; pairs of pipette and bath."""
    input:
        recipes,
        free_ions,
    output:
        *outputs("solutions"),
        notebook=executed("solutions"),
    log:
        "results/logs/solutions/solutions.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("solutions"),
        raw=lambda w: content(recipes(w)),
        settings=study.config.get("solutions", {}),
        pairs=recording_pairs,
    message:
        "solutions: each of them, sets of constants, pairs"
    script:
        "../scripts/run_notebook.py"
