rule equilibria:
    """Equilibrium potentials and transport from a table of concentrations; its ranges against what was measured."""
    input:
        lambda w: f"raw_data/{study.experiment('equilibria', 'equilibria')['table']}",
        rests_on("equilibria"),
        free_ions,
    output:
        *outputs("equilibria"),
        notebook=executed("equilibria"),
    log:
        "results/logs/equilibria/equilibria.log",
    resources:
        mem_mb=2500,
    params:
        code=notebook_code("equilibria"),
        settings=study.config.get("equilibria", {}),
        permeabilities=study.permeabilities,
    message:
        "equilibria: potentials, transport, ranges"
    script:
        "../scripts/run_notebook.py"
