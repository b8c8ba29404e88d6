"""The rows of a set of constants, read from the project's YAML files without the project's code."""

from pathlib import Path

import yaml

SETS = Path(__file__).resolve().parents[3] / "workflow" / "mgk" / "solutions" / "constants"


def content_of(name):
    """Return what a file of constants holds."""
    return yaml.safe_load((SETS / f"{name}.yaml").read_text(encoding="utf-8"))


def rows_of(name):
    """Return the rows as (cation, ligand, protons, row with its conditions), and the charges of the ligands."""
    content = content_of(name)
    rows, charges = rows_of(content["extends"]) if "extends" in content else ([], {})
    charges = charges | content["ligand_charges"]
    for row in content["constants"]:
        full = {k: content[k] for k in ("temperature_c", "ionic_strength_m", "proton_constants")} | row
        cation, form = row["reaction"].split(" + ")
        ligand = max((x for x in charges if form.endswith(x)), key=len)
        head = form[: len(form) - len(ligand)]
        rows.append((cation, ligand, 0 if not head else int(head[1:] or 1), full))
    return rows, charges
