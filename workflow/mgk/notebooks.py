"""The one way to run a notebook: for the rules, for `make notebook` and for the tests.

A notebook is executed beside its log, where Snakemake does not look, checked, normalised and moved to its place in one
step. When it fails, the executed copy stays beside the log, and one line says what failed, where to look and how to run
it again.

    python -m mgk.notebooks 30 --experiment romk_block [--study path]
"""

import argparse
import ast
import hashlib
import os
import re
import resource
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import nbformat

from mgk import environment
from mgk.analyses import ANALYSES, Analysis
from mgk.study import Study
from mgk.tables.problems import InputError

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
KERNEL_TRIES = 3
KERNEL_START_S = 60
REPORT_PARAMETERS = {"study": "..", "output": "../results/report"}
# The cell's metadata that name the declared outputs it wrote: so a number of the report leads to the very cell.
WRITES = "writes"
DATA_ADDRESS = re.compile(r"data:[a-z0-9/+.;=-]+;base64,[A-Za-z0-9+/=]+")
# How the line begins that says which job failed, on stderr and at the end of its log.
FAILED = "FAILED"


class NotebookError(Exception):
    """A notebook that did not run to its end, in one line."""


def run_notebook(
    notebook: Path, executed: Path, parameters: dict[str, str], *, folder: Path, log: Path, outputs: Iterable[Path] = ()
) -> Path:
    """Execute a notebook and put the normalised result at `executed`; return that path.

    Parameters
    ----------
    notebook : the notebook; its cell tagged `parameters` holds literal defaults.
    executed : where the executed notebook appears, whole, when everything went well.
    parameters : a value for each parameter of the notebook, no more and no fewer.
    folder : the kernel's working folder.
    log : text log; the copy that is being executed is beside it, with the suffix .ipynb.
    outputs : files that the notebook must have written.

    Raises
    ------
    NotebookError
        In one line: the parameter, cell or output that failed, and the executed copy to open.
    """
    outputs = [Path(o) for o in outputs]
    copy = log.with_suffix(".ipynb")
    for path in (executed, log):
        path.parent.mkdir(parents=True, exist_ok=True)
    check_parameters(notebook, parameters)
    for path in (executed, copy, *outputs):
        path.unlink(missing_ok=True)
    _execute(notebook, copy, parameters, folder, log, _note_outputs(outputs))
    missing = [o.name for o in outputs if not o.is_file() or o.stat().st_size == 0]
    if missing:
        raise NotebookError(f"ran to its end without writing {', '.join(missing)}; open {_shown(copy, folder)}")
    document = nbformat.read(copy, as_version=4)
    nbformat.write(normalise(document), copy)
    copy.replace(executed)
    return executed


def run_analysis(name: str, experiment: str, study: Path, log: Path | None = None) -> Path:
    """Run the notebook of an analysis of `mgk.analyses` into the study's tracked results; return the executed one."""
    analysis = ANALYSES[name]
    log = log or study / "results" / "logs" / name / f"{experiment}.log"
    return run_notebook(
        NOTEBOOKS / f"{analysis.notebook}.ipynb",
        study / analysis.executed(experiment),
        _parameters(analysis, experiment),
        folder=study / "results",
        log=log,
        outputs=[study / o for o in analysis.outputs(experiment)],
    )


def _parameters(analysis: Analysis, experiment: str) -> dict[str, str]:
    return {"study": "..", "experiment": experiment, "output": f"../{analysis.folder(experiment)}"}


def parameters_given(study: Study) -> dict[str, dict[str, str]]:
    """Return what a run gives to each notebook of a study, by the stem of its executed file; paths from results/."""
    asked = [(ANALYSES[name], experiment) for name, experiment in study.analyses()]
    given = {Path(a.executed(e)).stem: _parameters(a, e) for a, e in asked}
    return given | {"90_report": REPORT_PARAMETERS}


