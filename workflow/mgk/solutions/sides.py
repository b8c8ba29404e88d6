"""Which solution is on which side of the membrane. Limits: names of solutions only, from a row of recordings.csv."""

from collections.abc import Mapping

# The cytosol of a cell whose membrane stays closed has no recipe.
SIDES = {
    "inside_out": {"internal": "bath_solution", "external": "pipette_solution"},
    "outside_out": {"internal": "pipette_solution", "external": "bath_solution"},
    "whole_cell": {"internal": "pipette_solution", "external": "bath_solution"},
    "perforated": {"external": "bath_solution"},
    "cell_attached": {"external": "pipette_solution"},
    "two_electrode": {"external": "bath_solution"},
}


def internal_external(row: Mapping) -> dict[str, str]:
    """Return the solution ids on the sides `internal` and `external` of a recording.

    A side without a known recipe is absent: the cytosol in perforated, cell-attached and two-electrode recordings, and
    both where the configuration is empty.
    """
    columns = SIDES.get(row["configuration"], {})
    return {side: row[column] for side, column in columns.items() if row[column]}
