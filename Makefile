# Every target sets up what it needs, once. `make help` lists them.
# STUDY=path: a folder with config.yaml and raw_data/ (default: this repository, the demonstration).
.DEFAULT_GOAL := help
.PHONY: help setup report pdf pictures docs diagrams check test test-quick test-long lint bench bench-scale validate lab lock demo-data convert-plate notebook notebooks check-notebooks verify crate new-study
SHELL := /bin/sh
STUDY ?= .
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONPATH
export PYTHON
# WITH=lab: run in the environment that also has JupyterLab and the reader of NWB files.
WITH ?= run
# ON=slurm: run on a Slurm cluster (profiles/slurm, docs/cluster.md).
ON ?=
PROFILE := $(if $(ON),--workflow-profile "$(CURDIR)/profiles/$(ON)")
RUN := $(if $(filter lab,$(WITH)),.venv-lab,.venv)/bin/python

help:            ## this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

setup:
	@sh workflow/setup.sh run
	@if [ "$(WITH)" = lab ]; then sh workflow/setup.sh lab; fi

report: setup    ## run a study to its report, results/report/report.html [ON=slurm: on a cluster]
	@$(RUN) -m mgk.run "$(STUDY)" $(PROFILE)

pdf: setup       ## the report of a study as PDF, where a Chromium is at hand
	@$(RUN) -m mgk.report.pdf "$(STUDY)"

pictures: setup  ## the pictures of docs/ from a finished demonstration, where a Chromium is at hand
	@$(RUN) -m mgk.report.pictures

check: setup     ## check a study without running it: all problems in one list
	@$(RUN) -m mgk.run --check "$(STUDY)"

new-study: setup ## the folder of a study of your own, to be filled in: STUDY=path [STAGES="recordings plates clinical"]
	@$(RUN) -m mgk.new_study "$(STUDY)" $(STAGES)

verify: setup    ## a fresh run held against the study's pinned references [PIN=yes: write them anew]
	@$(RUN) -m mgk.verification $(if $(filter yes,$(PIN)),--pin) "$(STUDY)"

crate: setup     ## a finished study with its code as one file to deposit, a Workflow Run RO-Crate
	@$(RUN) -m mgk.crate "$(STUDY)"

test-quick: setup lint  ## lint, unit tests, one small study (90 s)
	@$(RUN) -m pytest -q -n 2 -m "not workflow and not long"

test: setup lint ## everything CI runs: units, studies, notebooks re-executed under nbval
	@$(RUN) -m pytest -q -n 2 -m "not long"

test-long: setup lint ## the same with kills, fuzzing at length, validation
	@$(RUN) -m pytest -q -n 2

lint: setup
	@.venv/bin/ruff check . && .venv/bin/ruff format --check -q . && .venv/bin/snakefmt --check Snakefile workflow/rules

notebook: setup  ## run one notebook by hand on a study's results: NOTEBOOK=30 [EXPERIMENT=id]
	@$(RUN) -m mgk.notebooks "$(NOTEBOOK)" $(if $(EXPERIMENT),--experiment "$(EXPERIMENT)") --study "$(STUDY)"

notebooks: setup ## refresh the outputs of the notebooks kept in git from a run of the demonstration
	@$(RUN) -m mgk.committed

check-notebooks: setup ## fail when the notebooks in git are not what a run of the demonstration makes
	@$(RUN) -m mgk.committed --check

docs: setup      ## write docs/reference/ from the schemas and the table of analyses, docs/hostile_input.md from its cases
	@$(RUN) -m mgk.reference
	@PYTHONPATH=tests:tests/unit $(RUN) -m hostile.page

diagrams: setup  ## draw the diagrams of the report from workflow/mgk/report/mechanisms/*.dot anew; needs graphviz
	@$(RUN) -m mgk.report.diagrams

demo-data: setup ## write the simulated raw data of the demonstration anew
	@$(RUN) -m mgk.simulate raw_data

convert-plate:   ## an export of another vendor into a table that is read: FILE=export VENDOR=name TO=table.csv (VENDOR=? lists them)
	@sh workflow/setup.sh convert
	@.venv-convert/bin/python workflow/scripts/convert_plate.py $(if $(filter ?,$(VENDOR)),--vendors,"$(FILE)" "$(VENDOR)" "$(TO)")

bench: setup     ## speed as ratios against named alternatives
	@$(RUN) benchmarks/main_job.py
	@$(RUN) benchmarks/recordings.py
	@$(RUN) benchmarks/clinical.py
	@$(RUN) benchmarks/stacks.py

bench-scale: setup ## 50, 500 and 5,000 recordings in 20 experiments, and what a change costs then (docs/scale.md; half an hour)
	@$(RUN) benchmarks/scale.py

validate: setup  ## bias and coverage on simulated studies: docs/validation*.md [STAGE=block] [STUDIES=1000]
	@$(RUN) -m validation.run $(STAGE) $(if $(STUDIES),--studies $(STUDIES))

lab:             ## JupyterLab, in an environment of its own
	@sh workflow/setup.sh lab && .venv-lab/bin/jupyter lab notebooks

lock: setup      ## refresh requirements.txt and requirements-lab.txt from pyproject.toml
	@sh workflow/lock.sh
