"""What all figures share: settled places, the same bytes, words for every picture."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from mgk.figures import style


def drawn():
    fig, axes = style.figure(rows=1, columns=2)
    for ax in axes:
        ax.plot([1, 2, 3], [1, 4, 9])
        ax.set_xlabel("Membrane potential (mV)")
    return fig


def test_places_are_rounded_so_that_a_solver_s_last_digits_do_not_show(tmp_path):
    fig = drawn()
    style.save(fig, tmp_path / "a.svg", "Two curves.")
    for ax in fig.axes:
        bounds = ax.get_position(original=True).bounds
        assert [round(b, 6) for b in bounds] == pytest.approx(bounds, abs=1e-15)
    left, right = (ax.get_position().bounds for ax in fig.axes)
    assert left[0] + left[2] < right[0], "the layout was made before it was settled"


def test_saving_again_and_showing_between_gives_the_same_bytes(tmp_path):
    fig = drawn()
    one = style.save(fig, tmp_path / "a.svg", "Two curves.").read_bytes()
    fig.savefig(tmp_path / "between.png")
    assert style.save(fig, tmp_path / "b.svg", "Two curves.").read_bytes() == one
    assert style.save(drawn(), tmp_path / "c.svg", "Two curves.").read_bytes() == one


def test_a_figure_needs_words(tmp_path):
    with pytest.raises(ValueError, match="text alternative"):
        style.save(drawn(), tmp_path / "a.svg", "  ")
    assert not (tmp_path / "a.svg").exists()
    path = style.save(drawn(), tmp_path / "a.svg", "Two curves.")
    assert path.with_suffix(".alt.txt").read_text() == "Two curves.\n"
    assert "Two curves." in path.read_text()


def test_colours_go_by_name_in_the_order_given():
    assert style.colours(["b", "a", "b"]) == {"b": style.PALETTE[0], "a": style.PALETTE[1]}


def crowd(count: int):
    fig, axes = style.figure(3, 3)
    x = np.linspace(0, 1, count)
    axes.plot(x, np.sin(50 * x), ".", alpha=0.4, **style.marks_of_units(count))
    axes.plot([0, 1], [0, 1], "-", label="fit")
    return fig


def test_of_very_many_marks_a_file_holds_a_picture_and_no_longer_grows(tmp_path):
    few, more, most = (
        style.save(crowd(n), tmp_path / f"{n}.svg", "Points.").read_text()
        for n in (style.MOST_MARKS, style.MOST_MARKS + 1, 20 * style.MOST_MARKS)
    )
    assert few.count("<use") > style.MOST_MARKS
    assert "<image" not in few
    assert more.count("<image") == most.count("<image") == 1
    assert max(map(len, (more, most))) < len(few)
    # The fit stays a line, in front of the picture; the letters of the axes stay letters.
    assert most.index("<image") < most.index("stroke: #d55e00")
    assert "<text" in most
    assert style.save(crowd(20 * style.MOST_MARKS), tmp_path / "again.svg", "Points.").read_text() == most


def test_a_picture_in_few_colours_is_the_same_to_the_eye(tmp_path):
    fig, whole = crowd(5000), io.StringIO()
    fig.settle()
    fig.savefig(whole, format="svg")
    texts = whole.getvalue(), style.save(fig, tmp_path / "a.svg", "Points.").read_text()
    pictures = [Image.open(io.BytesIO(base64.b64decode(style.EMBEDDED.findall(text)[0]))) for text in texts]
    assert [picture.mode for picture in pictures] == ["RGBA", "P"]
    white = Image.new("RGBA", pictures[0].size, "white")
    raw, few = (np.asarray(Image.alpha_composite(white, p.convert("RGBA")), float) for p in pictures)
    assert raw.min() < 200  # there is something in it
    assert np.abs(raw - few).mean() < 2
    assert np.abs(raw - few).max() < 40
