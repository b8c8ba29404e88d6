"""Reading pairs of image stacks at 340 and 380 nm from TIFF and OME-TIFF, a block of frames at a time.

A pair is two files, each with the frames of one wavelength, or one file with both: its channels (the C axis of an
OME-TIFF or of an ImageJ hyperstack), or its pages in a stated order. Uncompressed stacks that lie in one piece are read
from where they lie; others page by page through tifffile. No more than a block is in memory.

Limits: greyscale; no z-stacks over time; no set of several files; compression as far as tifffile reads it without
further libraries (none, deflate, LZMA, PackBits; not LZW, JPEG). tifffile is imported here and only when a stack is
read, so that whoever reads none does not pay for it.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mgk.tables.problems import InputError

WAVELENGTHS = ("340", "380")
INTERLEAVED, SEQUENTIAL = "interleaved", "sequential"
# Of both wavelengths together: small beside memory, large beside a page.
BLOCK_BYTES = 32 * 2**20
# What may stand for one run of frames: time, or what plain and ImageJ files call theirs.
FRAME_AXES = "TZIQR"
TIFF_HEAD = 8  # bytes before which no image starts
DTYPES = "uint8, uint16, uint32, int16, int32, float32 or float64"


@dataclass(frozen=True)
class Channel:
    """The frames of one wavelength: pages of a file, in order of time.

    `offset` is where the pages lie in one piece, None where each has to be asked for.
    """

    path: Path
    pages: tuple[int, ...]
    shape: tuple[int, int]
    dtype: np.dtype
    offset: int | None


@dataclass(frozen=True)
class Pair:
    """A stack of frames at two wavelengths, of one shape and one length; `channels` by wavelength."""

    channels: Mapping[str, Channel]

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self.channels["340"].pages)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.channels["340"].shape

    @property
    def saturation(self) -> dict[str, float]:
        """The highest count that the files can hold, by wavelength; infinite for floats."""
        found = {name: channel.dtype for name, channel in self.channels.items()}
        return {n: float(np.iinfo(d).max) if d.kind in "iu" else np.inf for n, d in found.items()}

    def blocks(
        self, frames: Sequence[int] | None = None, block_bytes: int = BLOCK_BYTES
    ) -> Iterator[tuple[Sequence[int], dict[str, np.ndarray]]]:
        """Yield (frames, raw counts by wavelength, shape (n, height, width)) for all frames, or those asked for.

        The arrays are reused by the next block: what is kept of them has to be copied.
        """
        frames = range(self.frames) if frames is None else frames
        of_a_frame = sum(np.prod(c.shape) * c.dtype.itemsize for c in self.channels.values())
        size = int(max(1, min(len(frames), block_bytes // max(of_a_frame, 1))))
        buffers = {name: np.empty((size, *c.shape), c.dtype) for name, c in self.channels.items()}
        with _reading(*{c.path: c for c in self.channels.values()}) as readers:
            for start in range(0, len(frames), size):
                now = frames[start : start + size]
                for name, channel in self.channels.items():
                    readers[channel.path](channel, [channel.pages[i] for i in now], buffers[name][: len(now)])
                yield now, {name: buffer[: len(now)] for name, buffer in buffers.items()}


def open_pair(row: Mapping, raw_data: Path) -> Pair:
    """Open the pair of a row of stacks.csv.

    Raises
    ------
    InputError
        With all that is wrong with its files, each with its name.
    """
    problems: list[str] = []
    found: dict[str, Channel] = {}
    for name in WAVELENGTHS:
        try:
            found[name] = _channel_of(row, name, raw_data)
        except InputError as error:
            problems.append(str(error))
    if not problems:
        problems += _differences(row, found)
    if problems:
        raise InputError("; ".join(dict.fromkeys(problems)))
    chosen = _chosen(row, len(found["340"].pages))
    cut = {n: Channel(c.path, c.pages[chosen], c.shape, c.dtype, c.offset) for n, c in found.items()}
    return Pair(cut)


def read_image(path: Path, name: str) -> np.ndarray:
    """Return the one image of a file (labels, flat field), shape (height, width).

    Raises
    ------
    InputError
        When it cannot be read, or holds more than one image.
    """
    with _opened(path, name) as tif:
        layout = _layout(tif, path, name)
        if len(layout.pages) != 1:
            raise InputError(f"{name}: holds {len(layout.pages)} images; one is needed")
        image = np.empty((1, *layout.shape), layout.dtype)
        _by_page(tif, name)(layout, layout.pages, image)
    return image[0]


def megapixels_of(path: Path) -> float:
    """Return the size of the first image of a file, from its header alone.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    with _opened(path, path.name) as tif, _own_words(path.name):
        return tif.pages[0].imagelength * tif.pages[0].imagewidth / 1e6


