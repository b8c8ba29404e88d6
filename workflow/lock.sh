#!/bin/sh
# Writes the locks: exact versions and hashes for every Python and platform, no address of any registry.
set -eu
cd "$(dirname "$0")/.."
compile() {
    .venv/bin/uv --no-config pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-header --no-annotate --fork-strategy fewest "$@"
}
compile --upgrade --group dev --output-file requirements.txt pyproject.toml
compile --upgrade --group dev --group lab --constraint requirements.txt --output-file requirements-lab.txt pyproject.toml
# The group alone, without what the project needs: allotropy holds both pandas and jsonschema back.
compile --upgrade --group pyproject.toml:convert --output-file requirements-convert.txt
if grep -n '://' requirements.txt requirements-lab.txt requirements-convert.txt; then
    echo "lock: an address stands in a lock" >&2
    exit 1
fi
