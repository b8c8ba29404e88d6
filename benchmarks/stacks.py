"""`make bench`: measuring image stacks as ratios against a plain read with tifffile, measured in the same run.

1. A pair of stacks of 2 GB, uncompressed, two files: `measure_stack` (background, shift, segmentation, 49 cells)
   against `tifffile.imread` of both files, one after the other, each whole in memory.
2. The same in one OME-TIFF, channels in turn.
3. A pair of 200 MB before compression (deflate).

Each reader runs in a process of its own. Time and CPU count from after its imports and one small stack; peak memory is
that of the whole process; the files lie in the cache of the system, so that no disk is measured. Both give the same
background, or the run fails. Stacks are simulated, in a temporary folder of at most 2.3 GB. The bound of the project:
500 MB, and no less than half the speed of the plain read.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from recordings import peak_mb

from mgk import environment

SIDE = 512
GRID = 7
NOISY = 16
OFFSET, CELL, RADIUS_PX = 100.0, 400.0, 14
# Name, frames of each wavelength, how they are written.
STACKS = {
    "pair": ("A pair of 2 GB, two files", 2048, {}),
    "ome": ("The same in one OME-TIFF, channels in turn", 2048, {}),
    "deflate": ("A pair of 200 MB, deflate", 200, {"compression": "zlib"}),
}
SMALL = ("small", 8)
READERS = ("mgk", "tifffile")
BOUND_MB, BOUND_SPEED = 500, 2.0


def frame_of(wavelength: str, number: int) -> np.ndarray:
    """Return a simulated frame: round cells on a grid, photon noise."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(float)
    step = SIDE / GRID
    away = np.hypot((y % step) - step / 2, (x % step) - step / 2)
    signal = CELL * (1.0 if wavelength == "380" else 0.7) / (1 + np.exp(away - RADIUS_PX))
    rng = np.random.default_rng([number, int(wavelength)])
    return (OFFSET + rng.poisson(signal + 20)).astype(np.uint16)


def write_stack(folder: Path, name: str, frames: int, **options) -> None:
    """Write a stack; the noise of its frames repeats, for writing 2 GB is not what is measured."""
    import tifffile

    noisy = {w: [frame_of(w, n) for n in range(NOISY)] for w in ("340", "380")}
    if name == "ome":
        both = (noisy[w][n % NOISY] for n in range(frames) for w in noisy)
        tifffile.imwrite(folder / "ome.ome.tif", both, shape=(frames, 2, SIDE, SIDE), dtype=np.uint16, ome=True,
                         photometric="minisblack", metadata={"axes": "TCYX"})  # fmt: skip
        return
    for w, found in noisy.items():
        one = (found[n % NOISY] for n in range(frames))
        shape = (frames, SIDE, SIDE)
        tifffile.imwrite(folder / f"{name}_{w}.tif", one, shape=shape, dtype=np.uint16, photometric="minisblack",
                         **options)  # fmt: skip


def files_of(folder: Path, name: str) -> dict[str, str]:
    """Return what a row of stacks.csv says of the files of a stack."""
    if name == "ome":
        return {"file": "ome.ome.tif", "channels": "340 380"}
    return {f"file_{w}": f"{name}_{w}.tif" for w in ("340", "380")}


def with_mgk(folder: Path, name: str) -> float:
    """Measure all cells; return the mean raw count at 340 nm in the background region."""
    from mgk.stacks import StackSettings, measure_stack

    row = {"stack_id": name, "role": "sample", "background_region_px": "0:8,0:8", **files_of(folder, name)}
    measured = measure_stack(row, folder, StackSettings())
    if measured.quality["n_rois"] != GRID**2:
        raise ValueError(f"{measured.quality['n_rois']} cells found; {GRID**2} put in")
    return measured.quality["background_340"]


def with_tifffile(folder: Path, name: str) -> float:
    """Read all files whole, one after the other; return the same number."""
    import tifffile

    means = []
    for file in sorted(v for k, v in files_of(folder, name).items() if k.startswith("file")):
        whole = tifffile.imread(folder / file)
        corner = whole[..., 0:8, 0:8]
        means.append((corner[:, 0] if name == "ome" else corner).mean())
    return float(means[0])


def child(reader: str, folder: Path, name: str) -> None:
    """Measure with one reader; print what it took as JSON."""
    measure = {"mgk": with_mgk, "tifffile": with_tifffile}[reader]
    measure(folder, SMALL[0])
    wall, cpu = time.perf_counter(), time.process_time()
    found = measure(folder, name)
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({**took, "peak_mb": peak_mb(), "background": found}))


def in_own_process(*arguments: str) -> str:
    """Run this file with arguments in a new process; return what it prints."""
    command = [sys.executable, str(Path(__file__)), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment.fixed_environment())
    return done.stdout


def compare(folder: Path, name: str) -> None:
    """Write a stack, measure it with both readers in turn, three times each, and print the best of each."""
    title, frames, options = STACKS[name]
    write_stack(folder, name, frames, **options)
    files = [folder / v for k, v in files_of(folder, name).items() if k.startswith("file")]
    size = sum(file.stat().st_size for file in files)
    found: dict[str, list[dict]] = {reader: [] for reader in READERS}
    for _ in range(3):
        for reader in READERS:
            found[reader].append(json.loads(in_own_process("child", reader, str(folder), name)))
    best = {reader: min(took, key=lambda t: t["wall"]) for reader, took in found.items()}
    if not np.isclose(best["mgk"]["background"], best["tifffile"]["background"], rtol=1e-9):
        raise ValueError(f"the readers disagree: {best}")
    print(f"\n{title} ({size / 1e9:.2f} GB on disk)")
    print(f"{'':24}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'wall ratio':>12}")
    for reader, took in best.items():
        ratio = took["wall"] / best["tifffile"]["wall"]
        print(f"{reader:24}{took['wall']:9.2f}{took['cpu']:9.2f}{took['peak_mb']:9.0f}{ratio:12.2f}")
    held = best["mgk"]["peak_mb"] <= BOUND_MB and best["mgk"]["wall"] <= BOUND_SPEED * best["tifffile"]["wall"]
    print(f"  within {BOUND_MB} MB and {BOUND_SPEED:g} times the plain read: {'yes' if held else 'no'}")
    for file in files:
        file.unlink()


def main() -> None:
    """Write stacks, measure, print."""
    with tempfile.TemporaryDirectory(prefix="mgk-bench-") as name:
        folder = Path(name)
        write_stack(folder, *SMALL)
        for stack in STACKS:
            compare(folder, stack)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], Path(sys.argv[3]), sys.argv[4])
    else:
        main()
