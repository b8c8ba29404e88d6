rule clinical_summary:
    """A clinical table: effect sizes, pooled estimates, heterogeneity, forest plot."""
    input:
        lambda w: raw_table("clinical", w.experiment),
    output:
        *outputs("clinical_summary"),
        notebook=executed("clinical_summary"),
    log:
        "results/logs/clinical_summary/{experiment}.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("clinical_summary"),
        raw=lambda w: content([raw_table("clinical", w.experiment)]),
        settings=settings("clinical"),
    message:
        "clinical summary: {wildcards.experiment}"
    script:
        "../scripts/run_notebook.py"


rule claims:
    """Published claims: which printed numbers agree with each other, and which cannot be true."""
    input:
        lambda w: raw_table("claims", "claims"),
    output:
        *outputs("claims"),
        notebook=executed("claims"),
    log:
        "results/logs/claims/claims.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("claims"),
        raw=lambda w: content([raw_table("claims", "claims")]),
    message:
        "claims: check them"
    script:
        "../scripts/run_notebook.py"


rule magnesium_forms:
    """Salts of magnesium: elemental magnesium by mass, and the upper level."""
    input:
        lambda w: raw_table("magnesium_forms", "magnesium_forms"),
    output:
        *outputs("magnesium_forms"),
        notebook=executed("magnesium_forms"),
    log:
        "results/logs/magnesium_forms/magnesium_forms.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("magnesium_forms"),
        raw=lambda w: content([raw_table("magnesium_forms", "magnesium_forms")]),
    message:
        "magnesium forms: elemental magnesium"
    script:
        "../scripts/run_notebook.py"
