# Everything a newcomer needs; `make help` lists it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
EIGEN  := $(VENV)/lib/python3.11/site-packages/cmeel.prefix/include/eigen3
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
OUT    ?= out/demo
JOBS   ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format clean

help:  ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.run-ready $(VENV)/.test-ready  ## the virtual environment .venv with everything in it

demo: $(VENV)/.run-ready  ## make a small dataset on embedded defaults and say where it is
	@$(BIN)/render-ih run --config configs/demo.yaml --out $(OUT)

test: $(VENV)/.run-ready $(VENV)/.test-ready  ## lint and tests
	@$(BIN)/ruff check .
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --max-worker-restart 0

lint: $(VENV)/.test-ready  ## lint only
	@$(BIN)/ruff check .

format: $(VENV)/.test-ready  ## mend what lint can mend
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean:  ## remove the virtual environment and the demo's output
	rm -rf $(VENV) out

$(VENV)/.run-ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info[:2] == (3, 11) else "Python 3.11 is needed (bpy exists for no other version); this is %d.%d. Install it, then: make PYTHON=/path/to/python3.11" % sys.version_info[:2])'
	@echo "Setting up .venv (once; a few minutes, most of it download)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) cmeel-eigen
	@CPLUS_INCLUDE_PATH="$(CURDIR)/$(EIGEN)" $(PIP) --editable .
	@touch $@

$(VENV)/.test-ready: $(VENV)/.run-ready
	@CPLUS_INCLUDE_PATH="$(CURDIR)/$(EIGEN)" $(PIP) --editable '.[dev]'
	@touch $@
