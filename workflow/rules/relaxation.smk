# Shots have no command and no membrane: their experiments are averaged, not measured in windows.
rule average_shots:
    """Read the shots of a batch once: transients, and the quality of each file."""
    input:
        lambda w: raw_recordings(w.experiment, int(w.batch)),
    output:
        **batch_tables("relaxation"),
    log:
        "results/logs/average_shots/{experiment}.{batch}.log",
    wildcard_constraints:
        experiment=only_read_by("average_shots"),
    resources:
        mem_mb=memory("recordings"),
        runtime=minutes("recordings"),
    params:
        code=digest("average_shots.py"),
        raw=lambda w: content(raw_recordings(w.experiment, int(w.batch))),
        rows=lambda w: recording_rows(w.experiment, int(w.batch)),
        settings=settings("recordings"),
    message:
        "shots: average {wildcards.experiment}, batch {wildcards.batch}"
    script:
        "../scripts/average_shots.py"


rule relaxation:
    """Rates of transients after mixing, one against two exponentials, and their dependence on the ligand."""
    input:
        "results/recordings/{experiment}/transients.csv",
        "results/recordings/{experiment}/quality.csv",
        free_ions,
    output:
        *outputs("relaxation"),
        notebook=executed("relaxation"),
    log:
        "results/logs/relaxation/{experiment}.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("relaxation"),
        settings=settings("recordings"),
        rows=lambda w: recording_rows(w.experiment),
    message:
        "relaxation: {wildcards.experiment}"
    script:
        "../scripts/run_notebook.py"
