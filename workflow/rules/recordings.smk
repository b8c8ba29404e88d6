rule measure_recordings:
    """Read a batch of recordings once: currents in windows, commands, membrane test, quality, thumbnails."""
    input:
        lambda w: raw_recordings(w.experiment, int(w.batch)),
    output:
        measurements="results/recordings/{experiment}/batches/{batch}.measurements.csv",
        quality="results/recordings/{experiment}/batches/{batch}.quality.csv",
        membrane_test="results/recordings/{experiment}/batches/{batch}.membrane_test.csv",
        thumbnails="results/recordings/{experiment}/batches/{batch}.thumbnails.csv",
    log:
        "results/logs/measure_recordings/{experiment}.{batch}.log",
    wildcard_constraints:
        experiment=only_read_by(""),
    resources:
        mem_mb=memory("recordings"),
        runtime=minutes("recordings"),
    params:
        code=digest("measure_recordings.py"),
        raw=lambda w: content(raw_recordings(w.experiment, int(w.batch))),
        rows=lambda w: recording_rows(w.experiment, int(w.batch)),
        settings=settings("recordings"),
    message:
        "recordings: measure {wildcards.experiment}, batch {wildcards.batch}"
    script:
        "../scripts/measure_recordings.py"


rule gather_recordings:
    """Join the batches of an experiment; correct potentials and currents, each correction noted in the ledger."""
    input:
        measurements=lambda w: batch_files(w.experiment, "measurements"),
        quality=lambda w: batch_files(w.experiment, "quality"),
        membrane_test=lambda w: batch_files(w.experiment, "membrane_test"),
        thumbnails=lambda w: batch_files(w.experiment, "thumbnails"),
    output:
        measurements="results/recordings/{experiment}/measurements.csv",
        quality="results/recordings/{experiment}/quality.csv",
        membrane_test="results/recordings/{experiment}/membrane_test.csv",
        thumbnails="results/recordings/{experiment}/thumbnails.csv",
        corrections="results/recordings/{experiment}/corrections.csv",
    log:
        "results/logs/gather_recordings/{experiment}.log",
    wildcard_constraints:
        experiment=only_read_by(""),
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=digest("gather_recordings.py"),
        rows=lambda w: recording_rows(w.experiment),
        settings=settings("recordings"),
        recipes=lambda w: study.solutions(),
        constants=study.constants,
    message:
        "recordings: gather and correct {wildcards.experiment}"
    script:
        "../scripts/gather_recordings.py"


rule gather_batches:
    """Join the batches of an experiment that is read in a way of its own: one table, in the order of recordings.csv."""
    input:
        lambda w: batch_files(w.experiment, w.kind),
    output:
        "results/recordings/{experiment}/{kind}.csv",
    log:
        "results/logs/gather_batches/{experiment}.{kind}.log",
    wildcard_constraints:
        experiment=only_read_by(*(a.reader for a in ANALYSES.values() if a.reader)),
        kind=r"\w+",
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=digest("gather_batches.py"),
        rows=lambda w: recording_rows(w.experiment),
    message:
        "recordings: gather {wildcards.experiment}, {wildcards.kind}"
    script:
        "../scripts/gather_batches.py"


rule all_recordings:
    """The measurements, quality, membrane tests, corrections and excitability of all recordings of the study."""
    input:
        **recording_tables(),
    output:
        **{kind: f"results/recordings/{kind}.csv" for kind in recording_tables()},
    log:
        "results/logs/all_recordings/all.log",
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=digest("gather_tables.py"),
    message:
        "recordings: all of the study"
    script:
        "../scripts/gather_tables.py"
