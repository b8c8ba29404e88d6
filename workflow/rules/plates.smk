rule read_plates:
    """Read the plates of an experiment once: wells with their flags and what the layout says of them."""
    input:
        lambda w: plate_files(w.experiment),
    output:
        wells="results/plates/{experiment}/wells.csv",
        quality="results/plates/{experiment}/quality.csv",
    log:
        "results/logs/read_plates/{experiment}.log",
    resources:
        mem_mb=memory("plates"),
        runtime=minutes("plates"),
    params:
        code=digest("read_plates.py"),
        raw=lambda w: content(plate_files(w.experiment)),
        rows=lambda w: plate_rows(w.experiment),
        quality=lambda w: study.experiment("plates", w.experiment).get("quality", {}),
    message:
        "plates: read {wildcards.experiment}"
    script:
        "../scripts/read_plates.py"


rule all_plates:
    """The wells and the quality of all plates of the study."""
    input:
        wells=expand(
            "results/plates/{experiment}/wells.csv",
            experiment=study.experiments("plates"),
        ),
        quality=expand(
            "results/plates/{experiment}/quality.csv",
            experiment=study.experiments("plates"),
        ),
    output:
        wells="results/plates/wells.csv",
        quality="results/plates/quality.csv",
    log:
        "results/logs/all_plates/all.log",
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=digest("gather_tables.py"),
    message:
        "plates: all of the study"
    script:
        "../scripts/gather_tables.py"


rule plate_quality:
    """Maps of the plates, what position and replicates do, and the separation of the controls."""
    input:
        "results/plates/{experiment}/wells.csv",
        "results/plates/{experiment}/quality.csv",
    output:
        *outputs("plate_quality"),
        notebook=executed("plate_quality"),
    log:
        "results/logs/plate_quality/{experiment}.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("plate_quality"),
        settings=settings("plates"),
    message:
        "plate quality: {wildcards.experiment}"
    script:
        "../scripts/run_notebook.py"
