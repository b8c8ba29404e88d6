# Single channels are idealised, not measured in windows: what belongs to a patch is put together, each file read once.
rule analyse_patches:
    """Read the patches of a batch once: drift, levels, idealisation, unitary currents, dwell times, quality."""
    input:
        lambda w: raw_recordings(w.experiment, int(w.batch)),
    output:
        **batch_tables("unitary_conductance"),
    log:
        "results/logs/analyse_patches/{experiment}.{batch}.log",
    wildcard_constraints:
        experiment=only_read_by("analyse_patches"),
    resources:
        mem_mb=memory("patches"),
        runtime=minutes("patches"),
    params:
        code=digest("analyse_patches.py"),
        raw=lambda w: content(raw_recordings(w.experiment, int(w.batch))),
        rows=lambda w: recording_rows(w.experiment, int(w.batch)),
        settings=settings("recordings"),
        recipes=lambda w: study.solutions(),
        constants=study.constants,
    message:
        "patches: analyse {wildcards.experiment}, batch {wildcards.batch}"
    script:
        "../scripts/analyse_patches.py"


rule unitary_conductance:
    """Unitary currents of patches at several potentials, slope and chord conductance, dwell times, groups of animals."""
    input:
        "results/recordings/{experiment}/levels.csv",
        "results/recordings/{experiment}/dwell_times.csv",
        "results/recordings/{experiment}/events.csv",
        "results/recordings/{experiment}/histograms.csv",
        "results/recordings/{experiment}/excerpts.csv",
        "results/recordings/{experiment}/quality.csv",
    output:
        *outputs("unitary_conductance"),
        notebook=executed("unitary_conductance"),
    log:
        "results/logs/unitary_conductance/{experiment}.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("unitary_conductance"),
        settings=settings("recordings"),
        rows=lambda w: recording_rows(w.experiment),
    message:
        "unitary conductance: {wildcards.experiment}"
    script:
        "../scripts/run_notebook.py"
