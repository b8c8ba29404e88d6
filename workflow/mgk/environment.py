"""The one environment table under which every process of a run computes.

Same platform, same bytes: vector instructions that change the last digits, thread counts, hash seeds, time
zone and the settings of matplotlib are fixed here and nowhere else. The Snakefile, the notebook runner and the
tests all set this table before numpy is imported in the process that computes.
"""

import os
from pathlib import Path

MATPLOTLIBRC = Path(__file__).parent / "figures" / "matplotlibrc"

ENVIRONMENT = {
    # AVX-512 kernels of numpy and OpenBLAS change the tenth digit of a fit; AVX2 is everywhere.
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
    # One thread: sums in one order, and a notebook per core instead of a fight for cores.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "TZ": "UTC",
    "SOURCE_DATE_EPOCH": "0",
    "MATPLOTLIBRC": str(MATPLOTLIBRC),
    "JUPYTER_PREFER_ENV_PATH": "1",
    "JUPYTER_PLATFORM_DIRS": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}

# Under Agg no picture is stored in a notebook: kernels choose the inline backend themselves.
REMOVED = ("MPLBACKEND", "PYTHONDONTWRITEBYTECODE", "PYTHONSTARTUP", "PYTHONPATH")


def fixed_environment(base: dict[str, str] | None = None) -> dict[str, str]:
    """Return a copy of `base` (default: this process's environment) with the table applied."""
    environment = dict(os.environ if base is None else base)
    for name in REMOVED:
        environment.pop(name, None)
    environment.update(ENVIRONMENT)
    return environment


def apply() -> None:
    """Set the table in this process, for the processes that it starts."""
    environment = fixed_environment()
    os.environ.clear()
    os.environ.update(environment)
