# In current clamp the potential is recorded and the current injected: measured sweep by sweep, not in windows.
rule measure_current_clamp:
    """Read a batch of current-clamp recordings once: sweeps, spikes, quality, and what pictures need."""
    input:
        lambda w: raw_recordings(w.experiment, int(w.batch)),
    output:
        **batch_tables("excitability"),
    log:
        "results/logs/measure_current_clamp/{experiment}.{batch}.log",
    wildcard_constraints:
        experiment=only_read_by("measure_current_clamp"),
    resources:
        mem_mb=memory("recordings"),
        runtime=minutes("recordings"),
    params:
        code=digest("measure_current_clamp.py"),
        raw=lambda w: content(raw_recordings(w.experiment, int(w.batch))),
        rows=lambda w: recording_rows(w.experiment, int(w.batch)),
        settings=settings("recordings"),
        recipes=lambda w: study.solutions(),
        constants=study.constants,
    message:
        "current clamp: measure {wildcards.experiment}, batch {wildcards.batch}"
    script:
        "../scripts/measure_current_clamp.py"


rule excitability:
    """Passive and firing properties of cells in current clamp, and conditions compared."""
    input:
        [
            f"results/recordings/{{experiment}}/{name}"
            for name in ANALYSES["excitability"].raw_tables
        ],
    output:
        *outputs("excitability"),
        notebook=executed("excitability"),
    log:
        "results/logs/excitability/{experiment}.log",
    resources:
        mem_mb=memory("notebook"),
        runtime=minutes("notebook"),
    params:
        code=notebook_code("excitability"),
        settings=settings("recordings"),
        rows=lambda w: recording_rows(w.experiment),
    message:
        "excitability: {wildcards.experiment}"
    script:
        "../scripts/run_notebook.py"
