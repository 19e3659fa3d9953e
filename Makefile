# Two commands on a fresh machine: `make demo` and `make test`. Each makes .venv if it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint types bench fuzz docs notebooks install clean

demo: $(STAMP)
	$(BIN)/mechprobe demo

test: $(STAMP) lint types
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

# Slow science and speed, measured. Fitting the confidence of labels anew is a decision, not a
# measurement: mechprobe bench calibration
bench: $(STAMP)
	$(BIN)/mechprobe bench imports
	$(BIN)/mechprobe bench speed
	$(BIN)/mechprobe bench training
	$(BIN)/mechprobe bench theory
	$(BIN)/mechprobe bench labels
	$(BIN)/mechprobe bench attention-labels
	$(BIN)/mechprobe bench hostile

install: $(STAMP)

# 10,000 damaged files and odd command lines, with a fixed seed.
fuzz: $(STAMP)
	$(BIN)/mechprobe bench fuzz --cases 10000

# The documentation site, build/docs/index.html; a warning is an error.
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs

# Run the scripts in docs/notebooks and keep them as they were run.
notebooks: $(VENV)/.docs
	$(BIN)/python docs/make_notebooks.py

$(VENV)/.docs: $(STAMP)
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[docs]'
	touch $@

# constraints.txt pins every version; torch goes first, so that nothing pulls another build of it.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt pip setuptools wheel
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build src/*.egg-info
