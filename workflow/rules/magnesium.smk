rule magnesium_calibration:
    """Free Mg2+ by mag-fura-2: calibration in situ or by titration, Grynkiewicz, shared calibration errors."""
    input:
        "results/plates/{experiment}/wells.csv",
        "results/plates/{experiment}/quality.csv",
        recipes,
    output:
        *outputs("magnesium_calibration"),
        notebook=executed("magnesium_calibration"),
    log:
        "results/logs/magnesium_calibration/{experiment}.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("magnesium_calibration"),
        raw=lambda w: content(recipes(w)),
        settings=settings("plates"),
        constants=study.constants,
    message:
        "magnesium calibration: {wildcards.experiment}"
    script:
        "../scripts/run_notebook.py"
