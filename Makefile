# make demo · make test · make bench · make lint · make dist · make docs: each sets up what it needs first, on a machine with Python 3.11+ and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.set-up
TESTS  ?= tests
# What is linted: our own folders. A file that a user has put beside the examples, or into the checkout, is theirs.
SOURCES := client broker proto tests bench $(wildcard page setup.py docs) $(or $(wildcard $(shell git ls-files 'examples/*.py' 2>/dev/null)),$(wildcard examples/*.py))
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: setup demo test bench lint format proto feel dist docs clean

setup: $(STAMP)

$(STAMP): pyproject.toml $(wildcard setup.py page/bundles.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Expected Python 3.11 or newer, but found " + sys.version.split()[0])'
	@echo "Setting up $(VENV) with what pyproject.toml names. This takes from one to three minutes, and only the first time."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	$(BIN)/python -m compileall -q client broker proto  # as pip does for a wheel: a start that compiles takes half as long again
	@touch $@

demo: setup
	$(BIN)/osmia demo $(ARGS)

test: setup lint
	$(BIN)/python -m pytest -n auto --dist worksteal $(TESTS) $(ARGS)

lint: setup
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

bench: setup
	$(BIN)/python -m bench $(ARGS)

proto: setup
	$(BIN)/python proto/generate.py

feel: setup
	$(BIN)/python -m tests.feel.score

dist: setup  # wheel and source package, into dist/; what the build says, some thousand lines, is in build/dist.log
	@mkdir -p build
	@echo "Building the source package, and the wheel from it. This takes up to a minute; build/dist.log has the details."
	@$(BIN)/python -m build --no-isolation $(ARGS) > build/dist.log 2>&1 || { tail -n 40 build/dist.log; exit 1; }
	@ls -1 dist/*.whl dist/*.tar.gz

docs: setup  # the documentation site, into build/site, with the screenshots of the browser tests where there is a Chromium
	$(BIN)/python docs/shots.py build/shots
	OSMIA_SHOTS=$${OSMIA_SHOTS:-build/shots} $(BIN)/python -m mkdocs build --strict $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info
