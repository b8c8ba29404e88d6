"""Write the simulated raw data of the demonstration from raw_data/truth.yaml: `python -m mgk.simulate raw_data`.

The clinical tables are real and are not touched. Last comes the manifest of checksums of all raw data.
"""

import sys
from pathlib import Path

import pandas as pd

from mgk import environment

environment.apply()

from mgk.provenance import sha256  # noqa: E402, numpy must see the environment first
from mgk.simulate import (  # noqa: E402
    atpase_plates,
    coupled_plate,
    current_clamp,
    curves,
    magnesium_plate,
    membrane,
    neurons_plate,
    nmda,
    potassium,
    recordings,
    single_channels,
    stacks,
    stopped_flow,
)
from mgk.tables import write_table  # noqa: E402
from mgk.tables.yaml_file import load_yaml  # noqa: E402
from mgk.whole_files import write_whole  # noqa: E402

NOT_IN_MANIFEST = ("manifest.sha256", "README.md")


def write_demonstration(truth: dict, raw_data: Path) -> None:
    """Write every simulated file, the tables that name them, and the manifest."""
    clamped = (recordings, nmda, potassium, membrane, stopped_flow, current_clamp)
    rows = [module.write(truth, raw_data) for module in clamped]
    patches, segments = single_channels.write(truth, raw_data)
    write_table(pd.concat([*rows, patches], ignore_index=True), raw_data / "recordings.csv")
    write_table(segments, raw_data / "segments.csv")
    kinds = (magnesium_plate, neurons_plate, atpase_plates, coupled_plate)
    plates = [module.write(truth, raw_data) for module in kinds]
    write_table(pd.concat(plates, ignore_index=True), raw_data / "plates.csv")
    stacks.write(truth, raw_data)
    curves.write(truth, raw_data)
    write_checksums(raw_data)


def write_checksums(raw_data: Path) -> None:
    """Write raw_data/manifest.sha256, as `sha256sum` does, so that `sha256sum -c` can read it."""
    files = sorted(p for p in raw_data.rglob("*") if p.is_file() and p.name not in NOT_IN_MANIFEST)
    lines = [f"{sha256(p)}  {p.relative_to(raw_data).as_posix()}\n" for p in files]
    write_whole(raw_data / "manifest.sha256", "".join(lines))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    write_demonstration(load_yaml(folder / "truth.yaml")[0], folder)
