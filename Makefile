# The one list of commands; continuous integration calls the same targets.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-all check format bench golden docs clean

demo: $(READY)          ## the main job on the embedded default
	$(BIN)/anylect demo

test: $(READY)          ## everything unmarked
	$(BIN)/python -m pytest -n auto -q

test-all: $(READY)      ## and what is slow
	$(BIN)/python -m pytest -n auto -q
	$(BIN)/python -m pytest -q -m slow

check: $(READY)         ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(READY)         ## each beside its peer
	for benchmark in benchmarks/*.py; do $(BIN)/python $$benchmark || exit 1; done

# Other tools' answers, anew: PEERS is a Python with pyctcdecode 0.5.0, kenlm and NumPy below 2,
# KENLM a folder with lmplz and build_binary. A reviewer reads the difference.
PEERS ?= peers/bin/python
KENLM ?= kenlm/build/bin
golden:
	$(PEERS) tests/decoding/golden/make_pyctcdecode.py
	$(PEERS) tests/lm/golden/make_golden.py $(KENLM)

docs: $(READY)
	$(BIN)/mkdocs build --strict

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[all,dev]"
	$(BIN)/anylect warm
	touch $@

clean:
	rm -rf $(VENV) site .mypy_cache .pytest_cache .ruff_cache .hypothesis
