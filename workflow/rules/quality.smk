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
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("membrane_test"),
        settings=settings("recordings"),
    message:
        "quality: {wildcards.experiment}"
    script:
        "../scripts/run_notebook.py"


rule sweeps_page:
    """The sweeps of every recording of a batch, where an experiment has more than the figure of quality draws."""
    input:
        thumbnails="results/recordings/{experiment}/batches/{batch}.thumbnails.csv",
        quality="results/recordings/{experiment}/batches/{batch}.quality.csv",
        measurements="results/recordings/{experiment}/batches/{batch}.measurements.csv",
    output:
        "results/report/sweeps/{experiment}.{batch}.html",
    log:
        "results/logs/sweeps_page/{experiment}.{batch}.log",
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=digest("write_sweeps_page.py"),
        settings=settings("recordings"),
        title=lambda w: sweeps_title(w.experiment, int(w.batch)),
    message:
        "report: sweeps of {wildcards.experiment}, batch {wildcards.batch}"
    script:
        "../scripts/write_sweeps_page.py"
