rule salt_comparison:
    """Salts of a blocking cation on the same cells: block, zinc and what else an anion does, kept apart."""
    input:
        "results/recordings/{experiment}/measurements.csv",
        "results/recordings/{experiment}/quality.csv",
        free_ions,
    output:
        *outputs("salt_comparison"),
        notebook=executed("salt_comparison"),
    log:
        "results/logs/salt_comparison/{experiment}.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("salt_comparison"),
        settings=settings("recordings"),
        rows=lambda w: recording_rows(w.experiment),
    message:
        "salts: {wildcards.experiment}"
    script:
        "../scripts/run_notebook.py"
