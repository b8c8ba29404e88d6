"""The frame around every script of a rule: memory ceiling, text log, one line when it fails."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from mgk.analyses import ANALYSES
from mgk.notebooks import FAILED, NotebookError, limit_memory
from mgk.one_run import end_with_parent
from mgk.tables.problems import InputError


@contextmanager
def job(snakemake) -> Iterator[None]:
    """Run the body of a rule's script.

    What it prints goes to the rule's log, which is of this job alone. When it fails, one line on stderr says rule,
    experiment, what happened and where to look; the traceback is in the log, and the same line ends it; outputs already
    written are Snakemake's to remove.
    """
    end_with_parent()
    limit_memory(snakemake.resources.get("mem_mb", 2500))
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    name = " ".join([snakemake.rule, *snakemake.wildcards])
    log.unlink(missing_ok=True)
    with log.open("a", encoding="utf-8") as text, redirect_stdout(text):
        try:
            yield
            return
        except NotebookError as error:
            line = str(error)
            if snakemake.rule in ANALYSES:
                experiment = snakemake.wildcards.get("experiment", snakemake.rule)  # an analysis that a study has once
                line += f"; run again: make notebook NOTEBOOK={snakemake.rule} EXPERIMENT={experiment}"
        except InputError as error:
            line = str(error)
        except MemoryError:
            traceback.print_exc(file=text)
            line = f"needs more than its ceiling of {snakemake.resources.mem_mb} MB (mem_mb of the rule); see {log}"
        except Exception as error:
            traceback.print_exc(file=text)
            line = f"{type(error).__name__}: {error}; see {log}"
        line = f"{FAILED} {name}: {line}"
        print(line, file=text)
    print(line, file=sys.stderr)
    sys.exit(1)
