rule solve_solutions:
    """Free ions and complexes of every recipe."""
    input:
        recipes,
    output:
        "results/solutions/free_ions.csv",
    log:
        "results/logs/solve_solutions/all.log",
    resources:
        mem_mb=1000,
    params:
        code=digest("solve_solutions.py"),
        constants=study.constants,
    message:
        "solutions: free ions of every recipe"
    script:
        "../scripts/solve_solutions.py"
