"""`make bench`: reading and measuring recordings as ratios against named alternatives, measured in the same run.

1. One recording of 200 MB: `measure_batch` against a bare pass (numpy memory map, scale, means) and against pyABF.
2. 1,000 recordings of 1 MB: the same three.
3. One recording more in a study of 200: the jobs and the time of the second run, against those of the first.

Each reader of 1 and 2 runs in a process of its own, three times by turns; the least time and CPU count, since whatever
else the machine does only adds to them. They count from after the imports and one small file (the fixed start); peak
memory is the highest of the whole process. All three give the same mean current, or the run fails. As in a run of a
study, at most a batch of recordings is held at once.
Recordings are simulated, in a temporary folder of at most 1.3 GB.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mgk import environment
from mgk.tables import write_table

HOUSE = Path(__file__).parents[1]
RATE_HZ = 20000.0
CURRENT_FULL_SCALE_PA, VOLTAGE_FULL_SCALE_MV = 5000.0, 250.0
MANY = 1000
# (file, sweeps, samples of a channel): two channels of two bytes.
LARGE = ("large.abf", 50, 1_000_000)
SMALL = ("small.abf", 10, 26_000)
CELLS_OF_STUDY = 50
ROUNDS = 3


def windows_ms(samples: int) -> dict[str, list[float]]:
    """Return windows that together are nearly the whole sweep."""
    length = 1e3 * samples / RATE_HZ
    ends = {"baseline": (0.02, 0.18), "peak": (0.2, 0.4), "steady": (0.4, 0.8), "tail": (0.82, 0.98)}
    return {name: [round(length * start), round(length * stop)] for name, (start, stop) in ends.items()}


def write_recording(path: Path, sweeps: int, samples: int) -> None:
    """Write a simulated recording: steps of the command, a recorded voltage channel, noise."""
    from mgk.recordings.protocol import PRE_HOLD_DIVISOR, Epoch, Output
    from mgk.simulate.abf import Signal, write_abf

    first, last = samples // 5, 4 * samples // 5
    rng = np.random.default_rng(1)
    levels = np.linspace(-100, 100, sweeps, dtype=np.float32)
    voltage = np.zeros((sweeps, samples), np.float32)
    voltage[:, first:last] = levels[:, None]
    current = voltage * 10
    for sweep in current:
        sweep += rng.normal(0, 20, samples).astype(np.float32)
    step = float(levels[1] - levels[0])
    epochs = (
        Epoch(0, "step", 0.0, first - samples // PRE_HOLD_DIVISOR),
        Epoch(1, "step", float(levels[0]), last - first, level_step=step),
    )
    signals = [
        Signal("Im", "pA", CURRENT_FULL_SCALE_PA, current),
        Signal("Vm", "mV", VOLTAGE_FULL_SCALE_MV, voltage),
    ]
    write_abf(path, signals, [Output("Cmd 0", "mV", 0.0, epochs)], rate_hz=RATE_HZ, comment="SIMULATED, benchmark")


def measure_with_mgk(files: list[Path], samples: int) -> float:
    """Measure with the package; return the mean steady current."""
    from mgk.batches import batches
    from mgk.recordings.measure import measure_batch

    settings = {"windows_ms": windows_ms(samples), "polarity": "outward"}
    settings["corrections"] = dict.fromkeys(("leak", "series_resistance", "junction_potential"), "none")
    rows = [
        {
            "recording_id": f"r{i}", "file": file.name, "experiment": "e", "cell_id": "c", "animal_id": "a",
            "condition": "", "configuration": "whole_cell", "channel": "Im", "voltage_channel": "Vm", "exclude": "",
        }
        for i, file in enumerate(files)
    ]  # fmt: skip
    own = {row["recording_id"]: row for row in rows}
    steady = []
    for batch in batches(list(own)).values():
        measured = measure_batch([own[name] for name in batch], files[0].parent, settings)
        steady.append(measured.measurements["steady_pa"].to_numpy())
    return float(np.concatenate(steady).mean())


def measure_with_memmap(files: list[Path], samples: int) -> float:
    """Map, scale both channels to float64 in all windows, take the means; of the header only what is needed."""
    spans = [slice(*(round(ms * RATE_HZ / 1e3) for ms in window)) for window in windows_ms(samples).values()]
    steady = list(windows_ms(samples)).index("steady")
    scales = np.array([CURRENT_FULL_SCALE_PA, VOLTAGE_FULL_SCALE_MV]) / 32768
    found = []
    for file in files:
        head = np.memmap(file, "<u4", "r", shape=512 // 4)
        data = np.memmap(file, "<i2", "r", offset=512 * int(head[DATA_SECTION_WORD]))
        sweeps = int(head[3])
        for sweep in data[: sweeps * samples * 2].reshape(sweeps, samples, 2):
            means = [[(sweep[span, i] * scale).mean() for span in spans] for i, scale in enumerate(scales)]
            found.append(means[0][steady])
    return float(np.mean(found))


# Entry 10 of the section table, from byte 76, 16 bytes each: the data (`mgk.recordings.axon.abf2`).
DATA_SECTION_WORD = (76 + 16 * 10) // 4


def measure_with_pyabf(files: list[Path], samples: int) -> float:
    """Read with pyABF, sweep by sweep and channel by channel, and take the same means."""
    import pyabf

    spans = {n: slice(*(round(ms * RATE_HZ / 1e3) for ms in w)) for n, w in windows_ms(samples).items()}
    found = []
    for file in files:
        abf = pyabf.ABF(str(file))
        for sweep in range(abf.sweepCount):
            for channel in (1, 0):
                abf.setSweep(sweep, channel=channel)
                means = {name: float(np.mean(abf.sweepY[span], dtype=np.float64)) for name, span in spans.items()}
            found.append(means["steady"])
    return float(np.mean(found))


READERS = {"mgk": measure_with_mgk, "numpy memmap": measure_with_memmap, "pyABF": measure_with_pyabf}


def child(reader: str, folder: Path, pattern: str, samples: int) -> None:
    """Measure all files of a pattern with one reader; print what it took as JSON."""
    measure = READERS[reader]
    measure([folder / SMALL[0]], SMALL[2])
    files = sorted(folder.glob(pattern))
    wall, cpu = time.perf_counter(), time.process_time()
    mean_pa = measure(files, samples)
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({**took, "peak_mb": peak_mb(), "mean_pa": mean_pa}))


def peak_mb() -> float:
    """Return the peak of this process's own memory (`getrusage` would count that of its parent, too)."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def in_own_process(*arguments: str) -> str:
    """Run this file with arguments in a new process; return what it prints."""
    command = [sys.executable, str(Path(__file__)), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment.fixed_environment())
    return done.stdout


