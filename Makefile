# Each target installs what it needs, once: stamp files in each venv mark what is installed.

PYTHON ?= $(shell python3.11 -c 'import sys; print(sys.executable)' 2>/dev/null || echo python3)
ARGS ?=

BIN := .venv/bin
TOOLS := .venv-tools
# Older releases of agno to test with; the newest is in .venv. See tests/agentos/releases.py.
AGNO_RELEASES := 2.7.2 2.8.7 2.9.0 3.0.11
AGNO_VENVS := $(foreach release,$(AGNO_RELEASES),.venv-agno-$(basename $(release)))
FOREIGN_CLIENTS := tests/journeys/javascript
PYTEST = $(BIN)/pytest --numprocesses=logical --dist=loadgroup --no-loadscope-reorder
QUIETLY := --quiet --disable-pip-version-check
UV_VERSION := 0.13.9
HELM_VERSION := v4.3.1
MERMAID_VERSION := 11.17.2
MERMAID_SHA256 := 581ed7d74bd9048d0e3a91363927d72ef22942d7722546b27f7cc29e35390eb8
UV := $(TOOLS)/bin/uv

# Tests behind a proxy, and those of the alerts of Prometheus, are skipped if it is not installed.
# With REQUIRE_PROXIES, as in .ci/run, they fail instead, and root installs what is missing from Debian.
PROXIES := $(if $(REQUIRE_PROXIES),caddy nginx haproxy prometheus)
# The same for slow tests: a browser, and a clock to move.
FOR_SLOW_TESTS := $(if $(REQUIRE_PROXIES),chromium faketime)

# Tests of JavaScript client libraries need Node.js.
node_modules = $(if $(and $(shell command -v npm),$(wildcard $(1)/package-lock.json)), \
	$(1)/node_modules/.package-lock.json)

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Installing takes a minute, and a port that is taken is known before.
quickstart:  ## install everything into .venv and serve a demo issuer (ARGS='--port 9100')
	@$(PYTHON) examples/free_ports.py $@ $(ARGS)
	@$(MAKE) --no-print-directory .venv/runtime
	@exec $(BIN)/issuer quickstart $(ARGS)

demo:  ## serve a demo issuer and an AgentOS that accepts its tokens (ARGS='--port 9100 --agentos-port 7778')
	@$(PYTHON) examples/free_ports.py $@ $(ARGS)
	@$(MAKE) --no-print-directory .venv/demo
	@exec $(BIN)/python examples/demo.py $(ARGS)

compose:  ## make the secrets that are missing, and start issuer, PostgreSQL and Caddy with Docker Compose
	@deploy/make_secrets.sh
	@cd deploy && exec docker compose up --detach --wait $(ARGS)

# Interfaces, libraries, and what starts servers: `make check` leaves them to `make test`.
NOT_DOMAIN := admin agentos agentos_core backup cli client deploy journeys oauth otel prometheus rotation_drill server web \
	test_discovery.py test_machine.py test_metrics.py

check: lint  ## lint, check types, run the fast tests of the domain on SQLite, in 90 seconds (ARGS=--exitfirst)
	$(PYTEST) -m 'not slow' -k 'not postgresql and not sigkill' $(NOT_DOMAIN:%=--ignore=tests/%) $(ARGS)

test: lint $(PROXIES) $(AGNO_VENVS:=/installed) $(call node_modules,$(FOREIGN_CLIENTS))  ## lint, check types, run every test that is not slow (ARGS='-k jwks')
	$(PYTEST) -m 'not slow' $(ARGS)

test-all: lint $(PROXIES) $(FOR_SLOW_TESTS) $(TOOLS)/bin/helm $(TOOLS)/bin/dex $(AGNO_VENVS:=/installed) $(call node_modules,$(FOREIGN_CLIENTS))  ## like test, with the slow tests (more than an hour)
	$(PYTEST) $(ARGS)

