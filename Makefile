# One environment for everything: .venv, with ROS 2 Kilted. `ROS=jazzy` takes .venv-jazzy instead, with
# ROS 2 Jazzy and the libraries of Ubuntu 24.04. Each target first makes the part of it that it needs and
# that is not there yet; stamp files in the environment remember what is done.

PYTHON ?= python3
# For `make test-oldest`: the oldest OpenCV has wheels for no newer Python. On the path, where a shim of
# pyenv need not work, or one of pyenv itself.
PYTHON_3_10 ?= $(firstword \
  $(shell python3.10 -c 'import sys; print(sys.executable)' 2>/dev/null) \
  $(wildcard $(HOME)/.pyenv/versions/3.10.*/bin/python3.10))
ROS ?= kilted
SOURCE ?= simulated
INPUT ?=
MAZE ?=

# Tests of what reads images and numbers, without torch: for libraries of other versions.
CORE_TESTS := test/background test/perception test/recordings test/sensors \
  test/simulation/test_optics.py test/test_frames.py

ifeq ($(ROS),kilted)
VENV := $(CURDIR)/.venv
REQUIREMENTS := requirements
TEST_REQUIREMENTS := requirements-test
TESTS ?= test
else ifeq ($(ROS),jazzy)
VENV := $(CURDIR)/.venv-jazzy
REQUIREMENTS := requirements-jazzy
TEST_REQUIREMENTS := requirements-jazzy
TESTS ?= test/nodes $(CORE_TESTS)
else
$(error ROS: wanted kilted or jazzy, found $(ROS))
endif
OLDEST := $(CURDIR)/.venv-oldest

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

.PHONY: help setup demo maze test test-oldest has-python-3.10 fuzz soak lint bench
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

help:
	@echo 'make demo         live touch from a simulated DIGIT, 20 s; report in demo/report.html'
	@echo '                  recorded frames: make demo SOURCE=video INPUT=<file or folder>'
	@echo '                  that begins in contact: BACKGROUND=<image of the untouched gel>'
	@echo 'make maze         a hand in the bead maze, by touch, over ROS; film and report in maze/'
	@echo '                  others: MAZE="--seed 10001 --policy felt.onnx"'
	@echo 'make setup        only the environment: .venv/bin/sparsh-ros run starts the ROS graph'
	@echo 'make test         all tests; some: TESTS=test/sensors'
	@echo '                  on ROS 2 Jazzy and the libraries of Ubuntu 24.04: ROS=jazzy'
	@echo 'make test-oldest  tests of the core on the libraries of Ubuntu 22.04'
	@echo 'make fuzz         readers of files and messages against damaged and hostile input, minutes'
	@echo 'make soak         a graph under faults and attacks, one every 5 s, for an hour'
	@echo 'make lint         style, and which room imports which'
	@echo 'make bench        latency of the encoder and the heads on this machine'

setup: $(VENV)/.installed

demo: $(VENV)/.installed
	'$(BIN)/sparsh-ros' demo --source '$(SOURCE)' $(if $(INPUT),--input '$(INPUT)') \
	  $(if $(BACKGROUND),--background '$(BACKGROUND)')

maze: $(VENV)/.installed
	'$(BIN)/sparsh-ros' maze run $(MAZE)

# Two at a time, those of one file one after the other: half of the tests wait for nodes to start.
test: $(VENV)/.installed $(VENV)/.has-$(TEST_REQUIREMENTS)
	'$(BIN)/python' -m pytest -n 2 --dist loadfile $(TESTS)

has-python-3.10:
	@test -n '$(PYTHON_3_10)'

test-oldest: $(OLDEST)/.has-requirements-oldest
	'$(OLDEST)/bin/python' -m pytest $(CORE_TESTS)

# 20,000 inputs for each reader take hours: FUZZ_EXAMPLES=20000. Others: FUZZ_SEED=1.
fuzz: export FUZZ_EXAMPLES ?= 300
fuzz: $(VENV)/.installed $(VENV)/.has-requirements-test
	'$(BIN)/python' -m pytest test/fuzz

# Others: SOAK_MINUTES=10 SOAK_SEED=1. What came of it so far stands in the file SOAK_REPORT.
soak: export SOAK_MINUTES ?= 60
soak: $(VENV)/.installed $(VENV)/.has-requirements-test
	'$(BIN)/python' -m pytest -s test/nodes/soak

lint: $(VENV)/.has-requirements-lint
	'$(BIN)/ruff' check
	'$(BIN)/ruff' format --check
	'$(BIN)/lint-imports' --no-logo --cache-dir '$(VENV)/import-linter'

bench: $(VENV)/.installed
	'$(BIN)/sparsh-ros' bench model

$(VENV)/.created: tools/check_python.py
	@command -v '$(PYTHON)' >/dev/null || \
	  { echo '$(PYTHON): not found; name an interpreter: make PYTHON=/path/to/python3' >&2; exit 1; }
	@'$(PYTHON)' tools/check_python.py $(ROS)
	'$(PYTHON)' -m venv '$(VENV)'
	@touch $@

$(VENV)/.has-%: %.txt constraints.txt $(VENV)/.created
	'$(BIN)/python' -m pip install --quiet -r $<
	@touch $@

$(VENV)/.has-requirements-test: requirements.txt

$(OLDEST)/.has-requirements-oldest: requirements-oldest.txt
	@test -n '$(PYTHON_3_10)' || \
	  { echo 'Python 3.10: not found; name it: make test-oldest PYTHON_3_10=/path/to/it' >&2; exit 1; }
	'$(PYTHON_3_10)' -m venv '$(OLDEST)'
	'$(OLDEST)/bin/python' -m pip install --quiet -r $<
	@touch $@

$(VENV)/.installed: CMakeLists.txt package.xml $(PACKAGE) $(VENV)/.has-$(REQUIREMENTS)
	@echo 'Building the messages and installing sparsh_ros into $(VENV)'
	@{ export PATH='$(BIN)':"$$PATH" && \
	  cmake -S . -B '$(BUILD)' -G Ninja -DCMAKE_BUILD_TYPE=Release \
	    -DCMAKE_INSTALL_PREFIX='$(VENV)' -DPython3_EXECUTABLE='$(BIN)/python' && \
	  cmake --build '$(BUILD)' && \
	  cmake --install '$(BUILD)'; \
	} >'$(VENV)/build.log' 2>&1 || { cat '$(VENV)/build.log' >&2; exit 1; }
	@touch $@
