"""Exports that were cut, or lost or doubled a line or a field: refused with InputError, or read right.

Right means: every value that is read is that of the well, read and time in the whole export. A cell that is only
emptied or a last row that is lost cannot be told from a well that was not measured: that is what layouts are for.
"""

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from plate_texts import (
    absorbance,
    bmg_table_text,
    bmg_text,
    gen5_head,
    gen5_kinetic,
    gen5_kinetic_along,
    gen5_kinetic_matrices,
    gen5_list_along,
    gen5_list_down,
    gen5_matrix,
    gen5_rows,
    gen5_text,
    grid,
    softmax_header,
    softmax_plate,
    softmax_text,
    softmax_times,
)
from tecan_sheets import END, I_CONTROL, cycles_along, cycles_down, label, matrix, text
from test_plates_envision import FIRST, SECOND, TAIL, bare
from test_plates_softmax import unread_rows

from mgk.plates import check_plate_file, read_plate_file
from mgk.plates.export import FLAGS
from mgk.tables.problems import InputError

A, B = grid(), grid(start=2.0)
TIMES = ["0:00:00", "0:00:30", "0:01:00"]
KINETIC = {w: [A[w], B[w], f"{float(B[w]) + 1:.3f}"] for w in list(A)[:18]}

EXPORTS = {
    "bmg": bmg_text([("Raw Data (340)", A), ("Raw Data (380)", B)]),
    "bmg table": bmg_table_text(["Raw Data (340)"] * 3, KINETIC, times=["0 min", "1 min", "2 min"]),
    "gen5": gen5_text(
        gen5_head(absorbance([340, 380])), gen5_matrix(gen5_rows([("340", A), ("380", B)], swap="BD")), ["", "end"]
    ),
    "gen5 kinetic": gen5_text(gen5_head(absorbance([340])), gen5_kinetic("340", TIMES, KINETIC)),
    "softmax": softmax_text(
        softmax_plate(
            softmax_header("Absorbance", "PlateFormat", "Endpoint", [340, 380]),
            [lambda t, w: A[w], lambda t, w: B[w]],
        ),
        softmax_times(
            softmax_header("Absorbance", "TimeFormat", "Kinetic", [340], times=3),
            [lambda t, w: f"{float(A[w]) + t:.3f}"],
            TIMES,
        ),
    ),
    "gen5 lists": gen5_text(
        gen5_head(absorbance([340])),
        gen5_list_down([("340", A)], ["Mean"]),
        gen5_head(absorbance([380]), plate="Plate 2"),
        gen5_list_along([("380", B)], ["Mean"]),
    ),
    "gen5 kinetic along": gen5_text(gen5_head(absorbance([340])), gen5_kinetic_along("340", TIMES, KINETIC)),
    "gen5 kinetic matrices": gen5_text(
        gen5_head(absorbance([340])), gen5_kinetic_matrices("340", TIMES, KINETIC, 12, 2), ["", "end"]
    ),
    "gen5 csv": gen5_text(
        gen5_head(absorbance([340, 380])), gen5_matrix(gen5_rows([("340", A), ("380", B)])), ["", "end"]
    ).replace("\t", ";"),
    "softmax rows not read": unread_rows(
        softmax_text(softmax_plate(softmax_header("Absorbance", "PlateFormat", "Endpoint", [340]), [lambda t, w: A[w]]))
    ),
    "tecan": text(
        [
            *(*I_CONTROL, *label("a", wavelength=340), *matrix(lambda w: A[w]), *END),
            *(*label("b", wavelength=380), *matrix(lambda w: B[w]), *END),
        ]
    ),
    "tecan kinetic": text(
        [
            *(*I_CONTROL, *label("a", wavelength=340)),
            *(*cycles_along(lambda w, i: KINETIC[w][i], list(KINETIC), [0, 30, 60]), *END),
        ]
    ),
    "tecan cycles": text(
        [
            *(*I_CONTROL, *label("a", wavelength=340)),
            *(*cycles_down(lambda w, i: KINETIC[w][i], list(KINETIC), [0, 30, 60]), *END),
        ],
        ",",
    ),
    "envision": "".join(f"{line}\r\n" for line in [*FIRST, *SECOND, *TAIL]),
    "envision bare": "".join(f"{line}\r\n" for line in [*bare(A), *bare(B, plate=2), *TAIL]),
    "long table": "well,value,read,label,wavelength_nm\n"
    + "".join(
        f"{w},{v},{r},{n},{n}\n" for r, (n, wells) in enumerate([(340, A), (380, B)], 1) for w, v in wells.items()
    ),
    "grids": "".join(
        [
            f"{name}\n,{','.join(map(str, range(1, 13)))}\n"
            + "".join(f"{r},{','.join(wells[f'{r}{c}'] for c in range(1, 13))}\n" for r in "ABCDEFGH")
            for name, wells in (("340", A), ("380", B))
        ]
    ),
}


