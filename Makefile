# Everything a fresh machine needs: Python 3.11 and make. Each target installs what it needs by itself.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test lint format bench bench-link sim soak ea ea-coverage ea-sanitized env-example lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(STAMP) ## create .venv with everything, pinned by hash

# The stamp makes it once, and again when a pin or the project's metadata changes.
# uv is only for speed: where it cannot be had, or cannot reach its index, pip does the same job.
$(STAMP): requirements/dev.txt requirements/uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "kakehashi needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=/path/to/python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt 2>/dev/null \
		|| echo "uv is not available here: pip will do it, slower"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt 2>/dev/null \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## the main job, on a simulated market, in front of your eyes
	@$(BIN)/kakehashi demo

# Real processes on a busy machine can miss a deadline. What failed side by side is run once more by itself, and said to be unsteady.
test: lint ## lint, then every test (under 10 minutes on 2 cores)
	@$(BIN)/pytest -n 3 || { echo "The failed ones again, one by one. What passes now is unsteady, and wants to be looked at."; \
		$(BIN)/pytest --last-failed --last-failed-no-failures none; }

lint: $(STAMP) ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	MYPYPATH=mql5/runner $(BIN)/mypy mql5/runner/*.py
	$(BIN)/lint-imports --no-logo

format: $(STAMP) ## let ruff fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## measure alerts/s, latencies and the EA link on this machine
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.link

bench-link: $(STAMP) ## the EA link alone; ONLY="latency idle busy native" chooses
	$(BIN)/python -m benchmarks.link $(ONLY)

SEEDS ?= 200
FIRST ?= 1
sim: $(STAMP) ## the deterministic simulation: SEEDS worlds from FIRST on, one JSON line (2000 for a night)
	@PYTHONHASHSEED=0 $(BIN)/python -m tests.simulation --seeds $(SEEDS) --first $(FIRST)

soak: $(STAMP) ## the long tests: hundreds of kill -9 under load
	$(BIN)/pytest -m soak --timeout 0 --capture=sys

# Needs g++ and Python only. SAN=1: with the sanitizers; COV=1: counts the lines that run; EA=file.mq5 or .mq4: another program.
EA ?= mql5/Experts/Kakehashi/KakehashiEA.mq5
EA_PROGRAM ?= mql5/build/$(if $(filter default undefined file,$(origin EA)),kakehashi-ea,$(basename $(notdir $(EA))))$(if $(SAN),-san)$(if $(COV),-cov)
ea: ## compile the Expert Advisor for Linux: mql5/build/kakehashi-ea (SAN=1, COV=1, EA=file.mq5)
	@$(PYTHON) mql5/runner/build.py $(EA) -o $(EA_PROGRAM) $(if $(SAN),--san) $(if $(COV),--cov)
	@echo $(EA_PROGRAM)

COUNTED := mql5/build/counted
EA_PARTS := KakehashiEA $(notdir $(basename $(wildcard mql5/Scripts/Tests/Test*.mq5)))
ea-coverage: $(STAMP) ## which lines of the EA its tests run, in MQL5 line numbers; at least 90 % of the .mqh files
	@rm -rf $(COUNTED)
	KK_NATIVE_COV=$(COUNTED) $(BIN)/pytest -q --timeout 600 tests/native/test_language.py tests/native/test_native_ea.py
	@$(BIN)/python mql5/runner/coverage.py $(addprefix $(COUNTED)/,$(EA_PARTS)) --under mql5/Include/ --least 90 --missing

ea-sanitized: $(STAMP) ## every test of the compiled EA under the address and undefined-behaviour sanitizers
	KK_NATIVE_SAN=1 $(BIN)/pytest -q --timeout 600 tests/native

env-example: $(STAMP) ## write .env.example from the settings
	$(BIN)/kakehashi config env-example > .env.example

lock: $(STAMP) ## pin again from requirements/*.in (needs uv)
	cd requirements && for name in runtime dev uv; do \
		../$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
			--custom-compile-command "make lock" $$name.in -o $$name.txt || exit 1; done

clean: ## remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist mql5/build
