# make sweep | findings | publish | test | check-published | lab      each makes .venv first when it is missing
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PUBLISHED_DATASETS ?= ../shared/datasets
BIN := .venv/bin
CHECKED ?= scifact,nfcorpus
comma := ,
export PYTHONDONTWRITEBYTECODE := # what is imported is compiled once and kept, and what is not is never compiled
FOLDERS = $(PUBLISHED_DATASETS)/$(subst $(comma),$(comma)$(PUBLISHED_DATASETS)/,$(CHECKED))

.PHONY: sweep findings publish test check-published lab
.DEFAULT_GOAL := sweep

.venv/made: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v == (3, 11) or sys.exit(f"Python 3.11 is needed, found {v}: make PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --no-compile -r requirements.txt
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	touch $@

sweep: .venv/made ## run every notebook on its defaults, then the findings; what is done is not done again
	$(BIN)/python -m ragkit sweep

findings: .venv/made ## render the findings over one's own runs
	$(BIN)/python -m ragkit findings

publish: .venv/made ## take the default runs into the repository: outputs, figures, tables, numbers in prose
	$(BIN)/python -m ragkit publish

test: .venv/made ## all that .ci/run runs, but for check-published
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 15 # two at once, a core each

check-published: .venv/made ## our figures on published collections against the published ones (about 15 minutes)
	$(BIN)/python -m ragkit sweep 10_bm25 -p collection=$(FOLDERS) -p split=test
	$(BIN)/python -m ragkit sweep 11_dense -p collection=$(FOLDERS) -p split=test -p passage_words=0
	$(BIN)/python -m ragkit sweep 12_hybrid 30_reranking -p collection=$(PUBLISHED_DATASETS)/scifact -p split=test -p passage_words=0
	PUBLISHED_DATASETS=$(PUBLISHED_DATASETS) CHECKED=$(CHECKED) $(BIN)/python -m pytest -s tests/check_published.py

lab: .venv/made ## open JupyterLab on 00_start_here
	$(BIN)/jupyter lab --ServerApp.root_dir="$(CURDIR)" notebooks/00_start_here.ipynb # runs can be opened, too
