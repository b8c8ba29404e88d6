"""A study: a folder with config.yaml and raw_data/. What it holds, read once and strictly.

This module reads and checks the form of a study's own files (configuration, recipes, tables). Whether they agree with
each other and with the raw files is the business of `mgk.checks`.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from mgk.analyses import ANALYSES, FREE_MAGNESIUM
from mgk.tables.problems import InputError, Problem
from mgk.tables.schema import check_mapping, load_schema, read_input_table
from mgk.tables.yaml_file import read_yaml

# What Snakemake was given by --config and --configfile: set in the Snakefile, so that every job reads the same study.
OVERRIDES_VARIABLE = "MGK_CONFIG_OVERRIDES"
# Analyses that are a section of config.yaml of their own, and are made of tables or results rather than of raw files.
OWN_SECTION = ("equilibria", "synthesis")
# Analyses that a study has once: keys of the clinical section that name a table. (That of the solutions goes by
# raw_data/solutions.yaml.)
ONCE = tuple(a.name for a in ANALYSES.values() if a.once and a.name not in ("solutions", *OWN_SECTION))
# How each section of config.yaml calls what it names.
EXPERIMENTS = {
    "recordings": "experiments",
    "plates": "experiments",
    "stacks": "experiments",
    "curves": "experiments",
    "clinical": "analyses",
}
# Sections with one analysis, which their experiments need not name.
ONLY_ANALYSIS = {"stacks": "image_stacks", "curves": "curves", "clinical": "clinical_summary"}


@dataclass(frozen=True)
class Study:
    """A study whose configuration is in order; its tables are read and checked when they are asked for."""

    root: Path
    config: dict
    _cache: dict = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(cls, root: Path | str, overrides: dict | None = None) -> "Study":
        """Read a study's configuration.

        Parameters
        ----------
        root: the folder with config.yaml and raw_data/.
        overrides: values merged on top of config.yaml (default: those of the running Snakemake).

        Raises
        ------
        InputError
            With all problems of config.yaml.
        """
        study, problems = cls.read(root, overrides)
        if problems:
            raise InputError(problems)
        return study

    @classmethod
    def read(cls, root: Path | str, overrides: dict | None = None) -> tuple["Study", list[Problem]]:
        """Read a study as far as it goes, with the problems of its configuration."""
        root = Path(root)
        if overrides is None:
            overrides = json.loads(os.environ.get(OVERRIDES_VARIABLE, "{}"))
        config, lines, problems = read_yaml(root / "config.yaml", "config.yaml")
        if not lines:
            return cls(root, {}), problems
        config = merge(config, overrides)
        return cls(root, config), problems + check_mapping(config, load_schema("config"), "config.yaml", lines)

    @property
    def raw_data(self) -> Path:
        """The folder of the raw data."""
        return self.root / "raw_data"

    @property
    def results(self) -> Path:
        """The folder of everything made."""
        return self.root / "results"

    @property
    def data_kind(self) -> str:
        """`simulated`, `measured` or `mixed`, as the config says."""
        return self.config["study"]["data"]

    @property
    def title(self) -> str:
        """The title of the study."""
        return self.config["study"]["title"]

    @property
    def permeabilities(self) -> dict[str, float]:
        """The relative permeabilities for GHK potentials, by ion; empty when the config gives none."""
        return {ion: p for ion, p in self._section("solutions").get("permeabilities", {}).items() if ion != "source"}

    @property
    def permeability_source(self) -> str:
        """Where the permeabilities were read."""
        return self._section("solutions").get("permeabilities", {}).get("source", "")

    @property
    def solution_pairs(self) -> list[dict]:
        """The pairs of pipette and bath that the config asks for besides those of the recordings."""
        return [{"configuration": "whole_cell", **pair} for pair in self._section("solutions").get("pairs", [])]

    @property
    def diagrams(self) -> dict[str, str]:
        """The experiment whose numbers stand on an arrow of the diagrams, by the name of the arrow."""
        return {arrow: name for arrow, name in self._section("diagrams").items() if isinstance(name, str)}

    @property
    def constants(self) -> str:
        """The set of stability constants of the study."""
        return self._section("solutions").get("constants", "webmaxc")

    def _section(self, name: str) -> dict:
        part = self.config.get(name)
        return part if isinstance(part, dict) else {}

    def experiments(self, section: str) -> dict[str, dict]:
        """Return the experiments of a section (recordings, plates, stacks, curves; clinical: its analyses), by id.

        The solutions are one experiment of their own, there when the study has recipes.
        """
        if section == "solutions":
            recipes = self.read_solutions()[0]
            settings = {"analysis": section, "data": "computed", "title": ANALYSES[section].title}
            return {section: settings} if recipes else {}
        if section in OWN_SECTION:
            given = self._section(section)
            data = "tabulated" if section == "equilibria" else self._joined_data(section)
            own = {"analysis": section, "data": data, "title": ANALYSES[section].title}
            return {section: {**given, **own}} if given else {}
        if section in ONCE:
            table = self._section("clinical").get(section)
            settings = {"table": table, "analysis": section, "data": "measured", "title": ANALYSES[section].title}
            return {section: settings} if isinstance(table, str) else {}
        found = self._section(section).get(EXPERIMENTS[section], {})
        settings = found.items() if isinstance(found, dict) else ()
        return {name: given for name, given in settings if isinstance(given, dict)}

    def experiment(self, section: str, name: str) -> dict:
        """Return the settings of one experiment.

        Raises
        ------
        InputError
            When the config does not name it.
        """
        known = self.experiments(section)
        if name not in known:
            allowed = f"config.yaml names {', '.join(known) or 'none'}"
            raise InputError(
                Problem("config.yaml", None, f"{section}.{EXPERIMENTS.get(section, section)}", name, allowed)
            )
        return known[name]

    def data_of(self, section: str, name: str) -> str:
        """Whether an experiment's data are simulated, measured or mixed (the study's word where it does not say)."""
        return self.experiment(section, name).get("data", self.data_kind)

    def analyses(self) -> list[tuple[str, str]]:
        """Return (analysis, experiment) for everything that the config asks for, in reading order."""
        found = []
        for section in ("solutions", *EXPERIMENTS, *ONCE, *OWN_SECTION):
            found += self._asked(section)
        order = list(ANALYSES)
        return sorted(found, key=lambda pair: order.index(pair[0]))

    def _asked(self, section: str) -> list[tuple[str, str]]:
        found = []
        for name, settings in self.experiments(section).items():
            asked = settings.get("analysis", ONLY_ANALYSIS.get(section, []))
            names = asked if isinstance(asked, list) else [asked]
            found += [(a, name) for a in names if isinstance(a, str) and a in ANALYSES]
        return found

    def magnesium_experiments(self) -> dict[str, str]:
        """Return the analysis that gives free Mg2+, by experiment: of plates, else of stacks."""
        asked = [pair for section in ("stacks", "plates") for pair in self._asked(section)]
        return {name: analysis for analysis, name in asked if analysis in FREE_MAGNESIUM}

    def rests_on(self, section: str) -> list[tuple[str, str]]:
        """Return (analysis, experiment) of the results that an analysis with a section of its own reads."""
        given, of_magnesium = self._section(section), self.magnesium_experiments()
        if section == "equilibria":
            named = [c.get("experiment") for c in _list(given.get("compare")) if isinstance(c, dict)]
        elif section == "synthesis":
            named = _list(given.get("free_magnesium"))
        else:
            return []
        names = dict.fromkeys(name for name in named if isinstance(name, str))
        found = [(of_magnesium.get(name, FREE_MAGNESIUM[0]), name) for name in names]
        for key, analysis in {"block": "magnesium_block", "pump": "atpase_activity"}.items():
            of = given.get(key)
            if isinstance(of, dict) and isinstance(of.get("experiment"), str):
                found.append((analysis, of["experiment"]))
        return [*found, *([("claims", "claims")] if given.get("claims") else [])]

    def _joined_data(self, section: str) -> str:
        """Return the kind of the experiments that an analysis joins: that of all of them, or mixed."""
        joined = [(ANALYSES[a].section, e) for a, e in self.rests_on(section) if a != "claims"]
        kinds = {self.data_of(s, e) for s, e in joined if e in self.experiments(s)}
        return kinds.pop() if len(kinds) == 1 else "mixed"

    def table(self, name: str) -> pd.DataFrame:
        """Return an input table, `recordings`, `plates`, `stacks` or `curves`, checked.

        Raises
        ------
        InputError
            With all problems of the table.
        """
        return self._checked(f"raw_data/{name}.csv", name)

    def segments(self) -> pd.DataFrame:
        """Return raw_data/segments.csv, checked; without rows when the study has no such file."""
        file = "raw_data/segments.csv"
        return self._checked(file, "segments") if (self.root / file).exists() else pd.DataFrame()

    def layout(self, file: str) -> pd.DataFrame:
        """Return a plate layout, `file` relative to raw_data, checked."""
        return self._checked(f"raw_data/{file}", "layout")

    def clinical_table(self, analysis: str) -> pd.DataFrame:
        """Return the table of a clinical analysis, checked."""
        return self._checked(f"raw_data/{self.experiment('clinical', analysis)['table']}", "clinical")

    def table_of(self, analysis: str) -> pd.DataFrame:
        """Return the table of an analysis that a study has once (claims, magnesium_forms, equilibria), checked."""
        schema = "compartments" if analysis == "equilibria" else analysis
        return self._checked(f"raw_data/{self.experiment(analysis, analysis)['table']}", schema)

    def solutions(self) -> dict[str, dict]:
        """Return the recipes of raw_data/solutions.yaml by solution id; none when the study has no such file.

        Raises
        ------
        InputError
            With all problems of the file.
        """
        recipes, problems = self.read_solutions()
        if problems:
            raise InputError(problems)
        return recipes

    def read_solutions(self) -> tuple[dict[str, dict], list[Problem]]:
        """Return the recipes with their problems."""
        path, name = self.raw_data / "solutions.yaml", "raw_data/solutions.yaml"
        if not path.exists():
            return {}, []
        if name not in self._cache:
            data, lines, problems = read_yaml(path, name)
            if lines:
                problems = problems + check_mapping(data, load_schema("solutions"), name, lines)
            self._cache[name] = data, problems
        return self._cache[name]

    def read_table(self, file: str, schema: str) -> tuple[pd.DataFrame, list[Problem]]:
        """Return an input table with its problems; `file` relative to the study.

        Its index is the number of a row in the file less 2, as checks count: blank lines leave gaps.
        """
        if file not in self._cache:
            self._cache[file] = read_input_table(self.root / file, load_schema(schema), file)
        return self._cache[file]

    def _checked(self, file: str, schema: str) -> pd.DataFrame:
        frame, problems = self.read_table(file, schema)
        if problems:
            raise InputError(problems)
        return frame.reset_index(drop=True)


def _list(value) -> list:
    return value if isinstance(value, list) else []


def merge(base: dict, over: dict) -> dict:
    """Return `base` with the values of `over` laid on top, mappings merged key by key."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged
