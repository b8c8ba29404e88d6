"""Pairs of stacks are read alike from every layout, in blocks; what is damaged or does not fit is refused in words."""

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stack_files import row, write_two

from mgk.stacks import check_stack, megapixels_of
from mgk.stacks.files import open_pair, read_image
from mgk.tables.problems import InputError

RNG = np.random.default_rng(5)
COUNTS = {name: RNG.integers(90, 4000, (7, 12, 17)).astype(np.uint16) for name in ("340", "380")}
ONE = {"file": "s1.tif", "channels": "340 380"}
INTERLEAVED = np.stack([COUNTS["340"], COUNTS["380"]], axis=1)


def whole(given_row, folder, **options):
    """Return all frames of a pair."""
    parts = [{k: v.copy() for k, v in block.items()} for _, block in open_pair(given_row, folder).blocks(**options)]
    return {name: np.concatenate([p[name] for p in parts]) for name in ("340", "380")}


def write_one(folder, data, **options):
    tifffile.imwrite(folder / "s1.tif", data, photometric="minisblack", **options)
    return dict(ONE)


THREE = np.stack([COUNTS["380"], COUNTS["380"] * 0, COUNTS["340"]], axis=1)
LAYOUTS = {
    "two files": lambda f: write_two(f, COUNTS),
    "two compressed files": lambda f: write_two(f, COUNTS, compression="zlib", predictor=True),
    "two big-endian files": lambda f: write_two(f, COUNTS, byteorder=">"),
    "two tiled files": lambda f: write_two(f, COUNTS, tile=(16, 16)),
    "two BigTIFF files": lambda f: write_two(f, COUNTS, bigtiff=True),
    "pages in turn": lambda f: write_one(f, INTERLEAVED.reshape(14, 12, 17)),
    "pages in turn, 380 first": lambda f: write_one(f, INTERLEAVED[:, ::-1].reshape(14, 12, 17))
    | {"channels": "380 340"},
    "one after the other": lambda f: write_one(f, np.concatenate([COUNTS["340"], COUNTS["380"]]))
    | {"page_order": "sequential"},
    "a third channel": lambda f: write_one(f, THREE.reshape(21, 12, 17))
    | {"channels": "380 dic 340"},
    "OME TCYX": lambda f: write_one(f, INTERLEAVED, ome=True, metadata={"axes": "TCYX"}),
    "OME CTYX, compressed": lambda f: write_one(
        f, INTERLEAVED.swapaxes(0, 1), ome=True, metadata={"axes": "CTYX"}, compression="zlib"
    ),
    "ImageJ": lambda f: write_one(f, INTERLEAVED[:, None], imagej=True, metadata={"axes": "TZCYX"}),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("block_bytes", [1, 2000, 2**25])
def test_every_layout_gives_the_same_frames_in_blocks_of_any_size(layout, block_bytes, tmp_path):
    given_row = row(**LAYOUTS[layout](tmp_path))
    assert check_stack(given_row, tmp_path) == []
    found = whole(given_row, tmp_path, block_bytes=block_bytes)
    for name, counts in COUNTS.items():
        np.testing.assert_array_equal(found[name], counts)


def test_frames_can_be_chosen(tmp_path):
    given_row = row(**LAYOUTS["OME TCYX"](tmp_path), frame_first=2.0, frame_last=4.0)
    found = whole(given_row, tmp_path)
    np.testing.assert_array_equal(found["380"], COUNTS["380"][1:4])
    with pytest.raises(InputError, match="frames 2 to 9; there are 1 to 7"):
        open_pair(given_row | {"frame_last": 9}, tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c | {"380": c["380"][:, :, :16]}, r"differ in size: 17 x 12 pixels \(s1_340.tif\) and 16 x 12"),
        (lambda c: c | {"380": c["380"][:6]}, "differ in frames: 7 .* and 6 .*; is a page missing"),
        (lambda c: c | {"380": c["380"].astype(np.uint8)}, "differ in kind of number: uint16 and uint8"),
        (lambda c: {k: v.astype(np.complex64) for k, v in c.items()}, "its numbers are complex64; allowed: uint8"),
    ],
)
def test_what_does_not_fit_is_refused(change, words, tmp_path):
    given_row = row(**write_two(tmp_path, change(COUNTS)))
    [(column, text)] = check_stack(given_row, tmp_path)
    assert column == "file_340"
    with pytest.raises(InputError, match=words):
        open_pair(given_row, tmp_path)
    assert text


def test_colour_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "s1.tif", np.zeros((4, 12, 17, 3), np.uint8), photometric="rgb")
    with pytest.raises(InputError, match="has the axes QYXS; greyscale images are needed"):
        open_pair(row(**ONE), tmp_path)


