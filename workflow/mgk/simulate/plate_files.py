"""Exports of plate readers as their software writes them, of simulated wells; and what the two plate generators share.

Limits: endpoint reads; plates of 96 wells or a corner of one. The grammar of the exports is described in the readers
(`mgk.plates.bmg`, `mgk.plates.gen5`). Every file says in a field of its head that it is simulated.
A well's cell is text as printed: a number, `OVRFLW` or `MISSED` (Gen5), `overflow` (MARS), or '' for an empty cell.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mgk.plates.export import ROWS, well_position
from mgk.tables import write_table
from mgk.tables.schema import load_schema
from mgk.whole_files import whole_file

SIMULATED = "SIMULATED by mgk.simulate, no reader involved"


@dataclass(frozen=True)
class FilterPair:
    """Excitation and emission filter of a fluorescence read, centre and width in nm."""

    excitation_nm: int
    excitation_width_nm: int
    emission_nm: int
    emission_width_nm: int

    def label(self, step: str) -> str:
        """Return the label that Gen5 prints behind a row of this read."""
        excitation, emission = (
            f"{self.excitation_nm}/{self.excitation_width_nm}",
            f"{self.emission_nm}/{self.emission_width_nm}",
        )
        return f"{step}:{excitation},{emission}"


def plain(section: dict) -> dict:
    """Return a section of truth.yaml with each `{value, unit, source}` replaced by its value."""
    return {k: _plain(v) for k, v in section.items()}


def _plain(node):
    if not isinstance(node, dict):
        return node
    return node["value"] if "value" in node else plain(node)


def write_layout(layout: pd.DataFrame, path: Path) -> None:
    """Write a layout, its columns in the order of the schema, replicates as whole numbers."""
    columns = [c for c in load_schema("layout")["properties"] if c in layout]
    write_table(layout[columns].astype({"replicate": "Int64"}), path)


def write_bmg_mars(path: Path, title: str, plate: str, date: str, wavelength_nm: int, wells: dict[str, str]) -> None:
    """Write a MARS csv with one absorbance read of a 96-well plate.

    Parameters
    ----------
    title, plate: names of the test and of the plate.
    date: as MARS prints it, `d/m/yyyy`.
    wells: cell text by well; wells that are not named are empty.
    """
    lines = [
        rf"User: USER,Path: {SIMULATED.replace(',', ';')},Test run no.: 1",
        f"Test name: {title} (SIMULATED),Date: {date},Time: 10:00:00",
        "",
        f"ID1: {plate},ID2: SIMULATED,",
        "Absorbance",
        "",
        f"Raw Data  ({wavelength_nm})",
        "",
        "," + "".join(f"{c}," for c in range(1, 13)),
    ]
    lines += [f"{row}," + ",".join(wells.get(f"{row}{c}", "") for c in range(1, 13)) for row in ROWS[:8]]
    _write(path, [*lines, ""])


def write_gen5(
    path: Path, step: str, date: str, temperature_c: float, reads: list[tuple[FilterPair, dict[str, str]]]
) -> None:
    """Write a Gen5 txt with fluorescence endpoint reads of the same wells, in the order of the procedure.

    Parameters
    ----------
    step: name of the read step.
    date: as Gen5 prints it, `m/d/yyyy`.
    temperature_c: C.
    reads: for each filter pair, the cell text by well; the matrix spans the used rows and columns.
    """
    places = [well_position(w) for _, wells in reads for w in wells]
    rows, columns = max(r for r, _ in places) + 1, max(c for _, c in places) + 1
    filters = []
    for i, (pair, _) in enumerate(reads, start=1):
        excitation, emission = pair.label("").removeprefix(":").split(",")
        filters += [
            f"\tFilter Set {i}",
            f"\t    Excitation: {excitation},  Emission: {emission}",
            "\t    Optics: Bottom,  Gain: 80",
        ]
    lines = [
        *("", "", "Software Version\t3.12.08", "", "", ""),
        *(f"Experiment File Path:\t{SIMULATED}", "Protocol File Path:\t", "", "", ""),
        *("Plate Number\tPlate 1", f"Date\t{date}", "Time\t10:00:00 AM"),
        *("Reader Type:\tn/a", "Reader Serial Number:\tn/a", "Reading Type\tSimulation", ""),
        *("Procedure Details", "", "Plate Type\t96 WELL PLATE", "Eject plate on completion\t"),
        *(f"Read\t{step}", "\tFluorescence Endpoint", f"\tA1..{ROWS[rows - 1]}{columns}", *filters),
        *("\tRead Speed: Normal,  Delay: 100 msec,  Measurements/Data Point: 10", "", "", ""),
        *(f"Actual Temperature:\t{temperature_c:.1f}", "", "Results"),
        "\t" + "\t".join(str(c + 1) for c in range(columns)),
    ]
    for row in ROWS[:rows]:
        for i, (pair, wells) in enumerate(reads):
            cells = [wells.get(f"{row}{c + 1}", "") for c in range(columns)]
            lines.append("\t".join([row if i == 0 else "", *cells, pair.label(step)]))
    _write(path, [*lines, "", ""])


def write_gen5_kinetic(
    path: Path,
    step: str,
    date: str,
    temperature_c: float,
    reads: list[tuple[FilterPair, list[tuple[float, dict[str, str]]]]],
) -> None:
    """Write a Gen5 txt with kinetic fluorescence reads of the same wells, a table of times for each filter pair.

    Parameters
    ----------
    step, date, temperature_c: as for `write_gen5`.
    reads: for each filter pair, (seconds from the start, cell text by well) at each time.
    """
    wells = sorted(reads[0][1][0][1], key=well_position)
    filters = []
    for i, (pair, _) in enumerate(reads, start=1):
        excitation, emission = pair.label("").removeprefix(":").split(",")
        filters += [f"\tFilter Set {i}", f"\t    Excitation: {excitation},  Emission: {emission}"]
    lines = [
        *("", "", "Software Version\t3.12.08", "", "", ""),
        *(f"Experiment File Path:\t{SIMULATED}", "Protocol File Path:\t", "", "", ""),
        *("Plate Number\tPlate 1", f"Date\t{date}", "Time\t10:00:00 AM"),
        *("Reader Type:\tn/a", "Reader Serial Number:\tn/a", "Reading Type\tSimulation", ""),
        *("Procedure Details", "", "Plate Type\t96 WELL PLATE", "Eject plate on completion\t", "Start Kinetic"),
        *(f"Read\t{step}", "\tFluorescence Kinetic", *filters, "End Kinetic", ""),
    ]
    for pair, times in reads:
        lines += ["", pair.label(step), "", "\t".join(["Time", f"T° {pair.label(step)}", *wells])]
        for time_s, cells in times:
            lines.append("\t".join([_clock(time_s), f"{temperature_c:.1f}", *(cells.get(w, "") for w in wells)]))
    _write(path, [*lines, "", ""])


def _clock(time_s: float) -> str:
    """Return a time as Gen5 prints it, h:mm:ss."""
    minutes, s = divmod(round(time_s), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{s:02d}"


def _write(path: Path, lines: list[str]) -> None:
    with whole_file(path) as beside:
        beside.write_bytes("\r\n".join(lines).encode("utf-8"))
