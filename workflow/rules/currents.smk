rule current_voltage:
    """Current-voltage relations per cell and per group, reversal potential, conductance."""
    message:
        "current-voltage: {wildcards.experiment}"
    input:
        "results/recordings/{experiment}/measurements.csv",
        "results/recordings/{experiment}/quality.csv",
        free_ions,
    output:
        *outputs("current_voltage"),
        notebook=executed("current_voltage"),
    log:
        "results/logs/current_voltage/{experiment}.log",
    params:
        code=notebook_code("current_voltage"),
        settings=settings("recordings"),
        rows=lambda w: recording_rows(w.experiment),
    resources:
        mem_mb=2500,
    script:
        "../scripts/run_notebook.py"
