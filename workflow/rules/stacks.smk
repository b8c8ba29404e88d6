rule read_stacks:
    """Measure the cells of the image stacks of an experiment, in blocks: a trace a cell, and mean images."""
    input:
        lambda w: stack_files(w.experiment),
    output:
        traces="results/stacks/{experiment}/traces.csv",
        rois="results/stacks/{experiment}/rois.csv",
        quality="results/stacks/{experiment}/quality.csv",
        images="results/stacks/{experiment}/images.tif",
    log:
        "results/logs/read_stacks/{experiment}.log",
    resources:
        mem_mb=memory("stacks"),
        runtime=minutes("stacks"),
    params:
        code=digest("read_stacks.py"),
        raw=lambda w: content(stack_files(w.experiment)),
        rows=lambda w: stack_rows(w.experiment),
        settings=settings("stacks"),
    message:
        "stacks: measure {wildcards.experiment}"
    script:
        "../scripts/read_stacks.py"


rule all_stacks:
    """The quality of all image stacks of the study."""
    input:
        quality=expand(
            "results/stacks/{experiment}/quality.csv",
            experiment=study.experiments("stacks"),
        ),
    output:
        quality="results/stacks/quality.csv",
    log:
        "results/logs/all_stacks/all.log",
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=digest("gather_tables.py"),
    message:
        "stacks: all of the study"
    script:
        "../scripts/gather_tables.py"


rule image_stacks:
    """Free Mg2+ of the cells of image stacks, in the calibration of plates; ratio images."""
    input:
        "results/stacks/{experiment}/traces.csv",
        "results/stacks/{experiment}/rois.csv",
        "results/stacks/{experiment}/quality.csv",
        "results/stacks/{experiment}/images.tif",
    output:
        *outputs("image_stacks"),
        notebook=executed("image_stacks"),
    log:
        "results/logs/image_stacks/{experiment}.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("image_stacks"),
        settings=settings("stacks"),
    message:
        "image stacks: {wildcards.experiment}"
    script:
        "../scripts/run_notebook.py"
