"""Read the layouts of this folder with wellmap, and store its readings in readings.json.

Run with the Python of an environment that holds wellmap: pip install wellmap==3.5.2
"""

import json
from importlib.metadata import version
from pathlib import Path

import wellmap

HERE = Path(__file__).resolve().parent
PLACES = ("well", "well0", "row", "col", "row_i", "col_j", "path")


def main() -> None:
    """Store, for each layout, the fields of each well that has any."""
    readings = {}
    for path in sorted((HERE / "files").glob("*.toml")):
        table = wellmap.load(path)
        fields = [c for c in table.columns if c not in PLACES]
        rows = {r["well"]: {f: r[f] for f in fields if r[f] == r[f]} for r in table.to_dict("records")}
        readings[path.name] = dict(sorted(rows.items()))
    stored = {"read_with": f"wellmap {version('wellmap')}", "files": readings}
    (HERE / "readings.json").write_text(json.dumps(stored, indent=1, default=str) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
