"""What a reader of raw files allocates as they grow: for `MEMORY_MB` of the rules, and the table of docs/cluster.md.

Simulated files of two sizes for each way that a reader holds its data, each read in a process of its own. What is
measured is what `mem_mb` is the ceiling of: the most that the process allocated (VmData, looked at every 3 ms). The
slope between the two sizes is what a MB of file, or a megapixel of frame, costs; what comes before is Python and its
libraries.

    python benchmarks/readers.py
"""

import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mgk import environment

RATE_HZ = 20_000.0
LOOK_S = 0.003
ROW = {
    "recording_id": "r", "file": "data", "experiment": "e", "cell_id": "c", "animal_id": "a", "condition": "",
    "configuration": "inside_out", "construct": "", "bath_solution": "", "ligand_total_mm": 0.0, "exclude": "",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Files that a reader is given: how they are written and read, and their two sizes in `unit`."""

    title: str
    sizes: tuple[float, float]
    write: Callable[[Path, float], None]
    read: Callable[[Path], None]
    unit: str = "MB"


def write_abf_file(path: Path, values: np.ndarray, output: tuple, unit: str, gap_free: bool = False) -> None:
    """Write one channel, shape (sweeps, samples); `output`: unit, holding level, step, increment of it."""
    from mgk.recordings.protocol import Epoch, Output
    from mgk.simulate.abf import Signal, write_abf

    n, (played, holding, level, more) = values.shape[1], output
    epoch = Epoch(0, "step", level, n // 2, level_step=more)
    full_scale = 2 * float(np.abs(values).max())
    signals, outputs = [Signal("In", unit, full_scale, values)], [Output("Out", played, holding, (epoch,))]
    write_abf(path, signals, outputs, rate_hz=RATE_HZ, comment="SIMULATED, benchmark", gap_free=gap_free)


def write_clamp(folder: Path, mb: float) -> None:
    """Write one sweep of a voltage clamp."""
    current = np.random.default_rng(1).normal(0, 20, (1, int(mb * 5e5))).astype(np.float32)
    write_abf_file(folder / "data", current, ("mV", 0.0, 10.0, 0.0), "pA")


def write_current_clamp(folder: Path, mb: float) -> None:
    """Write two sweeps of a current clamp, with a step each."""
    n = int(mb * 2.5e5)
    voltage = np.random.default_rng(1).normal(-60, 0.1, (2, n)).astype(np.float32)
    voltage[1, n // 4 : n // 2] += 10
    write_abf_file(folder / "data", voltage, ("pA", 0.0, -50.0, 70.0), "mV")


def write_patch(folder: Path, mb: float) -> None:
    """Write one stretch of one channel that opens for 10 ms every 20."""
    from scipy.ndimage import gaussian_filter1d

    rng, n = np.random.default_rng(1), int(mb * 5e5)
    stays = rng.exponential(200, n // 100).astype(int) + 1
    is_open = np.repeat(np.arange(len(stays)) % 2, stays)[:n].astype(float)
    current = gaussian_filter1d(rng.normal(0, 1, len(is_open)) - 2 * is_open, 3.0)
    write_abf_file(folder / "data", current[None], ("mV", -60.0, -60.0, 0.0), "pA", gap_free=True)


def write_trace(folder: Path, mb: float) -> None:
    """Write a trace as text, with few digits: the shortest lines cost the most."""
    lines = (f"{i},{i % 10},1\n" for i in range(int(mb * 1e5)))
    (folder / "data").write_text("time_ms,current_pa,command_mv\n" + "".join(lines), encoding="utf-8")


def write_shots(folder: Path, mb: float) -> None:
    """Write shots as text, six in a file."""
    rng, n = np.random.default_rng(1), int(mb * 1e6 / 56)
    names = ",".join(f"fluorescence_v_{i + 1}" for i in range(6))
    rows = zip(np.arange(n) / 10, np.exp(-np.arange(n) / n)[:, None] + rng.normal(0, 0.01, (n, 6)), strict=True)
    lines = (f"{t:.1f},{','.join(f'{v:.5f}' for v in shots)}\n" for t, shots in rows)
    (folder / "data").write_text(f"time_ms,{names}\n" + "".join(lines), encoding="utf-8")


def stacks_of(frames: int, **options) -> Callable[[Path, float], None]:
    """Return how a pair of stacks with frames of some megapixels is written, with its labels."""

    def write(folder: Path, megapixels: float) -> None:
        import tifffile

        side, rng = round(1e3 * megapixels**0.5), np.random.default_rng(1)
        y, x = np.mgrid[:side, :side] * (7 / side)
        away = np.hypot(y % 1 - 0.5, x % 1 - 0.5)
        labels = np.where(away < 0.2, 1 + 7 * y.astype(int) + x.astype(int), 0).astype(np.uint16)
        tifffile.imwrite(folder / "labels.tif", labels, compression="zlib")
        for name in ("340", "380"):
            image = rng.poisson(100 + 400 / (1 + np.exp(60 * (away - 0.2)))).astype(np.uint16)
            tifffile.imwrite(
                folder / f"{name}.tif", (image for _ in range(frames)), shape=(frames, side, side), dtype=np.uint16,
                photometric="minisblack", **options,
            )  # fmt: skip

    return write


def read_clamp(folder: Path) -> None:
    """Measure in windows that together are nearly all of the sweep."""
    from mgk.recordings import read_recording
    from mgk.recordings.measure import measure_batch

    recording = read_recording(folder / "data")
    length = 1e3 * recording.sweep_samples[0] / recording.rate_hz
    windows = {
        "baseline": [0, round(0.1 * length)],
        "peak": [0, round(0.9 * length)],
        "steady": [0, round(0.9 * length)],
    }
    del recording
    measure_batch([ROW], folder, {"windows_ms": windows, "polarity": "outward", "corrections": {}})


def read_current_clamp(folder: Path) -> None:
    """Measure sweeps and spikes."""
    from mgk.excitability import measure_current_clamp

    measure_current_clamp([ROW | {"configuration": "whole_cell"}], folder, {"excitability": {}})


def read_patch(folder: Path) -> None:
    """Analyse one level; it must be found."""
    from mgk.unitary import analyse_patches

    asked = {"unitary": {"filter_hz": {"value": 1000.0, "source": "simulated"}}, "polarity": "absolute"}
    levels = analyse_patches([ROW], folder, asked, {}).levels
    if levels["channels"].tolist() != [1]:
        raise ValueError("the channel was not found")


def read_shots(folder: Path) -> None:
    """Average the shots."""
    from mgk.relaxation import average_shots

    average_shots([ROW], folder, {"relaxation": {"dead_time_ms": {"value": 1.0}}})


def read_stacks(folder: Path) -> None:
    """Measure cells that are labelled."""
    from mgk.stacks import image_file, measure_stacks, stack_settings

    row = {"stack_id": "s", "role": "sample", "experiment": "e", "background_region_px": "0:8,0:8"}
    row |= {"file_340": "340.tif", "file_380": "380.tif", "labels": "labels.tif"}
    with image_file(folder / "images.tif") as keep:
        measure_stacks([row], folder, stack_settings({}), keep)


CASES = {
    "clamp": Case("voltage clamp, ABF, one sweep", (20, 100), write_clamp, read_clamp),
    "trace": Case("voltage clamp, CSV, 10 bytes a line", (10, 40), write_trace, read_clamp),
    "current_clamp": Case("current clamp, ABF, two sweeps", (10, 40), write_current_clamp, read_current_clamp),
    "shots": Case("shots, CSV, six in a file", (10, 40), write_shots, read_shots),
    "patch": Case("patch, ABF, one level, 20 kHz", (4, 16), write_patch, read_patch),
    "stacks": Case("stacks, 64 frames", (0.26, 1.05), stacks_of(64), read_stacks, "Mpx"),
    "long": Case("stacks, 512 frames", (0.26, 1.05), stacks_of(512), read_stacks, "Mpx"),
    "large": Case(
        "stacks, deflate, 16 large frames", (1.05, 4.19), stacks_of(16, compression="zlib"), read_stacks, "Mpx"
    ),
}


def allocated_mb() -> float:
    """Return what this process has allocated."""
    return int(re.search(r"VmData:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def child(name: str, folder: Path) -> None:
    """Read what lies in a folder; print the most that was allocated."""
    most = [0.0]

    def watch() -> None:
        while True:
            most[0] = max(most[0], allocated_mb())
            time.sleep(LOOK_S)

    threading.Thread(target=watch, daemon=True).start()
    CASES[name].read(folder)
    print(json.dumps(max(most[0], allocated_mb())))


def in_own_process(*arguments: str) -> str:
    """Run this file with arguments in a new process; return what it prints."""
    command = [sys.executable, str(Path(__file__)), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment.fixed_environment())
    return done.stdout


def main() -> None:
    """Write, read, print."""
    print(f"{'':36}{'sizes':>14}{'allocated MB':>14}{'MB for each':>14}")
    for name, case in CASES.items():
        found = []
        for size in case.sizes:
            with tempfile.TemporaryDirectory(prefix="mgk-bench-") as folder:
                case.write(Path(folder), size)
                found.append(json.loads(in_own_process("child", name, folder)))
        slope = (found[1] - found[0]) / (case.sizes[1] - case.sizes[0])
        sizes, mb = (f"{a:g}, {b:g}" for a, b in (case.sizes, map(round, found)))
        print(f"{case.title:36}{sizes:>14}{mb:>14}{slope:10.1f} {case.unit}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
