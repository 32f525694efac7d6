# Every target sets up what it needs: a virtual environment in .venv with pinned dependencies.
#   make demo PYTHON=python3.12      another interpreter (3.10 or newer)
#   make demo ARGS="--help"          arguments for the command behind the target
PYTHON ?= python3
VENV ?= .venv
ARGS ?=

TORCH := 2.13.0
TORCH_CPU_INDEX := https://download.pytorch.org/whl/cpu
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint

help:
	@echo "make demo   calibrate a drive of $$I2P_DATA (default ../shared/data) and write its report"
	@echo "make test   style, types and tests"
	@echo "make lint   style and types only"
	@echo "make venv   only set up $(VENV)"

venv: $(STAMP)

demo: $(STAMP)
	$(BIN)/i2p-calib demo $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

# pytest comes last, so that its closing line is the last line printed.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 $(ARGS)

# The CPU wheel of torch is a tenth of the CUDA wheel, but lives on another index. Only this one package is asked of
# it, with little patience: where it cannot be reached, the pinned version comes from the default index below.
$(STAMP): requirements.txt requirements-dev.txt setup.py package.xml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "i2p_calib_ros needs Python 3.10 or newer; '$(PYTHON)' is not. Use: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "'$(PYTHON)' cannot make virtual environments. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if ! command -v nvidia-smi >/dev/null; then \
	  echo "No NVIDIA GPU found: taking the CPU build of torch $(TORCH)."; \
	  $(PIP) install --quiet --no-deps --retries 1 --timeout 10 --extra-index-url $(TORCH_CPU_INDEX) "torch==$(TORCH)+cpu" || \
	  echo "The CPU build could not be had; taking torch $(TORCH) from the default index (larger download)."; \
	fi
	$(PIP) install --quiet -r requirements-dev.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
