"""`make bench-scale`: 50, 500 and 5,000 recordings in 20 experiments, and what a change costs in the largest study.

1. A whole run at each size: wall, CPU of all processes, peak memory of any one of them, files, size of the report; how
   CPU grows, as the exponent of the number of recordings.
2. In the largest study: a run with nothing to do; one more recording; one changed value of config.yaml; one edited
   module. Each with its jobs. The run fails when one more recording makes more run again than its batch with its page
   of sweeps, what joins the batches, its experiment's notebooks and the report, or when a bound is not held.

Recordings are cells of the demonstration over and over, each copy with noise of its own: simulated, in a temporary
folder of about 1 GB. The code is a copy of the house, so that a module can be edited and the house be worked on.
CPU and not wall time is held against bounds: whatever else the machine does only adds to the wall time.
"""

import json
import math
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from copy import deepcopy
from pathlib import Path

from mgk import environment

HOUSE = Path(__file__).parents[1]
SIZES = (50, 500, 5000)
# What each experiment is a copy of in the demonstration, its analyses here, how many are alike.
KINDS = (
    ("romk_block", ["membrane_test", "current_voltage", "magnesium_block"], 4),
    ("kv_inactivation", ["membrane_test", "current_voltage"], 6),
    ("test_steps", ["membrane_test"], 10),
)
IDS = ("recording_id", "cell_id", "animal_id", "pair_id", "leak_recording_id")
GROWN = "e01_romk_block"
EDITED = "workflow/mgk/block/woodhull.py"
SEED = 20261127
# Entry 10 of the section table, from byte 76, 16 bytes each: the data (`mgk.recordings.axon`).
DATA_SECTION = 76 + 16 * 10
LARGEST_EXPONENT, LARGEST_MB, LONGEST_NOTHING_S = 1.05, 600, 10


