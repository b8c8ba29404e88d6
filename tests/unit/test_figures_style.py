"""What all figures share: settled places, the same bytes, words for every picture."""

import pytest

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
