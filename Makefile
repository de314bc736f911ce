# Kept's set-up and checks. `make` alone lists the targets.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
# Words for pytest, as in: make test PYTEST_ARGS="tests/test_setup.py -x"
PYTEST_ARGS ?=
# Words for the benches, as in: make bench BENCH_ARGS="postgresql --rows 5000000"
BENCH_ARGS ?=
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --no-input --root-user-action=ignore
LOCK := uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header --no-annotate

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: setup workspace/kept.yaml ## Set up what is missing, then serve the example workspace in the foreground
	@cd workspace && exec ../$(VENV)/bin/kept serve

.PHONY: test
test: setup-test lint types ## Set up what is missing and the test servers, then lint, types and every test but the slow ones
	$(PY) -m pytest -m "not slow" --numprocesses auto --dist worksteal $(PYTEST_ARGS)

.PHONY: test-slow
test-slow: setup-test ## Run the tests marked slow: kill loops, fuzzing, matrices
	@$(PY) -m pytest -m slow -o faulthandler_timeout=1800 $(PYTEST_ARGS) || { status=$$?; [ $$status -eq 5 ] && echo "no test is marked slow" || exit $$status; }

.PHONY: lint
lint: setup-test ## Check style and formatting with ruff
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

.PHONY: types
types: setup-test ## Check types with mypy --strict
	$(PY) -m mypy

.PHONY: translations
translations: setup ## Take up new messages in every catalogue under translations/
	@pot=$$(mktemp) && trap 'rm -f "$$pot"' EXIT && \
	$(PY) -m babel.messages.frontend -q extract -F babel.cfg -k mark --add-location=file --no-wrap --sort-by-file -o "$$pot" . && \
	$(PY) -m babel.messages.frontend -q update -i "$$pot" -d translations --no-fuzzy-matching --no-wrap --ignore-obsolete && \
	sed -i -E '1,/^$$/{/^"(Project-Id-Version|Report-Msgid-Bugs-To|POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team|MIME-Version|Generated-By):/d}' translations/*/LC_MESSAGES/messages.po
	@for po in translations/*/LC_MESSAGES/messages.po; do \
	printf '%s: %s without words\n' "$$po" "$$(awk 'BEGIN { RS = "" } NR > 1 && /msgstr(\[[0-9]\])? ""$$/' "$$po" | grep -c '^msgid ')"; done

.PHONY: bench
bench: setup-test ## Measure the numbers that the README tells, on a machine where nothing else runs
	@exec $(PY) -m bench $(BENCH_ARGS)

.PHONY: lock
lock: ## Resolve requirements/*.in again into the hash-locked requirements/*.txt (needs uv)
	$(LOCK) requirements/run.in --output-file requirements/run.txt
	$(LOCK) requirements/test.in --constraint requirements/run.txt --output-file requirements/test.txt

.PHONY: setup
setup: system-run $(VENV)/.stamp-kept ## Install what `make run` needs: system packages and .venv

.PHONY: setup-test
setup-test: system-test $(VENV)/.stamp-kept $(VENV)/.stamp-test ## Install what `make test` needs on top

.PHONY: clean
clean: ## Remove .venv and caches; the workspace stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -not -path './workspace/*' -prune -exec rm -rf {} +

# The lists of system packages are asked about each time: the answer takes 20 ms, and a stamp could be wrong.
.PHONY: system-run system-test
system-run:
	@bin/system-packages requirements/system-run.txt
system-test:
	@bin/system-packages requirements/system-run.txt requirements/system-test.txt

# The system packages come first (Debian's Python has no venv of its own), but never make a stamp out of date.
$(VENV)/.stamp-run: requirements/run.txt | system-run
	@$(PY) -c 'import pip' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@echo "installing Python packages from requirements/run.txt"
	@$(PIP_INSTALL) --require-hashes --requirement requirements/run.txt
	@touch $@

$(VENV)/.stamp-test: requirements/test.txt $(VENV)/.stamp-run | system-test
	@echo "installing Python packages from requirements/test.txt"
	@$(PIP_INSTALL) --require-hashes --requirement requirements/test.txt
	@touch $@

# pip refuses hashes and --editable in one go. The build backend comes from the locked set: nothing else is fetched.
$(VENV)/.stamp-kept: pyproject.toml $(VENV)/.stamp-run
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

workspace/kept.yaml: | $(VENV)/.stamp-kept
	@$(VENV)/bin/kept init workspace --example gateway
