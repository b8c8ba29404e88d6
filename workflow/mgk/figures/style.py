"""What every figure shares: palette, sizes, saving with a text alternative.

The palette is that of Okabe and Ito (2008), which readers with a colour vision deficiency can tell apart.
"""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#7F7F7F"


def figure(width_in: float = 6.4, height_in: float = 4.0, rows: int = 1, columns: int = 1, **subplots):
    """Return a new figure outside of pyplot's list, with its axes.

    pyplot keeps each of its figures alive (about 45 MB with matplotlib 3.11); a Figure of its own is freed with
    the last reference.

    Returns
    -------
    (Figure, Axes or ndarray of Axes)
    """
    fig = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(fig)
    return fig, fig.subplots(rows, columns, **subplots)


def colours(names) -> dict:
    """Map each distinct name, in the order given, to a colour of the palette (which repeats after seven)."""
    distinct = list(dict.fromkeys(names))
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(distinct)}


def save(fig: Figure, path: Path | str, alt: str) -> Path:
    """Write `fig` as SVG with its text alternative in a file `<name>.alt.txt` beside it; return the path.

    Raises
    ------
    ValueError
        When `alt` is empty: a picture without words is not for every reader.
    """
    if not alt.strip():
        raise ValueError(f"{path}: a figure needs a text alternative")
    path = Path(path).with_suffix(".svg")
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, format="svg", metadata={"Date": None, "Description": alt})
    path.with_suffix(".alt.txt").write_text(alt.strip() + "\n", encoding="utf-8")
    return path
