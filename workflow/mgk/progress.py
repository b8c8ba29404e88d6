"""What a person sees of a run: what runs, how far it is, how long still. Nothing at all when nobody watches.

Snakemake's own words are read line by line; they are its plain output, so nothing here needs Snakemake.
"""

import re
import shutil
from dataclasses import dataclass, field

STARTED = re.compile(r"^Job (\d+): (.*)")
FINISHED = re.compile(r"^Finished jobid: (\d+)")
FAILED = re.compile(r"^\s+jobid: (\d+)")
STEPS = re.compile(r"^(\d+) of (\d+) steps")
TOTAL = re.compile(r"^total +(\d+)$")
# Before this many steps are done, nothing is said of how long it will take.
STEPS_BEFORE_ESTIMATE = 4
CLEAR = "\r\033[K"


@dataclass
class Progress:
    """How far a run is: steps done of `total`, and what runs now by its number."""

    done: int = 0
    total: int = 0
    running: dict[str, str] = field(default_factory=dict)

    def take(self, line: str) -> bool:
        """Take one line of Snakemake's output; return whether it changed anything."""
        if found := STARTED.match(line):
            self.running[found[1]] = found[2]
        elif found := FINISHED.match(line) or FAILED.match(line):
            self.running.pop(found[1], None)
        elif found := STEPS.match(line):
            self.done, self.total = int(found[1]), int(found[2])
        elif found := TOTAL.match(line):
            self.total = int(found[1])
        else:
            return False
        return True

    def shown(self, elapsed_s: float, width: int | None = None) -> str:
        """Return the one line that is shown, no wider than the terminal."""
        width = width or shutil.get_terminal_size().columns
        left = time_left(self.done, self.total, elapsed_s)
        head = f"  {self.done} of {self.total}" if self.total else "  reading the study"
        line = f"{head}{f', {left} left' if left else ''}  {' | '.join(self.running.values())}".rstrip()
        return line if len(line) < width else line[: max(width - 4, 0)] + "..."


def time_left(done: int, total: int, elapsed_s: float) -> str:
    """Return how long it will still take, in words; nothing before enough is done to say.

    The steps that are left are taken to need, each, what those that are done needed on average.
    """
    if done < STEPS_BEFORE_ESTIMATE or done >= total:
        return ""
    seconds = elapsed_s * (total - done) / done
    if seconds < 55:
        return f"about {max(5 * round(seconds / 5), 5)} s"
    return f"about {max(round(seconds / 60), 1)} min"