def compare(folder: Path, pattern: str, samples: int, title: str) -> None:
    """Measure with all readers and print the table."""
    rounds = [
        {name: json.loads(in_own_process("child", name, str(folder), pattern, str(samples))) for name in READERS}
        for _ in range(ROUNDS)
    ]
    found = {
        name: {
            **rounds[0][name],
            **{key: min(took[name][key] for took in rounds) for key in ("wall", "cpu")},
            "peak_mb": max(took[name]["peak_mb"] for took in rounds),
        }
        for name in READERS
    }
    means = [took["mean_pa"] for took in found.values()]
    if not np.allclose(means, means[0], rtol=1e-4, atol=0.05):
        raise ValueError(f"the readers disagree: {dict(zip(found, means, strict=True))}")
    bare = found["numpy memmap"]
    print(f"\n{title}")
    print(f"{'':24}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'wall ratio':>12}{'CPU ratio':>11}")
    for name, took in found.items():
        ratios = took["wall"] / bare["wall"], took["cpu"] / bare["cpu"]
        print(f"{name:24}{took['wall']:9.2f}{took['cpu']:9.2f}{took['peak_mb']:9.0f}{ratios[0]:12.2f}{ratios[1]:11.2f}")


def many_recordings(folder: Path) -> None:
    """Copy the small recording many times."""
    for number in range(MANY):
        shutil.copy(folder / SMALL[0], folder / f"many{number:04d}.abf")