def write_study(study: Path, recordings: int) -> None:
    """Write a study of so many recordings, spread evenly over its experiments."""
    import numpy as np
    import pandas as pd
    import yaml

    from mgk.tables import write_table

    (study / "raw_data" / "recordings").mkdir(parents=True)
    demo = yaml.safe_load((HOUSE / "config.yaml").read_text(encoding="utf-8"))
    table = pd.read_csv(HOUSE / "raw_data" / "recordings.csv", dtype=str, keep_default_na=False)
    kinds = [(kind, analyses) for kind, analyses, count in KINDS for _ in range(count)]
    experiments, rows, noise = {}, [], np.random.default_rng(SEED)
    for number, (kind, analyses) in enumerate(kinds, 1):
        name = f"e{number:02d}_{kind}"
        like = demo["recordings"]["experiments"][kind]
        # A copy of its own: YAML would write what experiments share once, and one changed value would change them all.
        experiments[name] = deepcopy(like) | {"analysis": [*analyses], "title": f"{like['title']} ({number})"}
        own = table[table["experiment"] == kind].to_dict("records")
        for place in range(recordings // len(kinds) + (number <= recordings % len(kinds))):
            copy, which = divmod(place, len(own))
            ids = {c: own[which][c] and f"e{number:02d}_{copy}_{own[which][c]}" for c in IDS}
            row = own[which] | ids | {"experiment": name, "file": f"recordings/{ids['recording_id']}.abf"}
            write_copy(HOUSE / "raw_data" / own[which]["file"], study / "raw_data" / row["file"], noise)
            rows.append(row)
    config = {
        "study": {"title": f"{recordings:,} simulated recordings", "data": "simulated"},
        "solutions": {"constants": "webmaxc"},
        "recordings": {"experiments": experiments},
    }
    (study / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    shutil.copy(HOUSE / "raw_data" / "solutions.yaml", study / "raw_data")
    write_table(pd.DataFrame(rows), study / "raw_data" / "recordings.csv")


def write_copy(source: Path, target: Path, noise) -> None:
    """Copy a recording (ABF2, 16 bits) with up to two steps of the converter of noise on each sample."""
    import numpy as np

    content = bytearray(source.read_bytes())
    block, _, samples, _ = np.frombuffer(content, "<u4", 4, DATA_SECTION)
    data = np.frombuffer(content, "<i2", int(samples), 512 * int(block))
    data += noise.integers(-2, 3, int(samples), dtype=np.int16)
    target.write_bytes(content)


def add_a_recording(study: Path) -> str:
    """Add a copy of the last recording of an experiment to a study; return its id."""
    import pandas as pd

    from mgk.tables import write_table

    table = pd.read_csv(study / "raw_data" / "recordings.csv", dtype=str, keep_default_na=False)
    last = table[table["experiment"] == GROWN].iloc[-1:]
    shutil.copy(study / "raw_data" / last["file"].iloc[0], study / "raw_data" / "recordings" / "one_more.abf")
    one_more = last.assign(recording_id="one_more", file="recordings/one_more.abf")
    write_table(pd.concat([table, one_more]), study / "raw_data" / "recordings.csv")
    return "one_more"


def change_a_value(study: Path) -> None:
    """Let the steady window of an experiment end 5 ms earlier."""
    import yaml

    config = yaml.safe_load((study / "config.yaml").read_text(encoding="utf-8"))
    config["recordings"]["experiments"][GROWN]["windows_ms"]["steady"][1] -= 5
    (study / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def edit_a_module(house: Path) -> None:
    """Add a line to a module of the analysis of block."""
    with (house / EDITED).open("a", encoding="utf-8") as file:
        file.write("# edited\n")


def planned(house: Path, python: Path, study: Path) -> tuple[dict[str, int], list[str]]:
    """Return how many jobs of each rule a run would have, and their messages."""
    command = [python, "-m", "snakemake", "--directory", study, "-n"]
    environ = environment.fixed_environment()
    done = subprocess.run(command, cwd=house, check=True, capture_output=True, text=True, env=environ)
    text = done.stdout + done.stderr
    table = re.search(r"^job +count\n-+ +-+\n(.*?)^total", text, re.S | re.M)
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table[1], re.M)} if table else {}
    return jobs, sorted(re.findall(r"^Job \d+: (.+)$", text, re.M))


def jobs_of_one_more(study: Path, recording: str) -> list[str]:
    """Return the messages of the jobs that one more recording may make run again."""
    from mgk.batches import batches
    from mgk.study import Study

    project = Study.open(study)
    table = project.table("recordings")
    ids = list(table.loc[table["experiment"] == GROWN, "recording_id"])
    (batch,) = (number for number, members in batches(ids).items() if recording in members)
    return sorted([
        f"recordings: measure {GROWN}, batch {batch}",
        f"recordings: gather and correct {GROWN}",
        f"report: sweeps of {GROWN}, batch {batch}",
        f"quality: {GROWN}",
        f"current-voltage: {GROWN}",
        f"Mg2+ block: {GROWN}",
        "recordings: all of the study",
        "report: a page for each notebook",
        "report: write it",
        "provenance: checksums of inputs and outputs",
    ])  # fmt: skip


def measure(command: list[str]) -> None:
    """Run a command; print wall and CPU seconds, the peak of its largest process in MB, as JSON."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment.fixed_environment(), check=False)
    wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    print(json.dumps({"wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / unit}))


def in_own_process(*arguments) -> str:
    """Run this file with arguments in a new process, whose memory is not that of this one; return what it prints."""
    command = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def run(house: Path, python: Path, study: Path, name: str, jobs: dict[str, int] | None = None) -> dict:
    """Run a study as `make report` does; print and return what it took."""
    load = os.getloadavg()[0]
    took = json.loads(in_own_process("measure", python, "-m", "mgk.run", study))
    files = [f for f in study.rglob("*") if f.is_file()]
    made = [f for f in files if "results" in f.relative_to(study).parts]
    report = (study / "results/report/report.html").stat().st_size / 1e6
    size = sum(f.stat().st_size for f in made) / 1e6
    print(
        f"{name:24}{took['wall']:9.1f}{took['cpu']:9.1f}{took['peak_mb']:9.0f}{len(files) - len(made):9}{len(made):9}"
        f"{size:9.0f}{report:11.1f}{load:7.1f}",
        flush=True,
    )
    if jobs is not None:
        print("  " + (", ".join(f"{rule} {count}" for rule, count in jobs.items()) or "no jobs"), flush=True)
    return took


def main(sizes: list[int]) -> None:
    """Write studies, run them, print, and fail where a bound is not held."""
    sys.path.insert(0, str(HOUSE / "tests"))
    from studies import house_copy

    with tempfile.TemporaryDirectory(prefix="mgk-bench-") as name:
        folder = Path(name)
        house, python = house_copy(folder)
        print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
        print(f"{'':24}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'other':>9}{'results':>9}{'MB':>9}{'report MB':>11}"
              f"{'load':>7}")  # fmt: skip
        took = {}
        for size in sizes:
            study = folder / str(size)
            in_own_process("write", study, size)
            took[size] = run(house, python, study, f"{size:,} recordings")
        here = (house, python, study)
        nothing = run(*here, "nothing to do", planned(*here)[0])
        changed = [nothing]
        recording = add_a_recording(study)
        jobs, messages = planned(*here)
        if messages != jobs_of_one_more(study, recording):
            sys.exit(f"one more recording makes these run again: {messages}")
        changed.append(run(*here, "one more recording", jobs))
        change_a_value(study)
        changed.append(run(*here, "one changed value", planned(*here)[0]))
        edit_a_module(house)
        changed.append(run(*here, "one edited module", planned(*here)[0]))
    show_bounds(took, nothing, max(t["peak_mb"] for t in (*took.values(), *changed)))


def show_bounds(took: dict[int, dict], nothing: dict, peak_mb: float) -> None:
    """Print how CPU grows and each bound with what was measured; end with an error when one is not held."""
    pairs = [*zip(took, list(took)[1:], strict=False), (min(took), max(took))]
    exponents = {(a, b): math.log(took[b]["cpu"] / took[a]["cpu"]) / math.log(b / a) for a, b in pairs if a != b}
    for (a, b), exponent in exponents.items():
        print(f"CPU from {a:,} to {b:,}: N^{exponent:.2f}")
    bounds = [
        ("exponent of CPU", max(exponents.values(), default=0.0), LARGEST_EXPONENT),
        ("peak of any process, MB", peak_mb, LARGEST_MB),
        ("nothing to do, CPU s", nothing["cpu"], LONGEST_NOTHING_S),
    ]
    for name, found, bound in bounds:
        print(f"{name:28}{found:9.2f}  at most {bound:g}: {'held' if found <= bound else 'NOT HELD'}")
    if any(found > bound for _, found, bound in bounds):
        sys.exit(1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        write_study(Path(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["measure"]:
        measure(sys.argv[2:])
    else:
        main([int(size) for size in sys.argv[1:]] or list(SIZES))
