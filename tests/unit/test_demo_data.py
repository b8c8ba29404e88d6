"""The committed demonstration data are what the generator makes, and its tables say what is simulated."""

import numpy as np
import pandas as pd
import pytest
import tifffile

from mgk.provenance import read_checksums, sha256
from mgk.recordings import read_recording
from mgk.simulate.__main__ import write_demonstration
from mgk.tables.yaml_file import load_yaml


@pytest.fixture(scope="module")
def fresh(tmp_path_factory, house):
    """Simulated raw data, generated anew."""
    folder = tmp_path_factory.mktemp("raw_data")
    for part in ("recordings", "plates", "layouts"):
        (folder / part).mkdir()
    (folder / "solutions.yaml").write_bytes((house / "raw_data" / "solutions.yaml").read_bytes())
    write_demonstration(load_yaml(house / "raw_data" / "truth.yaml")[0], folder)
    return folder


def committed(house, kind):
    return sorted((house / "raw_data").glob(kind))


def test_tables_and_exports_are_the_generator_s(fresh, house):
    names = ["recordings.csv", "segments.csv", "plates.csv", "curves.csv", "stacks.csv"]
    names += [f"{p.parent.name}/{p.name}" for k in ("plates/*", "layouts/*") for p in committed(house, k)]
    assert len(names) > 8
    for name in names:
        assert (fresh / name).read_bytes() == (house / "raw_data" / name).read_bytes(), f"{name}: make demo-data"


def test_recordings_are_the_generator_s_to_one_least_significant_bit(fresh, house):
    files = committed(house, "recordings/*.abf")
    assert [f.name for f in files] == sorted(f.name for f in (fresh / "recordings").glob("*.abf"))
    for file in files:
        one, two = read_recording(file), read_recording(fresh / "recordings" / file.name)
        assert one.sweep_samples == two.sweep_samples
        for channel in range(len(one.channels)):
            for sweep in range(len(one.sweep_samples)):
                a, b = one.signal(sweep, channel), two.signal(sweep, channel)
                bits = np.unique(np.abs(np.diff(np.unique(a))))
                least = bits[bits > 0].min() if bits.size else 0
                assert np.abs(a - b).max() <= least * 1.001, f"{file.name}: make demo-data"


def test_image_stacks_are_the_generator_s(fresh, house):
    files = committed(house, "stacks/*.tif")
    assert [f.name for f in files] == sorted(f.name for f in (fresh / "stacks").glob("*.tif"))
    for file in files:
        np.testing.assert_array_equal(tifffile.imread(file), tifffile.imread(fresh / "stacks" / file.name), file.name)


def test_the_manifest_holds_every_file_and_agrees(house):
    raw = house / "raw_data"
    checksums = read_checksums(raw / "manifest.sha256")
    files = {p.relative_to(raw).as_posix() for p in raw.rglob("*") if p.is_file()}
    assert set(checksums) == files - {"manifest.sha256", "README.md"}
    for name, checksum in checksums.items():
        assert sha256(raw / name) == checksum, f"{name}: make demo-data writes the manifest anew"


def test_simulated_files_say_so(house):
    for file in committed(house, "plates/*"):
        raw = file.read_bytes()
        text = raw.decode("utf-16" if raw[:2] == b"\xff\xfe" else "utf-8")
        assert "simulated" in text.lower(), file.name
    for file in committed(house, "stacks/*.tif"):
        assert b"simulated" in file.read_bytes().lower(), file.name
    for file in committed(house, "recordings/*.abf"):
        assert "simulated" in read_recording(file).comment.lower(), file.name


def test_every_value_of_the_truth_has_a_unit_and_a_source(house):
    truth, _ = load_yaml(house / "raw_data" / "truth.yaml")

    def entries(node):
        if "value" in node:
            yield node
        else:
            for child in node.values():
                if isinstance(child, dict):
                    yield from entries(child)

    found = list(entries(truth))
    assert len(found) > 40
    for entry in found:
        assert set(entry) == {"value", "unit", "source"}, entry
        assert entry["source"].strip()


def test_the_raw_data_stay_small(house):
    assert sum(p.stat().st_size for p in (house / "raw_data").rglob("*") if p.is_file()) < 15e6


def test_cells_are_within_animals(house):
    table = pd.read_csv(house / "raw_data" / "recordings.csv")
    pairs = table[["animal_id", "cell_id"]].drop_duplicates()
    assert pairs["cell_id"].is_unique
    alone = pairs["cell_id"].str.startswith(("flow_", "trpm"))  # one preparation or patch an animal
    assert set(pairs.loc[~alone, "animal_id"].value_counts()) == {2}
    assert set(pairs.loc[alone, "animal_id"].value_counts()) == {1}
