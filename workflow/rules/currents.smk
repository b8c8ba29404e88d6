rule current_voltage:
    """Current-voltage relations per cell and per group, reversal potential, conductance."""
    input:
        "results/recordings/{experiment}/measurements.csv",
        "results/recordings/{experiment}/quality.csv",
        free_ions,
    output:
        *outputs("current_voltage"),
        notebook=executed("current_voltage"),
    log:
        "results/logs/current_voltage/{experiment}.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("current_voltage"),
        settings=settings("recordings"),
        rows=lambda w: recording_rows(w.experiment),
    message:
        "current-voltage: {wildcards.experiment}"
    script:
        "../scripts/run_notebook.py"
