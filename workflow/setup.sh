#!/bin/sh
# Makes .venv from requirements.txt, once for each lock and folder; `make` calls it before everything else.
#
#   setup.sh run   the environment of the workflow and its tests (.venv, requirements.txt)
#   setup.sh lab   the same with JupyterLab (.venv-lab, requirements-lab.txt)
#   setup.sh convert   allotropy alone, for `make convert-plate` (.venv-convert, requirements-convert.txt)
set -eu
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH VIRTUAL_ENV || true

case "${1:-run}" in
run) venv=.venv lock=requirements.txt ;;
lab) venv=.venv-lab lock=requirements-lab.txt ;;
convert) venv=.venv-convert lock=requirements-convert.txt ;;
*) echo "setup.sh: run, lab or convert, not '$1'" >&2; exit 2 ;;
esac

key=$({ cat "$lock"; pwd; } | cksum | tr ' ' -)
stamp="$venv/set-up-$key"
[ -e "$stamp" ] && exit 0

fits='import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else 1)'
python='' seen=''
for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    seen="$seen $candidate=$version"
    if "$candidate" -c "$fits" 2>/dev/null; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    echo "set-up: mgk needs Python 3.11, 3.12 or 3.13 on the PATH; found:${seen:- none}. Install one, or name it: make PYTHON=/path/to/python" >&2
    exit 1
fi
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    echo "set-up: $python has no venv module; install it (Debian, Ubuntu: apt install python3-venv), or name another Python: make PYTHON=/path/to/python" >&2
    exit 1
fi

echo "set-up: making $venv with $python from $lock (once)" >&2
rm -rf "$venv"
"$python" -m venv "$venv"
# uv comes from the lock too, so that its hash is checked like every other.
awk '/^uv==/ {on = 1} on {print} on && !/\\$/ {exit}' "$lock" > "$venv/uv.txt"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes --no-deps -r "$venv/uv.txt"
# uv does not read pip's settings: whoever gave pip an index gave it to this set-up.
if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
    index=$("$venv/bin/python" -m pip config get global.index-url 2>/dev/null || echo "${PIP_INDEX_URL:-}")
    if [ -n "$index" ]; then export UV_DEFAULT_INDEX="$index"; fi
fi
export UV_NO_CONFIG=1 UV_PYTHON_DOWNLOADS=never
"$venv/bin/uv" pip sync --quiet --python "$venv/bin/python" --require-hashes --compile-bytecode "$lock"
# After the sync, which would uninstall it.
[ "$venv" = .venv-convert ] || "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation -e .
: > "$stamp"