def test_what_a_row_cannot_mean_is_refused(tmp_path):
    write_one(tmp_path, INTERLEAVED.reshape(14, 12, 17)[:13])
    with pytest.raises(InputError, match="13 pages are no whole number of 2 channels; is a page missing"):
        open_pair(row(**ONE), tmp_path)
    with pytest.raises(InputError, match="must name 380 once"):
        open_pair(row(file="s1.tif", channels="340 360"), tmp_path)
    write_one(tmp_path, INTERLEAVED, ome=True, metadata={"axes": "TCYX"})
    with pytest.raises(InputError, match="holds 2 channels; channels names 3"):
        open_pair(row(file="s1.tif", channels="340 380 dic"), tmp_path)
    with pytest.raises(InputError, match="holds 2 channels; name it as file"):
        open_pair(row(file_340="s1.tif", file_380="s1.tif"), tmp_path)
    write_one(tmp_path, np.zeros((3, 2, 2, 12, 17), np.uint16), imagej=True, metadata={"axes": "TZCYX"})
    with pytest.raises(InputError, match="frames along T 3, Z 2; one run of frames is needed"):
        open_pair(row(**ONE), tmp_path)
    assert check_stack(row(file="s1.tif", file_340="s1.tif", animal_id=""), tmp_path) == [
        ("file", "names one file with both wavelengths; then file_340 must be empty"),
        ("channels", "must say the order of the wavelengths in the file, such as '340 380'"),
        ("animal_id", "must not be empty for a sample; the animal is the unit"),
    ]
    assert check_stack(row(file_340="s1.tif"), tmp_path)[0][0] == "file"
    assert check_stack(row(role="rmin", **ONE), tmp_path)[0] == ("condition", "must be empty for the role rmin")


def test_unlike_pages_and_sets_of_files_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "s1.tif") as file:
        file.write(COUNTS["340"][0], photometric="minisblack", metadata=None)
        file.write(COUNTS["340"][0][:6], photometric="minisblack", metadata=None)
    with pytest.raises(InputError, match="holds 2 images of unlike shape"):
        open_pair(row(**ONE), tmp_path)
    with pytest.raises(InputError, match="holds 2 images of unlike shape"):
        read_image(tmp_path / "s1.tif", "s1.tif")
    write_two(tmp_path, COUNTS)
    with pytest.raises(InputError, match="holds 7 images; one is needed"):
        read_image(tmp_path / "s1_340.tif", "labels.tif")


@pytest.mark.parametrize(
    "content", [b"", b"stack_id,file\n", b"II*\0", b"II*\0\xff\xff\xff\x7f", b"MM\0*" + b"\0" * 60]
)
def test_what_is_no_tiff_is_refused_in_words(content, tmp_path):
    write_two(tmp_path, COUNTS)
    (tmp_path / "s1_340.tif").write_bytes(content)
    with pytest.raises(InputError, match=r"s1_340\.tif: "):
        open_pair(row(file_340="s1_340.tif", file_380="s1_380.tif"), tmp_path)


def test_a_compression_that_is_not_read_is_found_before_the_run(tmp_path):
    given_row = row(**write_two(tmp_path, COUNTS, compression="zlib"))
    with tifffile.TiffFile(tmp_path / "s1_340.tif", mode="r+") as file:
        for page in file.pages:
            page.tags["Compression"].overwrite(5)  # LZW
    [(_, words)] = check_stack(given_row, tmp_path)
    assert words.startswith("s1_340.tif: cannot be read as TIFF")


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"ome": True, "metadata": {"axes": "TYX"}}], ids=str)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_refused_or_still_gives_its_shape(options, data, tmp_path):
    given_row = row(**write_two(tmp_path, COUNTS, **options))
    path = tmp_path / "s1_340.tif"
    raw = bytearray(path.read_bytes())
    if data.draw(st.booleans(), label="cut"):
        raw = raw[: data.draw(st.integers(0, len(raw) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            place = data.draw(st.one_of(st.integers(0, 300), st.integers(0, len(raw) - 1)))
            raw[min(place, len(raw) - 1)] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    try:
        found = whole(given_row, tmp_path)
    except InputError:
        return
    assert found["340"].shape == found["380"].shape == COUNTS["380"].shape


def test_a_file_cut_off_is_never_read_as_a_shorter_one(tmp_path):
    for number, options in enumerate(({}, {"compression": "zlib"}, {"ome": True, "metadata": {"axes": "TYX"}})):
        given_row = row(**write_two(tmp_path, COUNTS, f"s{number}", **options))
        path = tmp_path / given_row["file_380"]
        raw = path.read_bytes()
        for share in (0.2, 0.5, 0.9, 0.99):
            path.write_bytes(raw[: int(share * len(raw))])
            try:
                found = whole(given_row, tmp_path)
            except InputError:
                continue
            assert share > 0.5  # only what stands behind the last image was cut off
            np.testing.assert_array_equal(found["380"], COUNTS["380"])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_size_of_a_frame_is_that_of_the_first_image_whatever_the_layout(tmp_path, layout):
    LAYOUTS[layout](tmp_path)
    for file in tmp_path.glob("*.tif"):
        assert megapixels_of(file) == 12 * 17 / 1e6
    (tmp_path / "no.tif").write_bytes(b"II*\0 and no more")
    with pytest.raises(InputError, match=r"no\.tif"):
        megapixels_of(tmp_path / "no.tif")