def growing_study(folder: Path) -> None:
    """Run a study of many recordings, add one, and print the jobs and times of both runs."""
    import pandas as pd
    import yaml

    study = folder / "study"
    (study / "raw_data" / "recordings").mkdir(parents=True)
    config = yaml.safe_load((HOUSE / "config.yaml").read_text(encoding="utf-8"))
    only = {"romk_block": config["recordings"]["experiments"]["romk_block"]}
    config = {"study": config["study"], "solutions": config["solutions"], "recordings": {"experiments": only}}
    (study / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    shutil.copy(HOUSE / "raw_data" / "solutions.yaml", study / "raw_data")
    demo = pd.read_csv(HOUSE / "raw_data" / "recordings.csv", dtype=str, keep_default_na=False)
    demo = demo[(demo["experiment"] == "romk_block") & (demo["exclude"] == "")]
    cell = demo[demo["cell_id"] == demo["cell_id"].iloc[0]]
    for file in cell["file"]:
        shutil.copy(HOUSE / "raw_data" / file, study / "raw_data" / file)
    copies = [
        cell.assign(recording_id=cell["recording_id"] + f"_{i}", cell_id=f"c{i}", animal_id=f"a{i // 2}")
        for i in range(CELLS_OF_STUDY)
    ]
    table = pd.concat(copies, ignore_index=True)
    one_more = table.iloc[-1:].assign(recording_id="one_more")
    print(f"\nOne recording more in a study of {len(table)}")
    print(f"{'':24}{'jobs':>9}{'dry run s':>11}{'run s':>9}")
    for name, rows in (("all of them", table), ("one more", pd.concat([table, one_more], ignore_index=True))):
        write_table(rows, study / "raw_data" / "recordings.csv")
        start = time.perf_counter()
        jobs = planned_jobs(study)
        planned = time.perf_counter()
        run = [sys.executable, "-m", "mgk.run", str(study)]
        subprocess.run(run, cwd=HOUSE, check=True, capture_output=True, env=environment.fixed_environment())
        print(f"{name:24}{sum(jobs.values()):9}{planned - start:11.1f}{time.perf_counter() - planned:9.1f}")
    print("  " + ", ".join(f"{rule} {count}" for rule, count in jobs.items()))


def planned_jobs(study: Path) -> dict[str, int]:
    """Return how many jobs of each rule a run would have."""
    command = [sys.executable, "-m", "snakemake", "--directory", str(study), "-n"]
    environ = environment.fixed_environment()
    done = subprocess.run(command, cwd=HOUSE, check=True, capture_output=True, text=True, env=environ)
    table = re.search(r"^job +count\n-+ +-+\n(.*?)^total", done.stdout + done.stderr, re.S | re.M)
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table[1], re.M)} if table else {}


def main() -> None:
    """Write recordings, measure, print."""
    with tempfile.TemporaryDirectory(prefix="mgk-bench-") as name:
        folder = Path(name)
        for file, sweeps, samples in (LARGE, SMALL):
            in_own_process("write", str(folder / file), str(sweeps), str(samples))
        sizes = [(folder / file).stat().st_size / 1e6 for file, _, _ in (LARGE, SMALL)]
        compare(folder, LARGE[0], LARGE[2], f"One recording of {sizes[0]:.0f} MB")
        (folder / LARGE[0]).unlink()
        many_recordings(folder)
        compare(folder, "many*.abf", SMALL[2], f"{MANY:,} recordings of {sizes[1]:.1f} MB")
        for file in folder.glob("many*.abf"):
            file.unlink()
        growing_study(folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], Path(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
    elif sys.argv[1:2] == ["write"]:
        write_recording(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