def default_parameters(notebook: Path) -> dict[str, object]:
    """Return the names and literal defaults of the cell tagged `parameters`.

    Raises
    ------
    NotebookError
        When there is not exactly one such cell, or it holds anything but `name = literal`.
    """
    document = nbformat.read(notebook, as_version=4)
    tagged = [c for c in document.cells if "parameters" in c.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise NotebookError(f"{notebook.name}: {len(tagged)} cells are tagged 'parameters'; one is needed")
    found = {}
    for line in ast.parse(tagged[0].source).body:
        target = line.targets[0] if isinstance(line, ast.Assign) and len(line.targets) == 1 else None
        try:
            found[target.id] = ast.literal_eval(line.value)
        except (AttributeError, ValueError):
            raise NotebookError(
                f"{notebook.name}: the parameters cell may hold only `name = literal`, not {ast.unparse(line)!r}"
            ) from None
    return found


def check_parameters(notebook: Path, parameters: dict) -> None:
    """Refuse parameters that the notebook does not have, and a call that leaves one out.

    Raises
    ------
    NotebookError
    """
    known = default_parameters(notebook)
    unknown, missing = set(parameters) - set(known), set(known) - set(parameters)
    if unknown or missing:
        wrong = [f"unknown parameter {n!r}" for n in sorted(unknown)] + [
            f"missing parameter {n!r}" for n in sorted(missing)
        ]
        raise NotebookError(f"{notebook.name}: {', '.join(wrong)}; it has {', '.join(known)}")


def _note_outputs(outputs: list[Path]) -> Callable:
    """Return what the runner calls after each cell: it notes in the cell which of the outputs were written by it."""
    outputs = [path.absolute() for path in outputs]  # papermill works in the kernel's folder meanwhile
    known: dict[Path, tuple] = {}

    def note(cell, **_) -> None:
        there = {path: path.stat() for path in outputs if path.is_file()}
        marks = {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in there.items()}
        written = [path.name for path, mark in marks.items() if known.get(path) != mark]
        known.update(marks)
        if written:
            cell.metadata[WRITES] = written

    return note


def written_in(executed: Path) -> dict[str, str]:
    """Return, for each output that an executed notebook wrote, the id of the (last) cell that wrote it."""
    cells = nbformat.read(executed, as_version=4).cells
    return {name: cell.id for cell in cells for name in cell.metadata.get(WRITES, ())}


def _execute(notebook: Path, copy: Path, parameters: dict, folder: Path, log: Path, after_cell: Callable) -> None:
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from traitlets.config import Config

    with log.open("w", encoding="utf-8") as text, tempfile.TemporaryDirectory(prefix="mgk-") as private:
        saved = dict(os.environ)
        environment.apply()
        os.environ.update(IPYTHONDIR=f"{private}/ipython", JUPYTER_RUNTIME_DIR=f"{private}/runtime")
        try:
            for attempt in range(1, KERNEL_TRIES + 1):
                try:
                    papermill.execute_notebook(
                        notebook,
                        copy,
                        parameters,
                        cwd=folder,
                        kernel_name="python3",
                        language="python",
                        progress_bar=False,
                        start_timeout=KERNEL_START_S,
                        stdout_file=text,
                        stderr_file=text,
                        config=Config(_private_sockets(private)),
                        on_cell_executed=after_cell,
                    )
                    return
                except papermill.PapermillExecutionError as error:
                    cell = f"cell {error.exec_count}" if error.exec_count else "a cell"
                    first = str(error.evalue).strip().splitlines()
                    problem = f"{cell}: {error.ename}: {first[0] if first else ''}"
                    print(f"{problem}\n{error}", file=text)
                    raise NotebookError(f"{problem}; open {_shown(copy, folder)}") from None
                except (DeadKernelError, CellTimeoutError) as error:
                    problem = f"cell {_last_started(copy)}: the kernel died ({str(error).splitlines()[0]})"
                    print(problem, file=text)
                    raise NotebookError(f"{problem}; memory ceiling or a kill? open {_shown(copy, folder)}") from None
                except (RuntimeError, OSError) as error:
                    print(f"the kernel did not start (try {attempt} of {KERNEL_TRIES}): {error}", file=text)
                    if attempt == KERNEL_TRIES or _last_started(copy):
                        raise NotebookError(f"the kernel did not start ({error}); see {_shown(log, folder)}") from None
        finally:
            os.environ.clear()
            os.environ.update(saved)


def _private_sockets(folder: str) -> dict:
    """Let the kernel talk through sockets in a private folder: parallel kernels then cannot race for ports.

    The connection file must be named, for the sockets lie beside it, and without it in the kernel's working folder,
    where they would be shared.
    """
    return {"KernelManager": {"transport": "ipc", "connection_file": f"{folder}/kernel.json"}}


def _last_started(copy: Path) -> int:
    """Return the number (from 1) of the last code cell that was started; 0 when none was."""
    if not copy.exists():
        return 0
    cells = [c for c in nbformat.read(copy, as_version=4).cells if c.cell_type == "code"]
    started = [i for i, c in enumerate(cells, 1) if c.metadata.get("papermill", {}).get("start_time")]
    return max(started, default=0)


def _shown(path: Path, folder: Path) -> str:
    """Return a path as the analyst types it, from the study's folder."""
    return os.path.relpath(path, folder.parent)


def normalise(document: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what differs between two equal runs: times, ids, versions, how a stream was cut into pieces."""
    document.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
        }
    )
    for number, cell in enumerate(document.cells):
        cell.id = f"c{number}"
        kept = {key: cell.metadata[key] for key in ("tags", WRITES) if cell.metadata.get(key)}
        cell.metadata = nbformat.from_dict(kept)
        if cell.cell_type == "code":
            cell.outputs = _join_streams(cell.outputs)
    document.nbformat, document.nbformat_minor = 4, 5
    return document


def _join_streams(outputs: list) -> list:
    joined: list = []
    for output in outputs:
        same = joined and output.output_type == "stream" == joined[-1].output_type and output.name == joined[-1].name
        if same:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def for_git(document: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return an executed notebook as it is kept in git: without the injected parameters, counted anew.

    Files inside the HTML of its outputs (the report's figures, which are the other notebooks', and tables as CSV) are
    left out, their checksums stay.
    """
    document.cells = [c for c in document.cells if "injected-parameters" not in c.metadata.get("tags", [])]
    code = [c for c in document.cells if c.cell_type == "code"]
    for count, cell in enumerate(code, 1):
        cell.metadata.pop(WRITES, None)
        cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
            if "text/html" in output.get("data", {}):
                output.data["text/html"] = DATA_ADDRESS.sub(_checksum_address, output.data["text/html"])
    return normalise(document)


def _checksum_address(address: re.Match) -> str:
    return f"data:,not%20in%20git,%20SHA-256%20{hashlib.sha256(address[0].encode()).hexdigest()[:16]}"


def limit_memory(mb: int) -> None:
    """Set the memory ceiling of this process and of those that it starts.

    RLIMIT_DATA counts what is really allocated; RLIMIT_AS would break memory maps of large files.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (mb * 2**20, mb * 2**20))


def find_notebook(word: str) -> str:
    """Return the analysis whose notebook `word` names: by number (30), stem, or the analysis itself.

    Raises
    ------
    InputError
        When it names none, or more than one.
    """
    fits = [
        a.name for a in ANALYSES.values() if a.name == word or a.notebook == word or a.notebook.startswith(f"{word}_")
    ]
    if len(fits) != 1:
        allowed = ", ".join(f"{a.notebook} ({a.name})" for a in ANALYSES.values())
        raise InputError(f"no notebook {word!r}; there are {allowed}")
    return fits[0]


def run_by_hand(word: str, study: Path, experiment: str | None = None) -> Path:
    """Run one notebook on results that are there, into results/by_hand; return the executed copy.

    Parameters
    ----------
    word : names the notebook: its number, its file or its analysis.
    study : the study's folder.
    experiment : an experiment of its config.yaml that asks for the analysis; default: the first.

    Raises
    ------
    InputError, NotebookError
        When there is no such notebook, study or experiment; when the notebook fails.
    """
    analysis = ANALYSES[find_notebook(word)]
    experiments = [e for a, e in Study.open(study).analyses() if a == analysis.name]
    if not experiments or experiment not in (None, *experiments):
        allowed = ", ".join(experiments) or "none"
        raise InputError(f"experiment {experiment or ''!r}: config.yaml asks for {analysis.name} of: {allowed}")
    experiment = experiment or experiments[0]
    folder = analysis.folder(experiment).replace("results", "results/by_hand", 1)
    place, output = study.resolve() / folder, f"../{folder}"
    place.mkdir(parents=True, exist_ok=True)
    return run_notebook(
        NOTEBOOKS / f"{analysis.notebook}.ipynb",
        place / f"{analysis.notebook}.ipynb",
        {"study": "..", "experiment": experiment, "output": output},
        folder=study.resolve() / "results",
        log=place / "notebook.log",
    )


def main(arguments: list[str] | None = None) -> int:
    """Run one notebook by hand, on results that are there, into results/by_hand."""
    parser = argparse.ArgumentParser(prog="python -m mgk.notebooks", description=main.__doc__)
    parser.add_argument("notebook", help="number, file name or analysis, such as 30")
    parser.add_argument(
        "--experiment", help="experiment of config.yaml (default: the first that asks for the analysis)"
    )
    parser.add_argument("--study", type=Path, default=Path(), help="folder of the study (default: here)")
    given = parser.parse_args(arguments)
    try:
        executed = run_by_hand(given.notebook, given.study, given.experiment)
    except (NotebookError, InputError) as error:
        print(f"{given.notebook}: {error}", file=sys.stderr)
        return 1
    print(os.path.relpath(executed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
