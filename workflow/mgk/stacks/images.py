"""Mean images of stacks kept for showing: one TIFF file with an image series a stack, which Fiji opens as well.

Each series has four planes of float32: F340 and F380 above their background and laid onto each other (NaN beyond the
edge), labels of the cells, and whether a pixel was saturated in any frame that was looked at.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mgk.whole_files import whole_file

PLANES = ("f340", "f380", "labels", "saturated")


@contextmanager
def image_file(path: Path | str) -> Iterator[Callable[[str, Mapping[str, np.ndarray]], None]]:
    """Give a function (stack_id, images) that adds images of a stack to a file, which appears when all are in it."""
    import tifffile

    with whole_file(Path(path)) as beside, tifffile.TiffWriter(beside) as file:

        def keep(stack: str, planes: Mapping[str, np.ndarray]) -> None:
            both = np.stack([np.asarray(planes[name], np.float32) for name in PLANES])
            words = {"axes": "CYX", "stack_id": stack, "planes": " ".join(PLANES)}
            file.write(both, photometric="minisblack", metadata=words, contiguous=False, software="mgk")

        yield keep


def read_images(path: Path | str) -> dict[str, dict[str, np.ndarray]]:
    """Return the images of stacks as written, by stack_id."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        found = {}
        for series in file.series:
            stack = json.loads(series.keyframe.description)["stack_id"]
            found[stack] = dict(zip(PLANES, series.asarray(), strict=True))
    return found
