rule curves:
    """Each curve of a table with its fit; conditions over animals; a constant in common."""
    input:
        ancient("raw_data/curves.csv"),  # its rows are a parameter
    output:
        *outputs("curves"),
        notebook=executed("curves"),
    log:
        "results/logs/curves/{experiment}.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("curves"),
        settings=settings("curves"),
        rows=lambda w: curve_rows(w.experiment),
    message:
        "curves: {wildcards.experiment}"
    script:
        "../scripts/run_notebook.py"
