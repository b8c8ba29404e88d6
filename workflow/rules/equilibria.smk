rule equilibria:
    """Equilibrium potentials and transport from a table of concentrations; its ranges against what was measured."""
    input:
        lambda w: raw_table("equilibria", "equilibria"),
        rests_on("equilibria"),
        free_ions,
    output:
        *outputs("equilibria"),
        notebook=executed("equilibria"),
    log:
        "results/logs/equilibria/equilibria.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("equilibria"),
        raw=lambda w: content([raw_table("equilibria", "equilibria")]),
        settings=study.config.get("equilibria", {}),
        permeabilities=study.permeabilities,
    message:
        "equilibria: potentials, transport, ranges"
    script:
        "../scripts/run_notebook.py"
