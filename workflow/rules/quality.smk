rule membrane_test:
    """Sweeps with their windows, membrane tests, verdicts of quality."""
    input:
        "results/recordings/{experiment}/measurements.csv",
        "results/recordings/{experiment}/quality.csv",
        "results/recordings/{experiment}/membrane_test.csv",
        "results/recordings/{experiment}/thumbnails.csv",
        "results/recordings/{experiment}/corrections.csv",
    output:
        *outputs("membrane_test"),
        notebook=executed("membrane_test"),
    log:
        "results/logs/membrane_test/{experiment}.log",
    resources:
        mem_mb=2500,
    params:
        code=notebook_code("membrane_test"),
        settings=settings("recordings"),
    message:
        "quality: {wildcards.experiment}"
    script:
        "../scripts/run_notebook.py"
