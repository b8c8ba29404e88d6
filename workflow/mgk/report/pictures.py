"""`make pictures`: the pictures of the documents, taken of a finished run of the demonstration by a Chromium at hand.

docs/report.png is the first screen of the report; docs/reference/figures.png holds a small copy of each figure of the
gallery, in its order. They are pictures of a run, not results of one: no test compares them.

    python -m mgk.report.pictures
"""

import base64
import sys
import tempfile
from html import escape
from pathlib import Path

from mgk.figures import NOTHING
from mgk.provenance import HOUSE, require_intact
from mgk.report.pdf import REPORT, PdfError, made_by_browser
from mgk.report.results import all_results
from mgk.study import Study
from mgk.tables.problems import InputError
from mgk.whole_files import whole_file, write_whole

SCREEN = HOUSE / "docs" / "report.png"
GALLERY = HOUSE / "docs" / "reference" / "figures.png"
SCREEN_PX = (1400, 1250)
COLUMNS, CELL_PX = 4, (340, 300)
COLOURS = 48
"""Colours that a picture keeps: text and lines need few, and the file is a quarter of its size."""

STYLE = (
    f"body {{margin: 10px; font: 13px sans-serif; display: grid; grid-template-columns: repeat({COLUMNS}, 1fr)}}"
    f"figure {{margin: 0; height: {CELL_PX[1]}px; text-align: center}}"
    "img {max-width: 95%; max-height: 85%}"
)


def figures(study: Study) -> list[tuple[str, Path]]:
    """Return, for each figure of each analysis, its name and its file of the first experiment that draws it."""
    found: dict[tuple[str, str], Path] = {}
    for results in all_results(study):
        for name in results.analysis.figures:
            file = results.folder / name
            alt = file.with_suffix(".alt.txt")
            drawn = alt.exists() and not alt.read_text(encoding="utf-8").startswith(NOTHING)
            if drawn:
                found.setdefault((results.analysis.title, name), file)
    return [(f"{title}: {name}", file) for (title, name), file in found.items()]


def sheet(shown: list[tuple[str, Path]]) -> str:
    """Return a page with all figures, small, each with its name."""
    cells = []
    for name, file in shown:
        data = base64.b64encode(file.read_bytes()).decode("ascii")
        image = f'<img alt="" src="data:image/svg+xml;base64,{data}">'
        cells.append(f"<figure>{image}<figcaption>{escape(name)}</figcaption></figure>")
    return f'<!DOCTYPE html><meta charset="utf-8"><style>{STYLE}</style>{"".join(cells)}'


def take(page: Path, picture: Path, size: tuple[int, int]) -> None:
    """Write what a browser window of a size shows of a page, in few colours."""
    from PIL import Image

    with tempfile.TemporaryDirectory(prefix="mgk-") as folder, whole_file(picture) as beside:
        shot, window = Path(folder) / "shot.png", f"--window-size={size[0]},{size[1]}"
        made_by_browser(page, shot, "--hide-scrollbars", window, f"--screenshot={shot.resolve()}")
        with Image.open(shot) as image:
            few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(beside, format="PNG", optimize=True)


def main() -> int:
    """Write the pictures of the documents from the results of the demonstration."""
    try:
        require_intact(HOUSE)
        shown = figures(Study.open(HOUSE))
        take(HOUSE / REPORT, SCREEN, SCREEN_PX)
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "figures.html"
            write_whole(page, sheet(shown))
            rows = -(-len(shown) // COLUMNS)
            take(page, GALLERY, (COLUMNS * CELL_PX[0] + 20, rows * CELL_PX[1] + 20))
    except (PdfError, InputError) as error:
        print(error, file=sys.stderr)
        return 1
    for picture in (SCREEN, GALLERY):
        print(f"{picture.relative_to(HOUSE)}  ({picture.stat().st_size / 1000:.0f} kB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
