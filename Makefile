# Everything runs in .venv, which is made from pyproject.toml when that is newer.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.stamp

# One more than two cores: with two processes, two fifths of their time was waiting (290 s; 221 s with three).
PROCESSES := 3

.DEFAULT_GOAL := help
.PHONY: help setup run test coverage lowest lint check format fuzz soak roll slow-clients downloads resends mutate matrix screens docs browser bench bench-check build package clean httpbin-suite requests-suite

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group test --group lint
	touch $@

setup: $(STAMP) ## Make the environment

run: $(STAMP) ## Start a server, send it real requests, print what went over
	$(BIN)/python examples/demo.py

# The tests start several hundred programs, and each would compile the package if the environment
# forbids bytecode. It is kept out of the source tree.
test coverage lowest: export PYTHONDONTWRITEBYTECODE :=
test coverage lowest: export PYTHONPYCACHEPREFIX := $(CURDIR)/.pytest_cache/pycache

test: $(STAMP) ## Run the whole suite on two cores (VENV=.venv-3.13 PYTHON=python3.13 for another version)
	$(BIN)/python -X dev -m pytest --numprocesses $(PROCESSES) --dist loadfile $(ARGS)

# Tracing takes three times the processor time of the tests, so that it is not part of every run.
coverage: $(STAMP) ## Run the whole suite with branch coverage; 97 % is the least
	$(BIN)/python -X dev -m pytest --numprocesses $(PROCESSES) --dist loadfile --cov --cov-report=term $(ARGS)

# The oldest versions that pyproject.toml allows of what the package needs; the tests' own tools as
# they are in .venv.
LOWEST := .venv-lowest
$(LOWEST)/.stamp: pyproject.toml
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1' uv
	$(LOWEST)/bin/uv pip compile --quiet --resolution lowest-direct --no-header --output-file $(LOWEST)/floors.txt pyproject.toml
	$(LOWEST)/bin/python -m pip install --quiet --editable . --group test --constraint $(LOWEST)/floors.txt
	touch $@

lowest: $(LOWEST)/.stamp ## Run the whole suite with the oldest dependencies that are allowed
	cat $(LOWEST)/floors.txt
	$(LOWEST)/bin/python -X dev -m pytest --numprocesses $(PROCESSES) --dist loadfile $(ARGS)

lint: $(STAMP) ## Run ruff, mypy --strict, pyright, import-linter, codespell and our own rules of prose
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/python tests/typing/check.py
	$(BIN)/lint-imports
	$(BIN)/codespell bladehttp tests examples benchmarks docs *.md Makefile pyproject.toml
	$(BIN)/python -m pytest --quiet -p no:cacheprovider tests/test_plain_english.py

fuzz: $(STAMP) ## Fuzz a live server for 30 seconds
	$(BIN)/python tests/slow/fuzz.py 30 $(SEED)

soak: $(STAMP) ## Measure what takes many connections or much time; writes docs/evidence/*soak.md
	$(BIN)/python tests/slow/soak.py docs/evidence/soak.md
	$(BIN)/python tests/slow/client_soak.py docs/evidence/client-soak.md

downloads: $(STAMP) ## Kill downloads at 200 random moments and fill a disk under them (KILLS=200 SEED=)
	$(BIN)/python tests/slow/downloads.py $(or $(KILLS),200) $(SEED)

resends: $(STAMP) ## Send POSTs over connections that end all the time: each is answered, and seen once (nginx)
	$(BIN)/python tests/slow/resends.py $(or $(NGINX_POSTS),3000) $(or $(POSTS),600)

mutate: $(STAMP) ## Change what decides, one thing at a time; its tests have to fail (MUTATIONS=25 SEED=1 MODULES=, VERBOSE=1)
	nice $(BIN)/python tests/slow/mutate.py $(or $(MUTATIONS),25) $(or $(SEED),1) $(MODULES)

roll: $(STAMP) ## Restart under load, 300,000 requests for each way of deploying (ROLL_REQUESTS=N)
	ROLL_REQUESTS=$(or $(ROLL_REQUESTS),300000) $(BIN)/python -m pytest tests/server/test_deployment.py -k restarting

slow-clients: $(STAMP) ## Slow and dead clients over a link of its own (root and iproute2)
	$(BIN)/python tests/slow/slow_clients.py

matrix: $(STAMP) ## Write docs/evidence/client-matrix.md from what the client's tests did
	$(BIN)/python tests/slow/client_matrix.py

# The peers live apart from the project's own environment, and niquests apart from the others, as
# its urllib3-future takes urllib3's place. bjoern needs a compiler and libev; without it goes on.
BENCH := .venv-bench
$(BENCH)/.stamp: benchmarks/requirements.txt pyproject.toml
	$(PYTHON) -m venv --clear $(BENCH)
	$(PYTHON) -m venv $(BENCH)/apart
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BENCH)/bin/python -m pip install --quiet --editable . --requirement benchmarks/requirements.txt
	$(BENCH)/apart/bin/python -m pip install --quiet --disable-pip-version-check niquests
	$(BENCH)/bin/python -m pip install --quiet bjoern || echo "bjoern is left out: apt-get install gcc libev-dev, then make clean bench"
	touch $@

bench: $(BENCH)/.stamp ## Measure beside the field; writes docs/evidence/benchmarks.md (ROUNDS=3, ROWS=hello,tls)
	$(BENCH)/bin/python -m benchmarks $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(ROWS),--rows $(ROWS))

bench-check: $(STAMP) ## Count instructions per request against benchmarks/recorded.json (RECORD=1: record; ONLY=server|client)
	$(BIN)/python -m benchmarks.instructions.guard $(if $(RECORD),--record) $(if $(ONLY),--only $(ONLY))

screens: $(STAMP) ## Write docs/cli/*.txt: what the command line shows on a terminal
	$(BIN)/python tests/slow/cli_screens.py

httpbin-suite: $(STAMP) ## Run the test suite of httpbin, mounted on a server, over sockets
	$(BIN)/python tests/slow/httpbin_suite.py

requests-suite: $(STAMP) ## Run the test suite of requests over RequestsAdapter
	$(BIN)/python tests/slow/requests_suite.py

# The site is built apart from the tests' environment, which knows nothing of its tools.
DOCS := .venv-docs
$(DOCS)/.stamp: pyproject.toml
	$(PYTHON) -m venv --clear $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(DOCS)/bin/python -m pip install --quiet --editable . --group docs
	touch $@

docs: $(DOCS)/.stamp ## Build the documentation in site/; a warning is an error
	$(DOCS)/bin/python tests/generated.py
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict

browser: $(STAMP) ## Load a page with everything in headless Chromium (SCREENS=1: write docs/images)
	$(BIN)/python tests/slow/browser.py $(if $(SCREENS),--screens)

check: lint test ## Run lint and test

format: $(STAMP) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: $(STAMP) ## Build the wheel and the source distribution
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python -m build

package: $(STAMP) ## Build both and test what they install (ARGS=tests/cli)
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python tests/slow/package.py $(ARGS)

clean: ## Remove the environment and what was built
	rm -rf $(VENV) $(LOWEST) $(BENCH) $(DOCS) site dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
