rule synthesis:
    """The stages joined: free Mg2+ to the open fraction of ROMK and the rate of the pump, all errors at once."""
    input:
        rests_on("synthesis"),
    output:
        *outputs("synthesis"),
        notebook=executed("synthesis"),
    log:
        "results/logs/synthesis/synthesis.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("synthesis"),
        settings=study.config.get("synthesis", {}),
    message:
        "synthesis: what the stages predict together"
    script:
        "../scripts/run_notebook.py"
