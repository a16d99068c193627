# make repro: the whole pipeline on the sample corpus.   make test: the tests.
# make dev-clean: the whole pipeline on LibriSpeech dev-clean with a pre-trained wav2vec 2.0.
# All make .venv first if it is not there or the requirements changed.

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: repro dev-clean test lint clean

repro: $(INSTALLED)
	PATH="$(BIN):$$PATH" dvc repro

dev-clean: $(INSTALLED)
	PATH="$(BIN):$$PATH" dvc exp run -S corpus=dev-clean -S encoder=facebook/wav2vec2-base

test: $(INSTALLED)
	PATH="$(BIN):$$PATH" pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

$(INSTALLED): requirements.txt requirements-dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.13")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt --editable .
	touch $@

clean:
	rm -rf $(VENV) data models plots dvc_plots
