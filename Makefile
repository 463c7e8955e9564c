# Everything a checkout can do; `make` lists it. PYTHON names the Python that makes .venv.
PYTHON ?= python3
BIN := .venv/bin
# `make setup LPIPS=no` leaves out the weights of LPIPS, and with them two columns of the tables.
LPIPS ?= yes
BOOTSTRAP := $(PYTHON) tools/bootstrap.py $(if $(filter no,$(LPIPS)),--without-lpips)
DEMO := results/runs/demo

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test fuzz lint type bench results gpu-check gpu-bench clean

help:  ## list these commands
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup:  ## make .venv with the pinned dependencies
	@$(BOOTSTRAP) --extras export

setup-dev:
	@$(BOOTSTRAP) --extras dev

demo: setup  ## run the pruning suite on a procedural scene (6 minutes on 2 cores)
	$(BIN)/effbench run --suite pruning --scene procedural/blocks \
		--downscale 4 --budget 12s --seeds 1 --eval-views 5 --curve-views 1 --out $(DEMO)

test: setup-dev  ## run the whole test suite, in two processes
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

fuzz: setup-dev  ## load 12,000 damaged scenes: each ends in a scene or in a clear error
	$(BIN)/python -m tests.fuzz $(ARGS)

lint: setup-dev  ## check style, formatting and that imports point down
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/lint-imports --no-logo --cache-dir .ruff_cache/imports

type: setup-dev  ## check types
	$(BIN)/python -m mypy

bench: setup-dev  ## time kernels, steps and records; simulate the regression gate
	$(BIN)/python -m bench $(ARGS)

results: setup-dev  ## make the tables and pictures of README and docs anew from the files under results/
	$(BIN)/python -m bench.pages
	$(BIN)/python -m bench.pictures

gpu-check: setup-dev  ## check everything that needs a GPU, on a machine that has one
	$(BIN)/python -m bench.gpu_check $(ARGS)

gpu-bench: setup-dev  ## time kernels and iterations on a GPU, beside other kernels
	$(BIN)/python -m bench.gpu_bench $(ARGS)

clean:  ## remove .venv, builds and tools' caches (not results)
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
