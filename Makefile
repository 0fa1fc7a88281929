# The daily targets. `make` alone lists them.
PYTHON ?= .venv/bin/python
FILES ?= .

.PHONY: help demo setup test check lint format types quick backend backend-all random-graphs bench bench-bandwidth bench-peers clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: ## Set everything up, write a story in C, time GPT-2
	bash scripts/demo.sh

test: ## Set everything up and pass the tests, as continuous integration does
	bash scripts/test.sh

check: lint types ## Lint and types

lint: ## ruff, without changing anything
	$(PYTHON) -m ruff check $(FILES)
	$(PYTHON) -m ruff format --check $(FILES)

format: ## ruff, mending what it can
	$(PYTHON) -m ruff check --fix $(FILES)
	$(PYTHON) -m ruff format $(FILES)

types: ## mypy
	$(PYTHON) -m mypy

quick: ## The tests that failed last time, then the rest, stopping at the first failure
	$(PYTHON) -m pytest -n 2 -x --failed-first

backend: ## A sample of the ONNX standard's own cases
	$(PYTHON) -m kaoken.backend

backend-all: ## All of them
	$(PYTHON) -m kaoken.backend --all

N ?= 200
random-graphs: ## Random graphs against onnxruntime (N=10000)
	PYTHONPATH=. $(PYTHON) tests/random_graphs_run.py $(N)

bench: ## Kernels against the machine's limits
	$(PYTHON) -m benchmarks.kernels

bench-bandwidth: ## Elementwise chains, movement and reductions against the machine's bandwidth
	$(PYTHON) -m benchmarks.bandwidth

MODELS ?= gpt2 bert-base-uncased t5-small
bench-peers: ## Whole models beside every runtime that is installed (MODELS=...)
	$(PYTHON) -m benchmarks.peers $(MODELS)

clean: ## Remove caches and what the demo made
	rm -rf demo build .pytest_cache .mypy_cache .ruff_cache .hypothesis
