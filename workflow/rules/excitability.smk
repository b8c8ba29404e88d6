# In current clamp the potential is recorded and the current injected: measured sweep by sweep, not in windows.
ruleorder: measure_current_clamp > gather_recordings


rule measure_current_clamp:
    """Read the current-clamp recordings of an experiment once: sweeps, spikes, quality, and what pictures need."""
    input:
        lambda w: raw_recordings(w.experiment),
    output:
        excitability="results/recordings/{experiment}/excitability.csv",
        spikes="results/recordings/{experiment}/spikes.csv",
        quality="results/recordings/{experiment}/quality.csv",
        traces="results/recordings/{experiment}/traces.csv",
        waveforms="results/recordings/{experiment}/waveforms.csv",
    log:
        "results/logs/measure_current_clamp/{experiment}.log",
    wildcard_constraints:
        experiment=only_read_by("measure_current_clamp"),
    resources:
        mem_mb=memory("reader"),
        runtime=minutes("reader"),
    params:
        code=digest("measure_current_clamp.py"),
        raw=lambda w: content(raw_recordings(w.experiment)),
        rows=lambda w: recording_rows(w.experiment),
        settings=settings("recordings"),
        recipes=lambda w: study.solutions(),
        constants=study.constants,
    message:
        "recordings: measure {wildcards.experiment}, current clamp"
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
