# Thin: what is done lives in tools/. `make` alone lists the targets.

PYTHON ?= python3
WORKERS ?= 2
RUN := tools/run
# A file's tests stay in one process, which shares what they are made of.
PYTEST := $(RUN) --isolated pytest --quiet --numprocesses $(WORKERS) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup build lint format test test-slow coverage demo bench checkpoint lock clean

help: ## List the targets
	@echo 'make TARGET, with:'
	@grep -hE '^[a-z-]+:.* ## ' $(MAKEFILE_LIST) | sed -E 's/:.* ## /\t/' | expand -t 12 | sed 's/^/  /'

setup: ## Make .venv from the locks and build into install/; does nothing when that is done
	@command -v $(PYTHON) >/dev/null || { \
	  echo 'setup: $(PYTHON) not found: install Python 3.10 to 3.13, or name it: make setup PYTHON=python3.12' >&2; \
	  exit 1; }
	@$(PYTHON) tools/setup

build: setup ## Link new files into install/ (the same as setup)

lint: setup ## Check style and types
	@$(RUN) ruff check --quiet .
	@$(RUN) ruff format --quiet --check . || { echo 'lint: files are not formatted: run `make format`' >&2; exit 1; }
	@$(RUN) tools/typecheck

format: setup ## Format the code
	@$(RUN) ruff format --quiet .
	@$(RUN) ruff check --quiet --fix .

test: setup ## Run the tests, apart from the slow ones (WORKERS=2, 0 for --pdb; TEST_ARGS=...)
	@$(PYTEST) -m 'not slow' $(TEST_ARGS)

test-slow: setup ## Run the slow tests
	@$(PYTEST) -m slow $(TEST_ARGS) || { status=$$?; [ $$status -eq 5 ] || exit $$status; }

coverage: setup ## Run the tests and list the lines they miss
	@$(PYTEST) -m 'not slow' --cov --cov-report=term:skip-covered $(TEST_ARGS)

demo: setup ## Recognise a simulated recording over ROS topics (SECONDS=30 PEOPLE=3 QUIET=1 TREE=1 CHECKPOINT=people)
	@$(RUN) --isolated activity-recognition demo $(if $(SECONDS),--seconds $(SECONDS)) $(if $(PEOPLE),--people $(PEOPLE)) \
	  $(if $(QUIET),--quiet) $(if $(TREE),--tree) $(if $(CHECKPOINT),--checkpoint $(CHECKPOINT)) \
	  $(DEMO_ARGS)

bench: setup ## Measure speed and losses (BENCH_ARGS=...)
	@$(RUN) --isolated env -u PYTHONSAFEPATH python benchmarks/run.py $(BENCH_ARGS)

checkpoint: setup ## Make the shipped checkpoint again from simulated recordings (about an hour)
	@$(RUN) python -m activity_recognition.training.shipped $(CHECKPOINT_ARGS)

lock: ## Write the locks after an edit of requirements/*.in (UPGRADE=1 for the newest versions)
	@$(PYTHON) tools/setup lock $(if $(UPGRADE),--upgrade)

clean: ## Remove .venv, build and install
	@$(PYTHON) tools/setup clean
