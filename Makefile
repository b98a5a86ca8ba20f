# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-ros sanitize lint bench docs gallery clean

# A sourced ROS, or a sourced venv with ROS wheels, would mix with the ROS in .venv.
ifneq ($(AMENT_PREFIX_PATH)$(_ROS_WHEELS_BOOTSTRAP_COMPLETE),)
unexport PYTHONPATH LD_LIBRARY_PATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
endif

SETUP := ./scripts/setup_venv.sh
BIN := .venv/bin
RUN_EXTRAS := ros sim
TEST_EXTRAS := ros sim onnx train record rtx colcon dev
TICK_TESTS := tests/unit/backends/test_native_tick.py tests/property/backends/test_native_tick.py
# Python frees little at its end, and its own allocator would hide the end of a message from the sanitizer.
CHECKED_MEMORY := ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc
WORKERS ?= 3
PYTEST_ARGS ?=
DEMO_ARGS ?=

help:  ## show this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 12
	@echo 'PYTHON=python3.12 chooses the Python of .venv; PYTEST_ARGS="-k chain" adds arguments of pytest; WORKERS=0 runs one test at a time.'

setup:  ## make or repair .venv with everything that tests and training need
	@$(SETUP) $(TEST_EXTRAS)
	@echo 'setup: ready; in each new shell: . .venv/bin/activate'

demo:  ## run the demonstration (no torch, no GPU, no display)
	@$(SETUP) $(RUN_EXTRAS)
	@$(BIN)/mat-ros demo $(DEMO_ARGS)

test:  ## run every test that this machine can run, and list the others
	@$(SETUP) $(TEST_EXTRAS)
	@$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

test-ros:  ## run the tests that send real messages
	@$(SETUP) $(TEST_EXTRAS)
	@$(BIN)/python -m pytest -m ros $(PYTEST_ARGS)

sanitize:  ## run the tests of the native tick with sanitizers for addresses, undefined behaviour and threads
	@$(SETUP) $(TEST_EXTRAS)
	@$(BIN)/python scripts/build_native.py build/sanitize --sanitize address,undefined
	@LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libstdc++.so)" $(CHECKED_MEMORY) \
		MAT_ROS_TEST_LIBRARY=$(CURDIR)/build/sanitize/libmat_ros_native.so \
		$(BIN)/python -m pytest -s $(TICK_TESTS) $(PYTEST_ARGS)
	@$(BIN)/python scripts/build_native.py build/sanitize_threads --sanitize thread
	@MAT_ROS_TEST_SANITIZE=thread MAT_ROS_TEST_LIBRARY=$(CURDIR)/build/sanitize_threads/libmat_ros_native.so \
		$(BIN)/python -m pytest tests/unit/backends/test_native_threads.py $(PYTEST_ARGS)

lint:  ## ruff, and mypy (strict on mat_ros/core)
	@$(SETUP) $(TEST_EXTRAS)
	@$(BIN)/ruff check .
	@$(BIN)/mypy

bench:  ## measure latency on this machine
	@$(SETUP) $(RUN_EXTRAS)
	@$(BIN)/mat-ros bench

docs:  ## build the documentation into site/
	@$(SETUP) $(RUN_EXTRAS) onnx docs
	@$(BIN)/python scripts/write_reference.py docs/reference
	@$(BIN)/mkdocs build --strict
	@echo 'Read it: $(BIN)/python -m http.server --bind 127.0.0.1 --directory site 8000'

gallery:  ## make the results of docs/results again at small scale, in reports/gallery/
	@$(SETUP) $(TEST_EXTRAS)
	@mkdir -p reports/gallery
	@$(BIN)/mat-ros demo --out reports/gallery/demo
	@$(BIN)/mat-ros bench backends --json > reports/gallery/backends.json
	@$(BIN)/mat-ros bench faults --policy dexhands_door_mat --grid grid_hands --episodes 2 --only 'actuator:off:*' --out reports/gallery/faults

clean:  ## remove the files of builds and tests, but neither .venv nor recordings
	rm -rf build dist install log site *.egg-info mat_ros/msg mat_ros/srv .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find mat_ros training trt_engines tests -name '__pycache__' -prune -exec rm -rf {} + 2> /dev/null || true
	find mat_ros -name '*.so' -delete