# The other servers are fetched and built once. Whichever cannot be had is not measured.
bench: .venv/dev  ## measure the performance beside other servers, in 20 minutes (ARGS=--quick)
	@$(BIN)/python -m benchmarks.peers
	@exec $(BIN)/python -m benchmarks $(ARGS)

lint: .venv/dev  ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .venv/dev  ## format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: .venv-docs/installed .venv-docs/mermaid.min.js  ## build the documentation into site/, and check its links
	@NO_MKDOCS_2_WARNING=true .venv-docs/bin/mkdocs build --strict --quiet
	@echo 'The first page is site/index.html'

screenshots: .venv/dev  ## take pictures of the pages into docs/images/ (ARGS='consent console-keys')
	@exec $(BIN)/python -m tests.web.screenshots docs/images $(ARGS)

translations: .venv/dev  ## bring the catalogues of translations up to date, and compile them
	@$(BIN)/python -m tests.languages.catalogues

wheel: .venv/runtime  ## build the wheels into dist/: the issuer, and its libraries alone
	$(BIN)/hatchling build
	cd deploy/sdk && ../../$(BIN)/hatchling build --target wheel --directory ../../dist

release: .venv/dev .venv-sbom/installed $(TOOLS)/bin/helm  ## build what is published into dist/, check it, and say how to publish it
	@exec $(BIN)/python deploy/release.py $(ARGS)

LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url $(ARGS)
lock: $(TOOLS)/installed  ## update the requirements files (ARGS=--upgrade for newer versions)
	echo 'uv==$(UV_VERSION)' | $(LOCK) - --output-file requirements-tools.txt
	$(LOCK) pyproject.toml --extra postgres --extra redis --extra otel --output-file requirements.txt
	$(LOCK) --group build --constraint requirements.txt --output-file requirements-build.txt
	$(LOCK) pyproject.toml --all-extras --group dev --constraint requirements.txt \
		--constraint requirements-build.txt --output-file requirements-dev.txt
	$(LOCK) --group demo --constraint requirements-dev.txt --output-file requirements-demo.txt
	$(LOCK) --group docs --constraint requirements-dev.txt --output-file requirements-docs.txt
	$(LOCK) --group sbom --constraint requirements-dev.txt --output-file requirements-sbom.txt
	for release in $(AGNO_RELEASES); do \
		printf '%s\n' "agno[os,mcp,a2a,agui]==$$release" 'PyJWT[crypto]' | \
			$(LOCK) - --output-file "tests/agentos/requirements-agno-$${release%.*}.txt" || exit; \
	done

clean:  ## remove what make created, except issuer-data, which contains keys
	rm -rf .venv .venv-* dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis \
		$(FOREIGN_CLIENTS)/node_modules benchmarks/javascript/node_modules .peers

.venv/runtime: requirements.txt requirements-build.txt pyproject.toml | .venv/bin/pip
	@echo 'Installing the issuer into .venv'
	@$(BIN)/pip install $(QUIETLY) --require-hashes -r requirements.txt -r requirements-build.txt
	@$(BIN)/pip install $(QUIETLY) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/demo: requirements-demo.txt .venv/runtime
	@echo 'Installing an AgentOS into .venv'
	@$(BIN)/pip install $(QUIETLY) --require-hashes -r $<
	@touch $@

# What only tests need is installed with uv, which takes a tenth of the time of pip. It does not read the
# settings of pip, such as a mirror or a certificate: where uv cannot install, pip does.
install = $(UV) pip install --quiet --python $(1) --require-hashes -r $(2) || { \
	echo 'uv cannot install: trying pip'; [ -x $(1)/bin/pip ] || $(PYTHON) -m venv $(1); \
	$(1)/bin/pip install $(QUIETLY) --require-hashes -r $(2); }

.venv/dev: requirements-dev.txt .venv/runtime | $(TOOLS)/installed
	@echo 'Installing what tests need into .venv'
	@$(call install,$(@D),$<)
	@touch $@

