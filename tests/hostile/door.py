"""A damaged study through the door of `make check`: refused in our own words, or read as the clean one."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mgk.analyses import is_relaxation
from mgk.checks import check_study
from mgk.plates import tidy_wells
from mgk.provenance import sha256
from mgk.recordings import read_recording
from mgk.recordings.shots import read_shots
from mgk.stacks.files import WAVELENGTHS, open_pair, read_image
from mgk.study import Study
from mgk.tables.problems import Problem
from mgk.tables.yaml_file import read_yaml

REFUSED, CLEAN, OTHER = "refused", "clean", "other"


@dataclass(frozen=True)
class Outcome:
    """What a study gives: `kind` is refused, clean (read as the clean file) or other; the problems of a refusal."""

    kind: str
    problems: tuple[str, ...] = ()
    placed: bool = True


def through(study: Path, clean: dict, damaged: str = "config.yaml") -> Outcome:
    """Check a study as `make check` does; without a problem, read all of it and hold it against the clean one.

    `damaged` is the file that was damaged: a config that was not need not be read again.
    """
    config = read_yaml(study / "config.yaml")[0] if damaged == "config.yaml" else json.loads(clean["config"])
    problems = check_study(Study(study, config))
    if problems:
        return refusal(problems)
    return Outcome(CLEAN if same(contents(study), clean) else OTHER)


def refusal(problems: list[Problem]) -> Outcome:
    """Return problems as an outcome; they are placed when each names a file."""
    return Outcome(REFUSED, tuple(str(p) for p in problems), all(p.file for p in problems))


def contents(root: Path) -> dict:
    """Return all that a study in order reads: settings, recipes, tables, and the values of its raw files."""
    study = Study.open(root)
    found: dict = {"config": json.dumps(study.config), "solutions": json.dumps(study.solutions())}
    for section in ("recordings", "plates", "stacks", "curves"):
        if study.experiments(section):
            found[section] = study.table(section)
    for analysis in study.experiments("clinical"):
        found[analysis] = study.clinical_table(analysis)
    for analysis in ("claims", "magnesium_forms", "equilibria"):
        if study.experiments(analysis):
            found[analysis] = study.table_of(analysis)
    found["segments"] = study.segments()
    for read in (_recordings, _plates, _stacks):
        found |= read(study, found)
    return found


def _recordings(study: Study, found: dict) -> dict:
    values = {}
    for row in found["recordings"].to_dict("records") if "recordings" in found else []:
        path, name = study.raw_data / row["file"], row["recording_id"]
        if is_relaxation(study.experiments("recordings")[row["experiment"]]):
            shots = read_shots(path)
            values[name] = [shots.time_ms, shots.signal]
            continue
        recording = read_recording(path, row["channel"])
        channel, sweeps = recording.channel_index(row["channel"]), range(len(recording.sweep_samples))
        signals = [recording.signal(s, channel) for s in sweeps]
        commands = [recording.command(s, row["voltage_channel"]).values_mv for s in sweeps]
        values[name] = [np.array([recording.rate_hz]), *signals, *commands]
    return values


def _plates(study: Study, found: dict) -> dict:
    if "plates" not in found:
        return {}
    layouts = {name: study.layout(name) for name in set(found["plates"]["layout"]) - {""}}
    return {"wells": tidy_wells(found["plates"], study.raw_data)} | layouts


def _stacks(study: Study, found: dict) -> dict:
    values = {}
    for row in found["stacks"].to_dict("records") if "stacks" in found else []:
        pair = open_pair(row, study.raw_data)
        frames = [np.copy(counts[name]) for _, counts in pair.blocks() for name in WAVELENGTHS]
        images = [read_image(study.raw_data / row[c], c) for c in ("labels", "shading_340", "shading_380") if row[c]]
        values[row["stack_id"]] = [*frames, *images]
    return values


def same(found, clean) -> bool:
    """Return whether two contents are equal, value for value."""
    if isinstance(clean, dict):
        return found.keys() == clean.keys() and all(same(found[k], clean[k]) for k in clean)
    if isinstance(clean, list):
        return len(found) == len(clean) and all(map(same, found, clean))
    if isinstance(clean, pd.DataFrame):
        return found.equals(clean)
    if isinstance(clean, np.ndarray):
        return found.shape == clean.shape and found.dtype == clean.dtype and np.array_equal(found, clean)
    return found == clean


def write_manifest(study: Path) -> None:
    """Write the checksums of a study's raw data, as `sha256sum` does."""
    raw = study / "raw_data"
    files = sorted(p for p in raw.rglob("*") if p.is_file())
    (raw / "manifest.sha256").write_text("".join(f"{sha256(p)}  {p.relative_to(raw)}\n" for p in files))
