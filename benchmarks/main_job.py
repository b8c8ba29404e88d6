"""`make bench`: the main job as ratios against named alternatives, measured in the same run.

1. `make report` on the demonstration, against its very notebooks executed one after another by `jupyter execute`.
2. A run with nothing to do, against a bare Snakemake with nothing to do on a Snakefile of one rule.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from mgk import environment
from mgk.committed import copy_demonstration

HOUSE = Path(__file__).parents[1]
PYTHON = sys.executable


def timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command; return wall and CPU seconds of it and of all that it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=environment.fixed_environment())
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def add(*times: tuple[float, float]) -> tuple[float, float]:
    """Return the sums of wall and CPU seconds."""
    return tuple(map(sum, zip(*times, strict=True)))


def one_after_another(study: Path) -> tuple[float, float]:
    """Execute the notebooks that the run executed, with the same parameters, by `jupyter execute`."""
    folder = study / "one_after_another"
    folder.mkdir()
    times = []
    for executed in sorted((study / "results" / "notebooks").glob("*.ipynb")):
        book = nbformat.read(executed, as_version=4)
        for cell in book.cells:
            if cell.cell_type == "code":
                cell.outputs = []
        copy = folder / executed.name
        nbformat.write(book, copy)
        times.append(timed([PYTHON, "-m", "jupyter", "execute", str(copy)], folder))
    return add(*times)


def main() -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory(prefix="mgk-bench-") as folder:
        study = copy_demonstration(Path(folder) / "study")
        run = [PYTHON, "-m", "mgk.run", str(study)]
        full = timed(run, HOUSE)
        nothing = timed(run, HOUSE)
        notebooks = one_after_another(study)
        bare = Path(folder) / "bare"
        bare.mkdir()
        (bare / "Snakefile").write_text("rule all:\n    output: 'x'\n    shell: 'touch x'\n", encoding="utf-8")
        snakemake = [PYTHON, "-m", "snakemake", "--cores", "1"]
        timed(snakemake, bare)
        bare_nothing = timed(snakemake, bare)
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    print(f"{'':44}{'wall s':>9}{'CPU s':>9}{'wall ratio':>12}{'CPU ratio':>11}")
    for name, mine, other in (("make report", full, notebooks), ("make report, nothing to do", nothing, bare_nothing)):
        print(f"{name:44}{mine[0]:9.1f}{mine[1]:9.1f}{mine[0] / other[0]:12.2f}{mine[1] / other[1]:11.2f}")
    print(f"{'  the same notebooks by jupyter execute':44}{notebooks[0]:9.1f}{notebooks[1]:9.1f}")
    print(f"{'  bare Snakemake, nothing to do':44}{bare_nothing[0]:9.1f}{bare_nothing[1]:9.1f}")


if __name__ == "__main__":
    main()
