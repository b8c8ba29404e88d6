"""Batches: every recording in one of them; one more recording changes one of them; joined, they leave no trace."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from mgk.analyses import ANALYSES, together_by
from mgk.batches import RECORDINGS_PER_BATCH, batches, join_tables
from mgk.tables import read_table, write_table

IDS = st.lists(st.text(alphabet="abc0123", min_size=1, max_size=12), unique=True, min_size=1, max_size=200)
CELLS = st.lists(st.sampled_from("ABCDEFGHIJKLMNOP"), min_size=1, max_size=60)


@given(IDS)
def test_each_recording_is_in_one_batch_in_its_order(ids):
    found = batches(ids, most=8)
    assert sorted(i for batch in found.values() for i in batch) == sorted(ids)
    for batch in found.values():
        assert batch == [i for i in ids if i in batch]


@given(IDS, st.text(alphabet="xyz", min_size=1, max_size=5))
def test_one_more_recording_changes_one_batch_within_a_size(ids, new):
    before, after = batches(ids, most=300), batches([*ids, new], most=300)
    assert sum(before.get(k) != v for k, v in after.items()) == 1


def test_a_thousand_recordings_stay_small_batches():
    sizes = [len(b) for b in batches([f"r{i}" for i in range(1000)]).values()]
    assert len(sizes) == 8
    assert max(sizes) < 2 * RECORDINGS_PER_BATCH


@given(CELLS)
def test_what_is_put_together_is_in_one_batch(cells):
    cell_of = {f"r{i}": cell for i, cell in enumerate(cells)}
    found = batches(list(cell_of), cell_of, most=4)
    assert sorted(i for batch in found.values() for i in batch) == sorted(cell_of)
    where = {(cell_of[name], number) for number, batch in found.items() for name in batch}
    assert len(where) == len(set(cells)), "a cell in two batches"
    one_more = batches([*cell_of, "new"], cell_of | {"new": cells[0]}, most=4)
    if len(cells) not in (4, 8, 16, 32):  # there the number of batches doubles
        assert sum(found.get(k) != v for k, v in one_more.items()) == 1


def test_patches_and_preparations_are_put_together_and_nothing_else_is():
    assert together_by({"analysis": "unitary_conductance"}) == together_by({"analysis": "relaxation"}) == "cell_id"
    assert together_by({"analysis": ["membrane_test", "current_voltage"]}) == together_by({}) == "recording_id"
    assert [a.name for a in ANALYSES.values() if a.together != "recording_id" and not a.reader] == []


@given(CELLS, st.integers(1, 8))
def test_joined_tables_do_not_tell_the_batches(cells, most):
    rows = [{"recording_id": f"r{i}", "cell_id": cell} for i, cell in enumerate(cells)]
    cell_of = {row["recording_id"]: row["cell_id"] for row in rows}
    found = batches(list(cell_of), cell_of, most=most)
    of_recordings = pd.DataFrame([row | {"n": n} for row in rows for n in range(2)])
    joined = join_tables([of_recordings[of_recordings["recording_id"].isin(b)] for b in found.values()], rows)
    pd.testing.assert_frame_equal(joined, of_recordings)
    of_cells = pd.DataFrame(
        {"cell_id": [c for c in dict.fromkeys(cells) for _ in range(2)], "level": [0, 1] * len({*cells})}
    )
    joined = join_tables([of_cells[of_cells["cell_id"].isin([cell_of[i] for i in b])] for b in found.values()], rows)
    pd.testing.assert_frame_equal(joined, of_cells)


def test_an_empty_batch_changes_no_type_and_a_missing_number_makes_all_of_its_column_doubles(tmp_path):
    rows = [{"recording_id": name, "cell_id": "c"} for name in "abc"]
    whole = pd.DataFrame({"recording_id": list("abc"), "n": [3, 4, 5], "known": [1, None, 2]})
    parts = [whole.iloc[2:].astype({"known": int}), whole.iloc[:0], whole.iloc[:2]]
    paths = [write_table(part, tmp_path / f"{i}.csv") for i, part in enumerate(parts)]
    joined = write_table(join_tables(map(read_table, paths), rows), tmp_path / "joined.csv")
    assert joined.read_bytes() == write_table(whole, tmp_path / "whole.csv").read_bytes()
    nothing = join_tables([whole.iloc[:0], whole.iloc[:0]], rows)
    assert (list(nothing), len(nothing)) == (list(whole), 0)
