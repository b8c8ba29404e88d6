"""The wells of a study's plates: reads and their names, several plates of a file, layouts, quality."""

import math

import numpy as np
import pandas as pd
import pytest
from plate_texts import bmg_text, grid, softmax_header, softmax_plate, softmax_text

from mgk.plates import parse_reads, plate_quality, tidy_wells
from mgk.plates.quality import z_prime
from mgk.tables import read_table, write_table
from mgk.tables.problems import InputError

TWO_READS = [("Raw Data (340/510)", grid(start=100)), ("Raw Data (380/510)", grid(start=200))]


@pytest.fixture
def study(tmp_path):
    """Return a function that writes a plate with a layout and gives its row of plates.csv."""

    def make(plate_id="p1", blocks=TWO_READS, mode="Fluorescence (FI)", layout="well,role\nA1,blank\n", **row):
        (tmp_path / f"{plate_id}.csv").write_text(bmg_text(blocks, mode=mode), encoding="utf-8")
        given = {"plate_id": plate_id, "file": f"{plate_id}.csv", "experiment": "e", "run_id": "r", "layout": "", **row}
        if layout:
            (tmp_path / f"{plate_id}_layout.csv").write_text(layout, encoding="utf-8")
            given["layout"] = f"{plate_id}_layout.csv"
        return given

    make.folder = tmp_path
    return make


def wells_of(study, *rows):
    return tidy_wells(pd.DataFrame(list(rows)), study.folder)


@pytest.mark.parametrize(
    ("text", "names"),
    [("1=340;2=380", {1: "340", 2: "380"}), (" 2 = end ; ", {2: "end"}), ("", {}), (None, {})],
)
def test_reads_are_pairs(text, names):
    assert parse_reads(text) == names


@pytest.mark.parametrize("text", ["340", "0=340", "1=340;1=380", "1=340;2=340", "1=", "=340", "a=b", "1=340,2=380=1"])
def test_other_forms_of_reads_are_refused(text):
    with pytest.raises(InputError, match="reads: "):
        parse_reads(text)


def test_reads_get_their_names_and_wells_their_layout(study):
    wells = wells_of(study, study(reads="1=340;2=380", temperature_c=37, assay="mag-fura-2"))
    assert len(wells) == 192
    assert wells.groupby("read_name")["value"].min().to_dict() == {"340": 100, "380": 200}
    assert wells.loc[wells["well"] == "A1", "role"].tolist() == ["blank", "blank"]
    assert (wells.loc[wells["well"] != "A1", "role"] == "empty").all()
    assert set(wells["temperature_c"]) == {37}
    assert set(wells["run_id"]) == {"r"}


def test_the_table_reads_back(study):
    wells = wells_of(study, study(reads="1=340;2=380"))
    back = read_table(write_table(wells, study.folder / "wells.csv"), text=("read_name", "label"))
    assert back["value"].tolist() == wells["value"].tolist()
    assert back["read_name"].tolist() == wells["read_name"].tolist()
    assert back["flag"].tolist() == wells["flag"].tolist()


@pytest.mark.parametrize(
    ("reads", "message"),
    [
        ("1=380;2=340", r"plate p1 \(p1.csv\): reads: 1=380: read 1 of the file is 'Raw Data \(340/510\)'"),
        ("3=510", r"reads: 3=510: the plate has the reads 1: Raw Data \(340/510\); 2: "),
    ],
)
def test_a_name_that_is_another_wavelength_is_refused(study, reads, message):
    with pytest.raises(InputError, match=message):
        wells_of(study, study(reads=reads))


def test_free_names_and_nominal_centres_are_allowed(study):
    blocks = [("Raw Data (335/508)", grid()), ("Raw Data (380/508)", grid())]
    wells = wells_of(study, study(blocks=blocks, reads="1=340;2=long"))
    assert set(wells["read_name"]) == {"340", "long"}


def test_a_layout_beyond_the_plate_names_plate_and_wells(study):
    row = study(blocks=[("Raw Data (450)", grid())], mode="Absorbance", layout="well,role\nI1,blank\n")
    with pytest.raises(InputError, match=r"plate p1 \(p1.csv\): the layout names wells .*: I1"):
        wells_of(study, row)


