"""`make validate`: many simulated studies of each design of each stage, and a document a stage from them.

    python -m validation.run [STAGE ...] [--studies N] [--misspecified N] [--output FOLDER]

A stage is a module of this folder with the designs that meet its model (`DESIGNS`) and those that do not
(`MISSPECIFIED`), each with a `label`; `STUDIES`, how many of each right design by default; `run_study(design, seed)`,
which returns rows (dicts); `document(rows)`, which returns the text; and `DOCUMENT`, its file under docs/.

A study of block takes about 0.2 s of CPU, so that 1,000 of each design that meets the model and 250 of each that does
not take about 15 minutes on two cores. Seeds count from 0: the same N gives the same table, and the text names no time
and no machine.
"""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pandas as pd

from mgk import environment
from mgk.whole_files import write_whole

STAGES = (
    "block", "salts", "magnesium", "atpase", "relaxation", "excitability", "unitary", "curves", "synthesis", "stacks",
)  # fmt: skip
DOCUMENTS = Path(__file__).parents[1] / "docs"
CHUNK = 10


def simulate(stage: ModuleType, studies: int, misspecified: int, processes: int) -> pd.DataFrame:
    """Run the studies of a stage in parallel; return the rows of its `run_study`, by design and seed."""
    jobs = [(stage.__name__, design, seed) for design in stage.DESIGNS for seed in range(studies)]
    jobs += [(stage.__name__, design, seed) for design in stage.MISSPECIFIED for seed in range(misspecified)]
    rows = []
    with ProcessPoolExecutor(processes) as pool:
        for done, found in enumerate(pool.map(_run, jobs, chunksize=CHUNK), 1):
            rows += found
            if done % 500 == 0 or done == len(jobs):
                print(f"{stage.__name__}: {done} of {len(jobs)} studies", file=sys.stderr, flush=True)
    return pd.DataFrame(rows)


def _run(job: tuple) -> list[dict]:
    stage, design, seed = job
    return import_module(stage).run_study(design, seed)


def main() -> None:
    """Simulate and write the documents."""
    parser = argparse.ArgumentParser(prog="validation.run", description=__doc__.splitlines()[0])
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"{', '.join(STAGES)} (all)")
    parser.add_argument("--studies", type=int, metavar="N", help="of each right design (the stage's number)")
    parser.add_argument("--misspecified", type=int, metavar="N", help="of each misspecified one (a quarter)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), metavar="N", help="processes (all cores)")
    parser.add_argument("--output", type=Path, default=DOCUMENTS, metavar="FOLDER", help="docs/")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.stages) - set(STAGES)):
        parser.error(f"no stage {', '.join(unknown)}; there are {', '.join(STAGES)}")
    for name in asked.stages or STAGES:
        stage = import_module(f"validation.{name}")
        studies = asked.studies or stage.STUDIES
        rows = simulate(stage, studies, asked.misspecified or max(studies // 4, 1), asked.processes)
        write_whole(asked.output / stage.DOCUMENT, stage.document(rows))
        print(f"written: {stage.DOCUMENT}")


if __name__ == "__main__":
    environment.apply()
    main()