def _channel_of(row: Mapping, wavelength: str, raw_data: Path) -> Channel:
    """Return the channel of a wavelength, with all of its pages."""
    name = row.get("file") or row.get(f"file_{wavelength}")
    if not name:
        raise InputError(f"file_{wavelength}: must name a file, or `file` one with both wavelengths")
    path = raw_data / name
    with _opened(path, name) as tif:
        layout = _layout(tif, path, name)
        axes, lead = _leading(tif, name)
    index = np.arange(len(layout.pages)).reshape(lead or (1,))
    order = str(row.get("channels") or "").split() if row.get("file") else []
    if order:
        pages = _pages_of(index, axes, order, row.get("page_order") or INTERLEAVED, wavelength, name)
    elif "C" in axes and lead[axes.index("C")] > 1:
        raise InputError(f"{name}: holds {lead[axes.index('C')]} channels; name it as file, and its channels in order")
    else:
        pages = index.ravel()
    return Channel(path, tuple(int(p) for p in pages), layout.shape, layout.dtype, layout.offset)


def _pages_of(index: np.ndarray, axes: str, order: list[str], page_order: str, wavelength: str, name: str):
    """Return the pages of a wavelength in a file that holds several."""
    if order.count(wavelength) != 1:
        raise InputError(f"channels: {' '.join(order)!r} must name {wavelength} once, such as '340 380'")
    place = order.index(wavelength)
    if "C" in axes:
        at = axes.index("C")
        if index.shape[at] != len(order):
            raise InputError(f"{name}: holds {index.shape[at]} channels; channels names {len(order)}")
        return np.take(index, place, axis=at).ravel()
    if index.size % len(order):
        raise InputError(f"{name}: {index.size} pages are no whole number of {len(order)} channels; is a page missing?")
    if page_order == SEQUENTIAL:
        return index.reshape(len(order), -1)[place]
    return index.reshape(-1, len(order))[:, place]


def _differences(row: Mapping, found: Mapping[str, Channel]) -> list[str]:
    """Say how the two wavelengths of a pair differ where they must not."""
    at_340, at_380 = (found[name] for name in WAVELENGTHS)
    names = [row.get("file") or row.get(f"file_{name}") for name in WAVELENGTHS]
    problems = []
    if at_340.shape != at_380.shape:
        both = zip(names, found.values(), strict=True)
        sizes = " and ".join(f"{c.shape[1]} x {c.shape[0]} pixels ({n})" for n, c in both)
        problems.append(f"the wavelengths differ in size: {sizes}")
    if len(at_340.pages) != len(at_380.pages):
        counts = " and ".join(f"{len(c.pages)} ({n})" for n, c in zip(names, found.values(), strict=True))
        problems.append(f"the wavelengths differ in frames: {counts}; is a page missing?")
    if at_340.dtype != at_380.dtype:
        problems.append(f"the wavelengths differ in kind of number: {at_340.dtype} and {at_380.dtype}")
    return problems


def _chosen(row: Mapping, frames: int) -> slice:
    """Return the frames that a row asks for (from 1, both ends in), as a slice."""
    first, last = (_whole(row.get(key)) for key in ("frame_first", "frame_last"))
    first, last = first or 1, last or frames
    if not 1 <= first <= last <= frames:
        raise InputError(f"frame_first and frame_last ask for frames {first} to {last}; there are 1 to {frames}")
    return slice(first - 1, last)


def _whole(value) -> int | None:
    return None if value is None or value == "" or value != value else int(value)


def _layout(tif, path: Path, name: str) -> Channel:
    """Return all pages of a file as one channel, once all of them are known to lie within the file."""
    with _own_words(name):
        if len(tif.series) != 1:
            shapes = ", ".join(" x ".join(map(str, s.shape)) for s in tif.series[:3])
            raise InputError(f"{name}: holds {len(tif.series)} images of unlike shape ({shapes}); one is needed")
        [series] = tif.series
        if series.is_multifile:
            raise InputError(f"{name}: is one of a set of several files; save the stack as one file")
        axes, shape = series.axes, series.shape
        if axes[-2:] != "YX":
            raise InputError(f"{name}: has the axes {axes}; greyscale images are needed (colour is not read)")
        dtype = np.dtype(tif.byteorder + series.dtype.char)
        if not (dtype.kind in "iu" and dtype.itemsize <= 4) and not (dtype.kind == "f" and dtype.itemsize >= 4):
            raise InputError(f"{name}: its numbers are {series.dtype}; allowed: {DTYPES}")
        count = int(np.prod(shape[:-2]))
        if series.keyframe.bitspersample != dtype.itemsize * 8:
            raise InputError(f"{name}: says that a pixel has {series.keyframe.bitspersample} bits; allowed: {DTYPES}")
        size, bytes_of_page = path.stat().st_size, int(np.prod(shape[-2:])) * dtype.itemsize
        if series.dataoffset is not None and series.dataoffset + count * bytes_of_page <= size:
            return Channel(path, tuple(range(count)), shape[-2:], dtype, int(series.dataoffset))
        _check_pages(series, count, size, name)
        series[0].asarray()  # a compression that is not read is found now, not in the middle of a run
    return Channel(path, tuple(range(count)), shape[-2:], dtype, None)


