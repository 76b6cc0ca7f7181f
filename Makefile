# One environment, .venv, for everything. Each target first makes the part of it that it needs and
# that is not there yet; stamp files in .venv remember what is done.

PYTHON ?= python3
SOURCE ?= simulated
INPUT ?=

VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
BUILD := $(VENV)/build
PACKAGE := $(shell find sparsh_ros msg config launch -type f -not -path '*/__pycache__/*')

# A sourced ROS distribution must not mix with the wheels, whose prefix is the environment itself.
unexport PYTHONPATH
unexport PYTHONHOME
unexport LD_LIBRARY_PATH
export AMENT_PREFIX_PATH := $(VENV)
export CMAKE_PREFIX_PATH := $(VENV)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The pip of an older Python would build without it in a way that it warns about.
export PIP_USE_PEP517 := 1

.PHONY: help setup demo test lint bench
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

help:
	@echo 'make demo    live touch from a simulated DIGIT, 20 s; report in demo/report.html'
	@echo '             recorded frames: make demo SOURCE=video INPUT=<file or folder>'
	@echo '             that begins in contact: BACKGROUND=<image of the untouched gel>'
	@echo 'make setup   only the environment: .venv/bin/sparsh-ros run starts the ROS graph'
	@echo 'make test    all tests'
	@echo 'make lint    style, and which room imports which'
	@echo 'make bench   latency of the encoder and the heads on this machine'

setup: $(VENV)/.installed

demo: $(VENV)/.installed
	'$(BIN)/sparsh-ros' demo --source '$(SOURCE)' $(if $(INPUT),--input '$(INPUT)') \
	  $(if $(BACKGROUND),--background '$(BACKGROUND)')

test: $(VENV)/.installed $(VENV)/.has-requirements-test
	'$(BIN)/python' -m pytest

lint: $(VENV)/.has-requirements-lint
	'$(BIN)/ruff' check
	'$(BIN)/ruff' format --check
	'$(BIN)/lint-imports' --no-logo --cache-dir '$(VENV)/import-linter'

bench: $(VENV)/.installed
	'$(BIN)/sparsh-ros' bench

$(VENV)/.created: tools/check_python.py
	@command -v '$(PYTHON)' >/dev/null || \
	  { echo '$(PYTHON): not found; name an interpreter: make PYTHON=/path/to/python3' >&2; exit 1; }
	@'$(PYTHON)' tools/check_python.py
	'$(PYTHON)' -m venv '$(VENV)'
	@touch $@

$(VENV)/.has-%: %.txt constraints.txt $(VENV)/.created
	'$(BIN)/python' -m pip install --quiet -r $<
	@touch $@

$(VENV)/.has-requirements-test: requirements.txt

$(VENV)/.installed: CMakeLists.txt package.xml $(PACKAGE) $(VENV)/.has-requirements
	@echo 'Building the messages and installing sparsh_ros into $(VENV)'
	@{ export PATH='$(BIN)':"$$PATH" && \
	  cmake -S . -B '$(BUILD)' -G Ninja -DCMAKE_BUILD_TYPE=Release \
	    -DCMAKE_INSTALL_PREFIX='$(VENV)' -DPython3_EXECUTABLE='$(BIN)/python' && \
	  cmake --build '$(BUILD)' && \
	  cmake --install '$(BUILD)'; \
	} >'$(VENV)/build.log' 2>&1 || { cat '$(VENV)/build.log' >&2; exit 1; }
	@touch $@
