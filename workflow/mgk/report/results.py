"""The results of one analysis of one experiment, as the report reads them: tables, settings, what was put in.

Limits: nothing is computed here, nor shown; the chapters (`report.chapters`) do that.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from mgk.analyses import ANALYSES, Analysis
from mgk.notebooks import FAILED, written_in
from mgk.study import Study
from mgk.tables import read_table
from mgk.tables.yaml_file import load_yaml
from mgk.upstream import jobs_of

# How each kind of data is called wherever it is shown.
KINDS = {
    "simulated": "simulated",
    "measured": "real",
    "mixed": "partly simulated, partly real",
    "computed": "computed from the recipes",
    "tabulated": "computed from tables of published concentrations",
}


@dataclass(frozen=True)
class Results:
    """One analysis of one experiment of a study."""

    project: Study
    analysis: Analysis
    experiment: str

    @property
    def folder(self) -> Path:
        """The folder of its tables and figures."""
        return self.project.root / self.analysis.folder(self.experiment)

    @property
    def executed(self) -> Path:
        """The executed notebook."""
        return self.project.root / self.analysis.executed(self.experiment)

    @cached_property
    def cells(self) -> dict[str, str]:
        """The cell of the executed notebook that wrote each output, by the output's name."""
        return written_in(self.executed) if self.executed.exists() else {}

    @property
    def settings(self) -> dict:
        """The experiment's settings in config.yaml."""
        return self.project.experiment(self.analysis.section, self.experiment)

    @property
    def title(self) -> str:
        """The experiment's title, or its id."""
        return self.settings.get("title", self.experiment)

    @property
    def data(self) -> str:
        """How its data are called in `KINDS`."""
        return self.project.data_of(self.analysis.section, self.experiment)

    @property
    def is_there(self) -> bool:
        """Whether it has been made: inputs, outputs and executed notebook are all there.

        Without its inputs, which a failed job takes away, what is there is left over from an earlier run.
        """
        analysis, experiment = self.analysis, self.experiment
        files = (*analysis.inputs(experiment), *analysis.outputs(experiment), analysis.executed(experiment))
        return all((self.project.root / f).is_file() for f in files)

    @property
    def failures(self) -> list[str]:
        """What failed of the jobs that it rests on, a line each, as their logs end."""
        logs = self.project.results / "logs"
        own = [logs / self.analysis.name / f"{self.experiment}.log"]
        for job in jobs_of(self.analysis.name):
            # Of a batch or a table the log is {experiment}.{batch}.log; a name of an experiment may hold points.
            names = ((f, f.stem, f.stem.rpartition(".")[0]) for f in logs.glob(f"{job}/*.log"))
            own += sorted(f for f, *named in names if self.experiment in named or named[0] == "all")
        texts = [f.read_text(encoding="utf-8", errors="replace") for f in own if f.is_file()]
        ends = [text[text.rindex(f"\n{FAILED} ") :] for text in (f"\n{t}" for t in texts) if f"\n{FAILED} " in text]
        return list(dict.fromkeys("; ".join(end.split("\n")).strip("; ") for end in ends))

    @cached_property
    def truth(self) -> dict:
        """What was put in, when the data are simulated: its part of raw_data/truth.yaml."""
        return read_truth(self.project).get(self.analysis.section, {}).get(self.experiment, {})

    def table(self, name: str, text: tuple[str, ...] = ()) -> pd.DataFrame:
        """Return one of its tables; `text` names columns that are text even where they look like numbers."""
        return read_table(self.folder / name, text=text)


def all_results(project: Study) -> list[Results]:
    """Return the results of everything that the study asks for, made or not, in reading order."""
    return [Results(project, ANALYSES[name], experiment) for name, experiment in project.analyses()]


def read_truth(project: Study) -> dict:
    """Return raw_data/truth.yaml, or nothing when a study has none."""
    path = project.raw_data / "truth.yaml"
    return load_yaml(path)[0] if path.exists() else {}


def put_in(truth: dict, group: str, parameter: str) -> dict:
    """Return what was put in for a parameter of a group, as reference columns; nothing when it is not known."""
    if not parameter:
        return {}
    places = (truth.get("conditions", {}).get(group, {}).get(parameter), truth.get(parameter))
    for entry in places:
        if isinstance(entry, dict) and group in entry:
            entry = entry[group]
        if isinstance(entry, dict) and isinstance(entry.get("value"), int | float):
            return {"reference": entry["value"], "reference_kind": "put in", "reference_source": entry["source"]}
    return {}
