"""docs/hostile_input.md: what each case gives. Written by `make docs`; `test_hostile` holds it to what they give.

python -m hostile.page
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from hostile.cases import Bases, Case, all_cases
from hostile.ceiling import MEMORY_BYTES, SECONDS
from hostile.door import CLEAN, REFUSED, Outcome, through

HOUSE = Path(__file__).parents[2]
PAGE = HOUSE / "docs" / "hostile_input.md"
READ = "read, equal to the clean file"
KEPT = "read; the text stays the text that it is"
OTHER = "read as the file now says: by itself it is in order, and only `raw_data/manifest.sha256` can tell (it does)"
LONGEST = 240
HEAD = f"""<!-- Made by `make docs` from tests/hostile/; mend the readers or the cases instead. -->

# Hostile and broken input

What `make check`, and so `make report` before anything runs, says of each damaged file. Tests make small studies that
are in order, damage one file of each, and hold the answer to this page (`tests/hostile/`). A case ends in one of three
ways: problems that name file and place (the first is shown, with the number of further ones); values that are equal to
those of the clean file; or, where a format has nothing that could tell, the values that the file now holds: then
`raw_data/manifest.sha256`, the checksums of the raw data, names the file, and the tests see that it does.

Cases marked with * could eat a machine. They are tried in a process with {MEMORY_BYTES / 1e6:.0f} MB of memory to spare
and {SECONDS} s of CPU time each.
"""


def gives(case: Case, outcome: Outcome) -> str:
    """Return what a case gives, in one line."""
    if outcome.kind != REFUSED:
        return READ if outcome.kind == CLEAN else KEPT if case.kept else OTHER
    [first, *more] = [" ".join(p.split()) for p in outcome.problems]
    first = first if len(first) <= LONGEST else first[: LONGEST - 3] + "..."
    return f"{first} (+ {len(more)} more)" if more else first


def row(case: Case, outcome: Outcome) -> str:
    """Return the row of a case."""
    cells = f"{case.words}{' *' if case.heavy else ''}", gives(case, outcome)
    return f"| {' | '.join(escaped(cell) for cell in cells)} |"


def escaped(text: str) -> str:
    """Return a text as Markdown shows it, character by character."""
    text = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
    return re.sub(r"([\\`*_|<>\[\]#~&])", r"\\\1", text)


def section(case: Case) -> str:
    """Return the heading under which a case stands."""
    return case.id.partition(": ")[0]


def rendered(outcomes: dict[str, Outcome]) -> str:
    """Return the page."""
    cases = all_cases()
    counts = {kind: sum(o.kind == kind for o in outcomes.values()) for kind in (REFUSED, CLEAN)}
    kept = sum(bool(c.kept) for c in cases)
    told = len(cases) - sum(counts.values()) - kept
    lines = [
        HEAD,
        f"{len(cases)} cases: {counts[REFUSED]} are refused, {counts[CLEAN]} are read as the clean file, {kept} keep a "
        f"text as it is, {told} only the manifest can tell.",
    ]
    for name in dict.fromkeys(map(section, cases)):
        lines += ["", f"## {name}", "", "| what happened to the file | what it gives |", "| --- | --- |"]
        lines += [row(case, outcomes[case.id]) for case in cases if section(case) == name]
    return "\n".join(lines) + "\n"


def listed() -> dict[str, str]:
    """Return the rows of the page in git by the ids of their cases."""
    name, found = "", {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            name = line[3:]
        elif line.startswith("| ") and not line.startswith(("| what happened", "| ---")):
            found[f"{name}: {line[2:].partition(' | ')[0]}"] = line
    return found


def place(case: Case) -> str:
    """Return how `listed` calls a case."""
    return f"{section(case)}: {escaped(case.words + (' *' if case.heavy else ''))}"


def under_ceiling() -> dict[str, Outcome]:
    """Return the outcomes of the heavy cases."""
    paths = os.pathsep.join([str(HOUSE / "tests"), str(HOUSE / "tests" / "unit")])
    command = [sys.executable, "-m", "hostile.ceiling"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return {name: Outcome(o["kind"], tuple(o["problems"]), o["placed"]) for name, o in json.loads(done.stdout).items()}


def main() -> None:
    """Try all cases and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        bases, study = Bases(Path(folder) / "bases"), Path(folder) / "study"
        outcomes = under_ceiling()
        for case in (c for c in all_cases() if not c.heavy):
            outcomes[case.id] = through(bases.damaged(case, study), bases.contents(case.base), case.file)
            shutil.rmtree(study)
    PAGE.write_text(rendered(outcomes), encoding="utf-8")
    print(f"written: {PAGE.relative_to(HOUSE)}")


if __name__ == "__main__":
    main()
