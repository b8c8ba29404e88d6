rule atpase_activity:
    """Ouabain-sensitive ATPase activity and its kinetics against total and free Mg2+."""
    input:
        "results/plates/{experiment}/wells.csv",
        "results/plates/{experiment}/quality.csv",
        recipes,
    output:
        *outputs("atpase_activity"),
        notebook=executed("atpase_activity"),
    log:
        "results/logs/atpase_activity/{experiment}.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("atpase_activity"),
        raw=lambda w: content(recipes(w)),
        settings=settings("plates"),
        constants=study.constants,
    message:
        "ATPase activity: {wildcards.experiment}"
    script:
        "../scripts/run_notebook.py"


rule coupled_assay:
    """ATPase activity by the coupled assay: linear windows, ADP standards, total minus ouabain."""
    input:
        "results/plates/{experiment}/wells.csv",
        "results/plates/{experiment}/quality.csv",
        recipes,
    output:
        *outputs("coupled_assay"),
        notebook=executed("coupled_assay"),
    log:
        "results/logs/coupled_assay/{experiment}.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("coupled_assay"),
        raw=lambda w: content(recipes(w)),
        settings=settings("plates"),
        constants=study.constants,
    message:
        "coupled assay: {wildcards.experiment}"
    script:
        "../scripts/run_notebook.py"
