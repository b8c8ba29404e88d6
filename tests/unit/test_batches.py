"""Batches: every recording in one of them; one more recording changes one of them."""

from hypothesis import given
from hypothesis import strategies as st

from mgk.batches import RECORDINGS_PER_BATCH, batches

IDS = st.lists(st.text(alphabet="abc0123", min_size=1, max_size=12), unique=True, min_size=1, max_size=200)


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
