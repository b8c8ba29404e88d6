rule magnesium_block:
    """Voltage-dependent block by Mg2+: a global Woodhull fit per cell, cells within animals."""
    input:
        "results/recordings/{experiment}/measurements.csv",
        "results/recordings/{experiment}/quality.csv",
        free_ions,
    output:
        *outputs("magnesium_block"),
        notebook=executed("magnesium_block"),
    log:
        "results/logs/magnesium_block/{experiment}.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("magnesium_block"),
        settings=settings("recordings"),
        rows=lambda w: recording_rows(w.experiment),
    message:
        "Mg2+ block: {wildcards.experiment}"
    script:
        "../scripts/run_notebook.py"
