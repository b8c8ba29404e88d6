rule measure_recordings:
    """Read a batch of recordings once and measure it: currents in windows, commands, quality."""
    input:
        lambda w: [
            f"raw_data/{row['file']}"
            for row in recording_rows(w.experiment, int(w.batch))
        ],
    output:
        measurements="results/recordings/{experiment}/batches/{batch}.measurements.csv",
        quality="results/recordings/{experiment}/batches/{batch}.quality.csv",
    log:
        "results/logs/measure_recordings/{experiment}.{batch}.log",
    resources:
        mem_mb=2000,
    params:
        code=digest("measure_recordings.py"),
        rows=lambda w: recording_rows(w.experiment, int(w.batch)),
        settings=settings("recordings"),
    message:
        "recordings: measure {wildcards.experiment}, batch {wildcards.batch}"
    script:
        "../scripts/measure_recordings.py"


rule gather_recordings:
    """Join the batches of an experiment."""
    input:
        measurements=lambda w: batch_files(w.experiment, "measurements"),
        quality=lambda w: batch_files(w.experiment, "quality"),
    output:
        measurements="results/recordings/{experiment}/measurements.csv",
        quality="results/recordings/{experiment}/quality.csv",
    log:
        "results/logs/gather_recordings/{experiment}.log",
    resources:
        mem_mb=2000,
    params:
        code=digest("gather_tables.py"),
    message:
        "recordings: gather {wildcards.experiment}"
    script:
        "../scripts/gather_tables.py"


rule all_recordings:
    """The measurements and the quality of all recordings of the study."""
    input:
        measurements=expand(
            "results/recordings/{experiment}/measurements.csv",
            experiment=study.experiments("recordings"),
        ),
        quality=expand(
            "results/recordings/{experiment}/quality.csv",
            experiment=study.experiments("recordings"),
        ),
    output:
        measurements="results/recordings/measurements.csv",
        quality="results/recordings/quality.csv",
    log:
        "results/logs/all_recordings/all.log",
    resources:
        mem_mb=2000,
    params:
        code=digest("gather_tables.py"),
    message:
        "recordings: all of the study"
    script:
        "../scripts/gather_tables.py"
