# Sidegate's commands; `make` alone lists them.
PYTHON ?= python3.11
SHELL := bash -o pipefail
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready-$(shell $(PYTHON) -c 'import platform; print(platform.python_version())')
PROTOS := $(addprefix proto/sidegate/authz/v1/,authorization.proto facts.proto tenant.proto membership.proto role.proto resource.proto history.proto)
GENERATED := sidecar/sidegate/authz/v1

.DEFAULT_GOAL := help
.PHONY: help setup run test lint coverage release-check advisories fuzz histories bench proto proto-baseline docs clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-15s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv from the locked, hashed requirements

$(STAMP): requirements/dev.lock
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(STAMP) ## start the sidecar on its embedded default, with a demo tenant
	@mkdir -p .sidegate
	@$(BIN)/sidegate serve --database sqlite:///.sidegate/demo.db --demo

lint: $(STAMP) ## check style, types, architecture and contract
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	cd proto && ../$(BIN)/buf lint && ../$(BIN)/buf format --diff --exit-code --path sidegate
	cd proto && ../$(BIN)/buf build --path sidegate -o - | ../$(BIN)/buf breaking - --against baseline.binpb
	@$(MAKE) --no-print-directory proto OUT=$$(mktemp -d)/sidegate-proto CHECK=1

test: lint ## prove everything: lint, then all tests
	$(BIN)/pytest -n 2 --dist worksteal

coverage: $(STAMP) ## run all tests and report which lines and branches they reach; fails below the floor of pyproject.toml
	$(BIN)/pytest -n 2 --dist worksteal --timeout 600 --cov --cov-report term:skip-covered --cov-report html:build/coverage

release-check: ## build the wheel and the sdist, check them, and try the wheel in an environment of its own
	PYTHON=$(PYTHON) release/check

advisories: ## look every locked package up in a database of advisories; fails where one could not be checked; needs the network
	$(PYTHON) -m venv --clear build/advisory-tools
	build/advisory-tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/advisories.lock
	build/advisory-tools/bin/python release/advisories.py

fuzz: $(STAMP) ## fuzz messages and files, and compare the engines on a million decisions; half an hour (SIDEGATE_FUZZ_EXAMPLES)
	SIDEGATE_FUZZ_EXAMPLES=$${SIDEGATE_FUZZ_EXAMPLES:-3000} $(BIN)/pytest -q --timeout 0 tests/security/test_*_fuzzing.py
	SIDEGATE_FUZZ=1000000 $(BIN)/pytest -q --timeout 0 tests/conformance/test_differential.py

histories: $(STAMP) ## inject failures into three sidecars for ten minutes, at random (SIDEGATE_HISTORY_SECONDS, SIDEGATE_HISTORY_SEED)
	SIDEGATE_HISTORY_SECONDS=$${SIDEGATE_HISTORY_SECONDS:-600} SIDEGATE_HISTORY_SEED=$${SIDEGATE_HISTORY_SEED:-$$RANDOM} \
	  $(BIN)/pytest -q tests/consistency/test_histories.py

bench: $(STAMP) ## measure the engine beside pycasbin; takes ten minutes
	$(BIN)/python loadtest/engine.py

proto: $(STAMP) ## generate the Python code of the wire contract (CHECK=1 compares instead)
	@out=$(if $(CHECK),$(OUT),sidecar); mkdir -p $$out; \
	$(BIN)/python -m grpc_tools.protoc -I proto --python_out=$$out --grpc_python_out=$$out \
	  --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --mypy_out=quiet:$$out \
	  --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc --mypy_grpc_out=quiet,only_async:$$out $(PROTOS); \
	$(if $(CHECK),diff -r -x __init__.py -x __pycache__ -x py.typed $$out/sidegate/authz/v1 $(GENERATED) && echo "generated code is current",true)

docs: $(STAMP) ## write the pages that are made from code: settings, and each pack's table
	$(BIN)/python -m sidegate.cli.configuration_page > docs/configuration.md
	$(BIN)/python -m sidegate.policy.describe.readme policies/*

proto-baseline: $(STAMP) ## accept today's wire contract as the one that must not break
	cd proto && ../$(BIN)/buf build --path sidegate -o baseline.binpb

clean: ## remove everything that can be made again
	rm -rf $(VENV) .sidegate dist build .mypy_cache .ruff_cache .pytest_cache
