"""What is pinned of a run, and how it is kept in `<study>/verification/`.

`references.csv` holds the key numbers, each with its unit and tolerance; `tables.zip` the tables, whose cells are
compared with tolerance; `digests.json` the checksums of inputs and code, what each experiment reads, and for each
platform the checksums of tables and figures.
"""

import hashlib
import json
import platform
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mgk.digest import content
from mgk.provenance import MANIFEST, sha256
from mgk.study import Study
from mgk.tables import read_table, write_table
from mgk.tables.problems import InputError
from mgk.upstream import HOUSE, code_of, raw_files
from mgk.whole_files import whole_file, write_whole

FOLDER = "verification"
KEY_NUMBERS = "results/report/key_numbers.csv"
KEY = ("analysis", "experiment", "group", "quantity", "unit", "statistic")
NUMBERS, WORDS = ("estimate", "ci_low", "ci_high"), ("n", "verdict")
COLUMNS = (*KEY, "value", "tolerance")
# A number may differ by this share of its estimate or of the width of its interval, whichever is larger.
RELATIVE_TOLERANCE = 1e-6
# Held by bytes alone: drawing data, large and never a result, and what is joined into the tables of an experiment.
BY_BYTES = ("thumbnails.csv", "/batches/")
EARLIEST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Pins:
    """What was pinned of a run.

    `numbers`: a row for each number, columns `COLUMNS`, all text. `tables`: content by file. `inputs`, `code`: checksum
    by file. `reads`: the inputs of each `section/experiment`. `platforms`: for each platform, checksum by file.
    """

    numbers: pd.DataFrame
    tables: dict[str, bytes]
    inputs: dict[str, str]
    code: dict[str, str]
    reads: dict[str, list[str]]
    platforms: dict[str, dict[str, str]]


def platform_key() -> str:
    """Return the name of this platform: what must be equal where bytes are expected to be."""
    libc = "".join(platform.libc_ver()) or "libc-unknown"
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return "-".join((sys.platform, platform.machine(), libc, python, f"lock{lock_sha256()[:12]}"))


def lock_sha256() -> str:
    """Return the checksum of the lock under which the packages were installed."""
    return sha256(HOUSE / "requirements.txt")


def pins_of(root: Path) -> Pins:
    """Return what there is to pin of a study that was run to its end."""
    study = Study.open(root)
    manifest = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    outputs = {f: s for f, s in manifest["outputs"].items() if f.endswith((".csv", ".svg"))}
    held = [f for f in outputs if f.endswith(".csv") and not any(word in f for word in BY_BYTES)]
    return Pins(
        numbers=numbers_of(read_table(root / KEY_NUMBERS)),
        tables={f: (root / f).read_bytes() for f in held},
        inputs=manifest["inputs"],
        code=code_digests(study),
        reads={f"{s}/{e}": raw_files(study, s, e) for s, e in _experiments(study)},
        platforms={platform_key(): outputs},
    )


def _experiments(study: Study) -> list[tuple[str, str]]:
    from mgk.analyses import ANALYSES

    return list(dict.fromkeys((ANALYSES[a].section, e) for a, e in study.analyses()))


def code_digests(study: Study) -> dict[str, str]:
    """Return the checksum of every file of code that the study's analyses rest on; of notebooks, without outputs."""
    files = sorted({f for name, _ in study.analyses() for f in code_of(name)})
    return {f: hashlib.sha256(content(HOUSE / f)).hexdigest() for f in files}


def numbers_of(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of key numbers with a row for each single number, as text with the digits that read back."""
    rows, seen = [], {}
    for _, row in table.iterrows():
        key = {c: _text(row[c]) for c in KEY[:-1]}
        number = seen[tuple(key.values())] = seen.get(tuple(key.values()), 0) + 1
        if number > 1:
            key["group"] += f" ({number})"
        tolerance = repr(_tolerance(row))
        rows += [key | {"statistic": s, "value": repr(float(row[s])), "tolerance": tolerance}
                 for s in NUMBERS if pd.notna(row[s])]  # fmt: skip
        rows += [key | {"statistic": s, "value": _text(row[s]), "tolerance": ""} for s in WORDS]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def _text(value) -> str:
    return "" if pd.isna(value) else str(value)


def _tolerance(row: pd.Series) -> float:
    """Return the tolerance of a key number in its own unit, with one digit."""
    width = row["ci_high"] - row["ci_low"]
    scale = max(abs(x) for x in (row["estimate"], width, 0.0) if pd.notna(x))
    return float(f"{RELATIVE_TOLERANCE * scale:.0e}") if scale != float("inf") else 0.0


def read_pins(root: Path) -> Pins:
    """Read what is pinned of the study `root`.

    Raises
    ------
    InputError
        When nothing is pinned, or it cannot be read.
    """
    folder = root / FOLDER
    if not (folder / "references.csv").is_file():
        again = "make verify PIN=yes" + ("" if root == Path() else f' STUDY="{root}"')
        raise InputError(f"{folder}: there are no pinned references yet; {again} writes them from a fresh run")
    try:
        numbers = pd.read_csv(folder / "references.csv", dtype=str, keep_default_na=False)[list(COLUMNS)]
        digests = json.loads((folder / "digests.json").read_text(encoding="utf-8"))
        with zipfile.ZipFile(folder / "tables.zip") as archive:
            tables = {name: archive.read(name) for name in archive.namelist()}
        return Pins(numbers, tables, *(digests[part] for part in ("inputs", "code", "reads", "platforms")))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{folder}: the pinned references cannot be read ({error}); take them from git") from None


def write_pins(root: Path, pins: Pins) -> None:
    """Write pins; those of the same run are the same bytes."""
    folder = root / FOLDER
    write_table(pins.numbers, folder / "references.csv")
    digests = {part: getattr(pins, part) for part in ("inputs", "code", "reads", "platforms")}
    write_whole(folder / "digests.json", json.dumps(digests, indent=1, sort_keys=True) + "\n")
    with whole_file(folder / "tables.zip") as beside, zipfile.ZipFile(beside, "w") as archive:
        for name, text in sorted(pins.tables.items()):
            entry = zipfile.ZipInfo(name, EARLIEST_ZIP_DATE)
            archive.writestr(entry, text, zipfile.ZIP_DEFLATED, compresslevel=9)