def _check_pages(series, count: int, size: int, name: str) -> None:
    """Refuse a file that says it holds more than it does."""
    pages = list(series.pages)
    missing = [i for i, page in enumerate(pages) if page is None]
    if missing or len(pages) < count:
        first = missing[0] if missing else len(pages)
        raise InputError(f"{name}: page {first + 1} of {count} is missing; is the file cut off?")
    for i, page in enumerate(pages):
        if min(page.dataoffsets, default=TIFF_HEAD) < TIFF_HEAD:
            raise InputError(f"{name}: page {i + 1} of {count} lies within the file's head; is it damaged?")
        ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if not ends or max(ends) > size or 0 in page.databytecounts:
            raise InputError(f"{name}: page {i + 1} of {count} ends beyond the file; is the file cut off?")


def _leading(tif, name: str) -> tuple[str, tuple[int, ...]]:
    """Return the axes before height and width, and their lengths."""
    [series] = tif.series
    axes, lead = series.axes[:-2], series.shape[:-2]
    frames = [(a, n) for a, n in zip(axes, lead, strict=True) if a != "C" and n > 1]
    if len(frames) > 1:
        lengths = ", ".join(f"{a} {n}" for a, n in frames)
        raise InputError(f"{name}: has frames along {lengths}; one run of frames is needed (z-stacks are not read)")
    if frames and frames[0][0] not in FRAME_AXES:
        raise InputError(f"{name}: has the axis {frames[0][0]}; frames over time are needed")
    return axes, lead


@contextmanager
def _opened(path: Path, name: str):
    import tifffile

    logger = logging.getLogger("tifffile")
    before, logger.disabled = logger.disabled, True  # what it would say is said here, with the file's name
    try:
        with _own_words(name):
            tif = tifffile.TiffFile(path)
        with tif:
            yield tif
    finally:
        logger.disabled = before


@contextmanager
def _own_words(name: str):
    """Turn whatever a damaged file makes tifffile raise into an error that names the file."""
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{name}: says that it is larger than memory; is its header damaged?") from error
    except Exception as error:  # tifffile raises whatever the damaged place makes it stumble over
        text = " ".join(str(error).split())[:120]
        raise InputError(f"{name}: cannot be read as TIFF ({text or type(error).__name__})") from error


@contextmanager
def _reading(*paths: Path):
    """Give a function (channel, pages, out) for each file, open as long as needed."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        readers = {}
        for path in paths:
            tif, raw = stack.enter_context(_opened(path, path.name)), stack.enter_context(path.open("rb", buffering=0))
            readers[path] = _reader(_in_one_piece(raw, path.name), _by_page(tif, path.name))
        yield readers


def _reader(in_one_piece, by_page):
    def read(channel: Channel, pages: Sequence[int], out: np.ndarray) -> None:
        (by_page if channel.offset is None else in_one_piece)(channel, pages, out)

    return read


def _in_one_piece(raw, name: str):
    def read(channel: Channel, pages: Sequence[int], out: np.ndarray) -> None:
        of_page = out[0].nbytes
        runs = np.split(np.arange(len(pages)), np.flatnonzero(np.diff(pages) != 1) + 1)
        for run in runs:
            raw.seek(channel.offset + pages[run[0]] * of_page)
            part = memoryview(out[run[0] : run[-1] + 1].reshape(-1).view(np.uint8))
            while len(part):
                got = raw.readinto(part)
                if not got:
                    raise InputError(f"{name}: ends within page {pages[run[-1]] + 1}; is the file cut off?")
                part = part[got:]

    return read


def _by_page(tif, name: str):
    def read(channel: Channel, pages: Sequence[int], out: np.ndarray) -> None:
        with _own_words(name):
            values = tif.asarray(key=[int(p) for p in pages], series=0)
        out[...] = values.reshape(out.shape)

    return read
