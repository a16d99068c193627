# Every target makes .venv first if it is not there or the requirements changed.

PYTHON ?= python3
# Of pytest; each takes up to 2 GB.
WORKERS ?= 2
# Of benchmarks: a corpus, some of its recordings of 16 seconds or more.
SPEECH ?=
VENV := .venv
INSTALLED := $(VENV)/installed
# In quotes: the repository may lie in a folder whose name has spaces.
RUN := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"

.PHONY: help install repro dev-clean test bench lint clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

install: $(INSTALLED) ## make .venv with everything pinned in requirements*.txt

repro: $(INSTALLED) ## run the whole pipeline on the corpus of params.yaml
	$(RUN) python .dvc/recover.py
	$(RUN) dvc repro

dev-clean: $(INSTALLED) ## run it on LibriSpeech dev-clean with a pre-trained wav2vec 2.0
	$(RUN) python .dvc/recover.py
	$(RUN) dvc exp run -S corpus=dev-clean -S encoder=facebook/wav2vec2-base

test: $(INSTALLED) ## run the tests, whole pipelines on tiny corpora among them
	$(RUN) pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

bench: $(INSTALLED) ## time it against peers and goals: make bench SPEECH=/a/corpus
	@test -n "$(SPEECH)" || { echo "bench: name a corpus: make bench SPEECH=/a/corpus"; exit 1; }
	$(RUN) pip install --quiet --disable-pip-version-check librosa==0.11.0 --editable '.[openvino]'
	$(RUN) python benchmarks/mfcc.py "$(SPEECH)"
	$(RUN) python benchmarks/wav2vec2.py "$(SPEECH)"
	$(RUN) python benchmarks/pipeline.py "$(SPEECH)"

lint: $(INSTALLED) ## check style, format and types
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy

clean: ## remove .venv and what the stages made; downloads and DVC's cache stay
	rm -rf $(VENV) models dvc_plots .cluster-*
	find data plots -mindepth 1 -maxdepth 1 ! -name .gitignore ! -name archives \
		! -name librispeech ! -name hub_encoder -exec rm -rf {} +

$(INSTALLED): $(wildcard requirements*.txt) pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.13")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) pip install --quiet --disable-pip-version-check -r requirements-dev.txt --editable .
	touch $@