$(AGNO_VENVS:=/installed): .venv-agno-%/installed: \
		tests/agentos/requirements-agno-%.txt | $(TOOLS)/installed
	@echo 'Installing agno $* into $(@D)'
	@$(PYTHON) -m venv --clear --without-pip $(@D)
	@$(call install,$(@D),$<)
	@touch $@

.venv-sbom/installed: requirements-sbom.txt | .venv-sbom/bin/pip
	@echo 'Installing what lists the dependencies into $(@D)'
	@$(@D)/bin/pip install $(QUIETLY) --require-hashes -r $<
	@touch $@

.venv-docs/installed: requirements-docs.txt | .venv-docs/bin/pip
	@echo 'Installing what builds the documentation into $(@D)'
	@$(@D)/bin/pip install $(QUIETLY) --require-hashes -r $<
	@touch $@

# Draws the diagrams of the documentation. The theme would load it from a CDN, in the browser of each reader.
.venv-docs/mermaid.min.js: | .venv-docs/installed
	@command -v npm >/dev/null || { echo 'The diagrams need npm, which fetches Mermaid'; exit 1; }
	@echo 'Fetching Mermaid $(MERMAID_VERSION) into $(@D)'
	@cd $(@D) && npm pack --silent mermaid@$(MERMAID_VERSION) >/dev/null && \
		tar --extract --gzip --file mermaid-$(MERMAID_VERSION).tgz --strip-components=2 package/dist/mermaid.min.js && \
		rm mermaid-$(MERMAID_VERSION).tgz && echo '$(MERMAID_SHA256)  mermaid.min.js' | sha256sum --check --quiet || \
		{ rm -f mermaid.min.js; exit 1; }

# Tests of the chart need Helm. Where there is no Go, they are skipped.
$(TOOLS)/bin/helm:
	@command -v go >/dev/null || { echo 'There is no Go to build Helm with'; exit; }; \
		echo 'Building Helm into $(@D)'; \
		GOBIN=$(abspath $(@D)) nice -n 15 go install helm.sh/helm/v4/cmd/helm@$(HELM_VERSION)

# People sign in with dex in tests. Its module cannot be installed by name, since it replaces another one.
DEX := tests/journeys/go
$(TOOLS)/bin/dex: $(DEX)/go.mod $(DEX)/go.sum
	@command -v go >/dev/null || { echo 'There is no Go to build dex with'; exit; }; \
		echo 'Building dex into $(@D)'; \
		cd $(DEX) && CGO_ENABLED=0 nice -n 15 go build -o $(abspath $@) github.com/dexidp/dex/cmd/dex

$(TOOLS)/installed: requirements-tools.txt | $(TOOLS)/bin/pip
	@$(TOOLS)/bin/pip install $(QUIETLY) --require-hashes -r $< || echo 'There is no uv: pip is used'
	@touch $@

%/node_modules/.package-lock.json: %/package-lock.json
	@echo 'Installing what Node.js runs into $*'
	@npm ci --prefix $* --no-audit --no-fund --loglevel=error
	@touch $@

# One after another with --jobs, too: apt-get runs once at a time.
nginx: | caddy
haproxy: | nginx
prometheus: | haproxy
chromium: | prometheus
faketime: | chromium

$(PROXIES) $(FOR_SLOW_TESTS):
	@PATH="$$PATH:/usr/sbin"; command -v $@ >/dev/null || [ "$$(id -u)" != 0 ] || \
		{ echo 'Installing $@'; apt-get update --quiet=2; \
		DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
		apt-get install --quiet=2 --yes --no-install-recommends $@; }

# pip is installed last into a venv: if it exists, the venv is complete.
%/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"The issuer needs Python 3.11 or newer. Set the interpreter with `make PYTHON=…`.")'
	@$(PYTHON) -m venv $*

.PHONY: help quickstart demo compose check test test-all bench lint format docs screenshots translations wheel release lock clean $(PROXIES) $(FOR_SLOW_TESTS)
