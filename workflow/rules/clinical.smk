rule clinical_summary:
    """A clinical table: effect sizes, pooled estimates, heterogeneity, forest plot."""
    input:
        lambda w: f"raw_data/{study.experiment('clinical', w.experiment)['table']}",
    output:
        *outputs("clinical_summary"),
        notebook=executed("clinical_summary"),
    log:
        "results/logs/clinical_summary/{experiment}.log",
    resources:
        mem_mb=2500,
    params:
        code=notebook_code("clinical_summary"),
        settings=settings("clinical"),
    message:
        "clinical summary: {wildcards.experiment}"
    script:
        "../scripts/run_notebook.py"