def read(text: str | bytes):
    """Read a text as an export; None when it is refused with the error of inputs."""
    raw = text.encode("utf-8") if isinstance(text, str) else text
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.txt"
        path.write_bytes(raw)
        problems = check_plate_file(path)
        if not problems:
            return read_plate_file(path)
        with pytest.raises(InputError, match=r"^export\.txt: " + re.escape(problems[0])):
            read_plate_file(path)
        return None


def by_place(plate):
    """Return the rows by plate, wavelength, well and time."""
    return {
        f"{r.plate_in_file} {r.wavelength_nm} {r.excitation_nm} {r.emission_nm} {r.well} {r.time_s}": r
        for r in plate.itertuples()
    }


def light(row):
    """What an export states of a read's light; a lost line of settings leaves nothing, and is no wrong value."""
    return [row.wavelength_nm, row.excitation_nm, row.emission_nm]


KNOWN = {name: by_place(read(text)) for name, text in EXPORTS.items()}
BY_READ = {
    name: {(r.plate_in_file, r.read, r.well, f"{r.time_s}"): r.value for r in known.values()}
    for name, known in KNOWN.items()
}


def assert_right(name, plate):
    if plate is None:
        return
    assert len(plate) > 0
    assert set(plate["flag"]) <= set(FLAGS)
    for place, row in by_place(plate).items():
        if row.flag:
            continue
        if any(x == x for x in light(row)) and not name.startswith("envision"):  # its filters stand apart
            assert KNOWN[name][place].value == row.value, place
        else:
            assert BY_READ[name][row.plate_in_file, row.read, row.well, f"{row.time_s}"] == row.value, place


def lines_of(name):
    return EXPORTS[name].splitlines(keepends=True)


names = st.sampled_from(sorted(EXPORTS))
some = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("name", EXPORTS)
def test_the_whole_exports_are_read(name):
    assert len(KNOWN[name]) in (192, 54, 480, 72, 96)
    assert {f"{r.wavelength_nm} {r.emission_nm}" for r in KNOWN[name].values()} != {"nan nan"}


@some
@given(names, st.floats(0, 1))
@example("bmg", 0.9999)
@example("gen5", 0.98)
@example("gen5 kinetic", 0.99)
def test_a_cut_export(name, share):
    text = EXPORTS[name]
    assert_right(name, read(text[: int(share * len(text))]))


@some
@given(names, st.data())
def test_a_lost_line(name, data):
    lines = lines_of(name)
    del lines[data.draw(st.integers(0, len(lines) - 1))]
    assert_right(name, read("".join(lines)))


@some
@given(names, st.data())
def test_a_doubled_line(name, data):
    lines = lines_of(name)
    at = data.draw(st.integers(0, len(lines) - 1))
    lines.insert(at, lines[at])
    plate = read("".join(lines))
    if plate is not None:
        assert len(plate) == len(KNOWN[name])
    assert_right(name, plate)


@some
@given(names.filter(lambda n: not n.startswith(("bmg", "softmax"))), st.data())
def test_a_lost_field(name, data):
    lines = lines_of(name)
    at = data.draw(st.integers(0, len(lines) - 1))
    fields = lines[at].split("\t")
    del fields[data.draw(st.integers(0, len(fields) - 1))]
    lines[at] = "\t".join(fields)
    assert_right(name, read("".join(lines)))


@some
@given(names, st.data(), st.characters(codec="utf-8"))
def test_any_character_anywhere_gives_a_table_or_the_error_of_inputs(name, data, character):
    text = EXPORTS[name]
    at = data.draw(st.integers(0, len(text) - 1))
    plate = read(text[:at] + character + text[at + 1 :])
    if plate is not None:
        assert (plate["value"].isna() == (plate["flag"] != "")).all()
        assert not plate.duplicated(["plate_in_file", "read", "time_s", "well"]).any()


@some
@given(st.binary(max_size=300), st.sampled_from(["", "##BLOCKS= 1\r\nPlate:\t", "Plate Number\t", "User: a\r\n"]))
def test_any_bytes_give_a_table_or_the_error_of_inputs(raw, head):
    plate = read(head.encode() + raw)
    assert plate is None or len(plate) > 0
