"""Any damage to any file of a small study ends in problems of our own, or in a reading: never in an error of a library.

The corpus of `cases` holds what was thought of; this is what was not.
"""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hostile.bases import BASES
from hostile.cases import Bases
from hostile.door import contents
from mgk.checks import check_study
from mgk.study import Study

# What breaks parsers: signs of their grammars, ends of lines, numbers that are none, bytes of no text.
PIECES = st.one_of(
    st.binary(max_size=6),
    st.sampled_from(
        [b'"', b"'", b",", b";", b"\t", b"\n", b"\r", b"\r\n", b"\0", b"#", b":", b"- ", b"[", b"{", b"&a ", b"*a"]
    ),
    st.sampled_from(
        [b"nan", b"inf", b"-1", b"0", b"1e999", b"2147483648", b"1,5", b"<x>", b"..", b"/", b"=", b"\xff\xff\xff\xff"]
    ),
)


@st.composite
def damages(draw):
    """Return a base, the file of it that is damaged (a number), and up to three (place, bytes lost, bytes put)."""
    base, file = draw(st.sampled_from(sorted(BASES))), draw(st.integers(0, 20))
    change = st.tuples(st.floats(0, 1), st.integers(0, 8), PIECES)
    return base, file, draw(st.lists(change, min_size=1, max_size=3))


@pytest.fixture(scope="module")
def bases():
    with tempfile.TemporaryDirectory() as folder:
        yield Bases(Path(folder))


def refused_or_read(bases, damage):
    base, number, changes = damage
    bases.contents(base)
    with tempfile.TemporaryDirectory() as folder:
        study = shutil.copytree(bases.folder / base, Path(folder) / "study")
        files = sorted(p for p in study.rglob("*") if p.is_file())
        path = files[number % len(files)]
        raw = path.read_bytes()
        for share, lost, piece in changes:
            at = int(share * len(raw))
            raw = raw[:at] + piece + raw[at + lost :]
        path.write_bytes(raw)
        problems = check_study(Study.read(study)[0])
        assert all(p.file and p.allowed and str(p) for p in problems)
        if not problems:
            contents(study)


@pytest.mark.filterwarnings("ignore::ruamel.yaml.error.ReusedAnchorWarning")
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@example(("BMG MARS", 2, [(0.75, 9, b"\x01csv,q")]))  # a control character in the name of a plate's file
@example(("shots", 1, [(0.15625, 0, b"\x01")]))  # and of a file of shots
@given(damages())
def test_any_damage_is_refused_or_read(bases, damage):
    refused_or_read(bases, damage)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::ruamel.yaml.error.ReusedAnchorWarning")
@settings(max_examples=3000, suppress_health_check=list(HealthCheck))
@given(damages())
def test_any_damage_at_length(bases, damage):
    refused_or_read(bases, damage)
