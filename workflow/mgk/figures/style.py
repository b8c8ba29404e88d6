"""What every figure shares: palette, sizes, display in a notebook, saving with a text alternative.

The palette is that of Okabe and Ito (2008), which readers with a colour vision deficiency can tell apart.
"""

import base64
import io
import re
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import NullLocator
from PIL import Image

from mgk.figures import NOTHING
from mgk.whole_files import whole_file, write_whole

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#7F7F7F"
# Colours of the windows of a recording, in the order of the package's list; a ramp never stands beside a step.
WINDOW_COLOURS = (*PALETTE[1:6], PALETTE[2], PALETTE[3])
# As many marks of single units a figure draws each by itself; as SVG one costs 60 to 110 bytes.
MOST_MARKS = 1200
# Behind means with their intervals and fitted curves, which matplotlib draws at 2.
BEHIND = 1.5
EMBEDDED = re.compile(r"(?<=data:image/png;base64,)[^\"]+")
# The room that words beside the axes need is known only once the axes have their size.
LAYOUT_PASSES = 3


class Picture(Figure):
    """A figure outside of pyplot that shows itself in a notebook as PNG with its text alternative.

    pyplot keeps each of its figures alive (about 45 MB with matplotlib 3.11); this one goes with its last reference.
    It looks the same whether or not the inline backend has been loaded, so that stored pictures do not depend on
    which library a notebook happened to import.
    """

    alt = "Figure without a text alternative."

    def settle(self) -> None:
        """Lay the axes out once and round their places.

        The solver behind the constrained layout goes by addresses in memory, so that the last digits of a place differ
        from run to run, and with them the names of clip paths in an SVG.
        """
        if not isinstance(self.get_layout_engine(), ConstrainedLayoutEngine):
            return
        places = None
        for _ in range(LAYOUT_PASSES):
            before = places
            self.get_layout_engine().execute(self)
            places = [[round(edge, 6) for edge in axes.get_position(original=True).bounds] for axes in self.axes]
            if places == before:
                break
        self.set_layout_engine(None)
        for axes, place in zip(self.axes, places, strict=True):
            axes.set_position(place)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        self.settle()
        png = io.BytesIO()
        self.savefig(png, format="png", metadata={"Software": None})
        bundle = {"image/png": png.getvalue(), "text/plain": self.alt}
        display(bundle, raw=True, metadata={"image/png": {"alt": self.alt}})


def figure(width_in: float = 6.4, height_in: float = 4.0, rows: int = 1, columns: int = 1, **subplots):
    """Return a new `Picture` with its axes, as `Figure.subplots` returns them.

    Returns
    -------
    (Picture, Axes or ndarray of Axes)
    """
    fig = Picture(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(fig)
    return fig, fig.subplots(rows, columns, **subplots)


def nothing(reason: str) -> tuple[Picture, str]:
    """Return a figure that says why there is nothing in it, and that sentence as its text alternative."""
    sentence = f"{NOTHING}: {reason}."
    fig, axis = figure(6.4, 1.0)
    axis.set_axis_off()
    axis.text(0.5, 0.5, sentence, ha="center", va="center")
    return fig, sentence


def colours(names) -> dict:
    """Map each distinct name, in the order given, to a colour of the palette (which repeats after seven)."""
    distinct = list(dict.fromkeys(names))
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(distinct)}


def marks_of_units(count: int) -> dict:
    """Return how the points and lines of single cells, recordings or animals are drawn, for `Axes.plot`.

    `count` is how many the whole figure has of them, with the corners of lines. Of very many, a saved figure holds
    a picture (at `savefig.dpi`) behind means and fits, which stay lines and letters: its size no longer grows with n.
    """
    return {"rasterized": True, "zorder": BEHIND} if count > MOST_MARKS else {}


def plain_ticks(axis, values) -> None:
    """Label a logarithmic axis that spans less than two decades at a few round numbers."""
    values = np.asarray(values, float)
    if not values.size:
        return
    low, high = values.min() / 1.1, values.max() * 1.1
    digits = (1, 2, 5) if high / low > 10 else (1, 1.5, 2, 3, 4, 5, 6, 8)
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [d * 10.0**e for e in decades for d in digits if low <= d * 10.0**e <= high]
    axis.set_ticks(ticks, [f"{t:g}" for t in ticks])
    axis.set_minor_formatter("")
    axis.set_minor_locator(NullLocator())


def cells_and_animals(cells: float, animals: float) -> str:
    """Return the n of a group in words."""
    counted = ((cells, "cell"), (animals, "animal"))
    return ", ".join(f"{n:.0f} {noun}{'' if n == 1 else 's'}" for n, noun in counted)


def save(fig: Picture, path: Path | str, alt: str) -> Path:
    """Write `fig` as SVG, its text alternative inside and in `<name>.alt.txt` beside it; return the path.

    Raises
    ------
    ValueError
        When `alt` is empty: a picture without words is not for every reader.
    """
    fig.alt = alt.strip()
    if not fig.alt:
        raise ValueError(f"{path}: a figure needs a text alternative")
    fig.settle()
    path = Path(path).with_suffix(".svg")
    write_whole(path.with_suffix(".alt.txt"), fig.alt + "\n")
    with whole_file(path) as beside:
        fig.savefig(beside, format="svg", metadata={"Date": None, "Description": fig.alt})
        if any(artist.get_rasterized() for artist in fig.findobj()):
            text = EMBEDDED.sub(_in_few_colours, beside.read_text(encoding="utf-8"))
            beside.write_text(text, encoding="utf-8", newline="\n")
    return path


def _in_few_colours(found: re.Match) -> str:
    """Return a PNG in base64 with at most 256 colours: a quarter of the size, and the same to the eye."""
    image = Image.open(io.BytesIO(base64.b64decode(found[0])))
    small = io.BytesIO()
    image.quantize(method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode("ascii")
