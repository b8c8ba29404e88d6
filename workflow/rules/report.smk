# Tables that a second makes: on a cluster the machine that submits makes them.
localrules:
    all_recordings,
    all_plates,
    provenance,


# What `make verify` found stands on the first screen of the next report.
VERIFICATION = "results/verification/verification.json"


rule notebook_pages:
    """A page for each executed notebook."""
    input:
        [ANALYSES[analysis].executed(experiment) for analysis, experiment in asked],
    output:
        [
            f"results/report/notebooks/{Path(ANALYSES[a].executed(e)).stem}.html"
            for a, e in asked
        ],
    log:
        "results/logs/notebook_pages/all.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=digest("render_pages.py"),
        title=study.title,
    message:
        "report: a page for each notebook"
    script:
        "../scripts/render_pages.py"


rule report:
    """The report, made from results alone."""
    input:
        [ANALYSES[analysis].outputs(experiment) for analysis, experiment in asked],
        stage_tables,
        [f for f in ("raw_data/truth.yaml", VERIFICATION) if Path(f).exists()],
        pages=rules.notebook_pages.output,
        sweeps=sweeps_pages(),
    output:
        "results/report/report.html",
        "results/report/key_numbers.csv",
        notebook="results/notebooks/90_report.ipynb",
    log:
        "results/logs/report/all.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=digest("90_report.ipynb", "write_report.py"),
        raw=content(f for f in ("raw_data/truth.yaml",) if Path(f).exists()),
        config=study.config,
    message:
        "report: write it"
    script:
        "../scripts/write_report.py"


rule provenance:
    """What was read and made, with checksums; written last."""
    input:
        report="results/report/report.html",
    output:
        manifest="results/provenance/manifest.json",
        run="results/provenance/run.json",
        crate="results/provenance/ro-crate-metadata.json",
        page="results/provenance/provenance.html",
    log:
        "results/logs/provenance/all.log",
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=digest("write_provenance.py"),
        inputs=input_files,
        outputs=output_files,
    message:
        "provenance: checksums of inputs and outputs"
    script:
        "../scripts/write_provenance.py"