def test_a_plate_of_a_file_is_chosen_by_number_or_name(study):
    def header(name):
        return softmax_header("Absorbance", "PlateFormat", "Endpoint", [340], name=name)

    text = softmax_text(*(softmax_plate(header(n), [lambda t, w, v=v: v]) for n, v in (("one", "1"), ("two", "2"))))
    (study.folder / "two.txt").write_bytes(text.encode("utf-16"))
    row = {"plate_id": "p", "file": "two.txt", "experiment": "e", "layout": ""}
    for wanted, value in ((1, 1), ("2", 2), ("two", 2), (2.0, 2)):
        assert set(wells_of(study, {**row, "plate_in_file": wanted})["value"]) == {value}
    with pytest.raises(InputError, match=r"plate_in_file: '3': must be one plate of the file: 1 \(one\), 2 \(two\)"):
        wells_of(study, {**row, "plate_in_file": 3})
    with pytest.raises(InputError, match="plate_in_file is empty, but the file holds the plates"):
        wells_of(study, {**row, "plate_in_file": ""})


def test_rows_of_snakemake_hold_none_for_nothing(study):
    wells = wells_of(study, study(reads=None, plate_in_file=None, run_id=None, temperature_c=None))
    assert set(wells["read_name"]) == {""}
    assert set(wells["run_id"]) == {""}
    assert wells["temperature_c"].isna().all()


def control_layout(high, low):
    rows = [f"{w},qc_high" for w in high] + [f"{w},qc_low" for w in low]
    return "well,role\n" + "\n".join(rows) + "\nC1,blank\nC2,blank\n"


def test_quality_tells_wells_without_values_and_z_prime(study):
    high, low = [f"A{c}" for c in range(1, 5)], [f"B{c}" for c in range(1, 5)]
    values = dict(zip(high + low, ("1.00", "1.02", "0.98", "1.00", "0.10", "0.12", "0.08", "0.10"), strict=True))
    wells = grid() | values
    rows = [
        study("good", [("Raw Data (660)", wells)], "Absorbance", control_layout(high, low)),
        study("few", [("Raw Data (660)", wells)], "Absorbance", control_layout(high[:3], low)),
        study("poor", [("Raw Data (660)", wells | {"A1": "2.00"})], "Absorbance", control_layout(high, low)),
        study(
            "lost", [("Raw Data (660)", wells | {"C1": "overflow", "C2": ""})], "Absorbance", control_layout(high, low)
        ),
        study("dead", [("Raw Data (660)", dict.fromkeys(wells, "overflow"))], "Absorbance", control_layout(high, low)),
    ]
    quality = plate_quality(wells_of(study, *rows)).set_index("plate_id")
    sd = np.std([1.0, 1.02, 0.98, 1.0], ddof=1)
    assert quality.loc["good", "z_prime"] == pytest.approx(1 - 3 * 2 * sd / 0.9)
    assert quality["verdict"].to_dict() == {
        "good": "pass",
        "few": "pass",
        "poor": "warn",
        "lost": "warn",
        "dead": "exclude",
    }
    assert math.isnan(quality.loc["few", "z_prime"])
    assert quality.loc["few", ["n_qc_high", "n_qc_low", "n_wells"]].tolist() == [3, 4, 9]
    assert quality.loc["poor", "reason"].startswith("Z' ")
    assert quality.loc["lost", "reason"] == "overflow: C1; blank: C2"
    assert quality.loc["lost", ["n_missing", "n_overflow", "n_masked", "n_blank"]].tolist() == [0, 1, 0, 1]
    assert quality.loc["dead", "reason"].startswith("no well has a value in read Raw Data (660)")


def test_wells_that_the_layout_does_not_use_do_not_count(study):
    row = study(blocks=[("Raw Data (660)", grid() | {"H12": "overflow"})], mode="Absorbance")
    quality = plate_quality(wells_of(study, row)).iloc[0]
    assert quality[["n_wells", "n_overflow", "verdict"]].tolist() == [1, 0, "pass"]


def test_without_a_layout_all_wells_that_were_measured_count(study):
    wells = grid() | {"H12": "", "H11": "overflow"}
    row = study(blocks=[("Raw Data (660)", wells)], mode="Absorbance", layout="")
    quality = plate_quality(wells_of(study, row)).iloc[0]
    assert (quality["n_wells"], quality["n_overflow"], quality["verdict"]) == (95, 1, "warn")


def test_z_prime_of_equal_means_is_unknown():
    assert math.isnan(z_prime(np.ones(4), np.ones(4)))
    assert z_prime(np.array([10.0, 10, 10, 10]), np.zeros(4)) == 1


def test_no_plates_is_an_error(study):
    with pytest.raises(InputError, match="no plates are given"):
        tidy_wells(pd.DataFrame(), study.folder)
