# Every target sets up what it needs, from a bare Python >= 3.11. `make help` lists them.
SHELL := /bin/sh
.SHELLFLAGS := -eu -c
.DEFAULT_GOAL := help
.PHONY: environment help setup up down status test check simulate chaos load bench schema

PYTHON ?= python3
# Where it is set, each of the stack's thirty processes would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
STAMP := .venv/.installed
PAGE := $(BIN)/python -m serve.stack.page_build

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: environment ## start everything on this machine until Ctrl-C; ARGS="--http-port 9000" passes options
	@exec $(BIN)/call-supervisor up $(ARGS)

down: environment ## stop what `make up` started, or what a killed one left
	@exec $(BIN)/call-supervisor down $(ARGS)

status: environment ## show the parts of the running stack
	@exec $(BIN)/call-supervisor status $(ARGS)

test: setup ## run all tests, three at once (see tests/collection.py); ARGS="tests/unit -k calls" selects some, one by one
ifdef ARGS
	@exec $(BIN)/python -m pytest $(ARGS)
else
	@$(PAGE) test
	@exec $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
endif

check: setup ## lint, format, types, import directions, migrations, the page's lint and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/pyright
	@$(BIN)/lint-imports
	@$(BIN)/squawk --config migrations/squawk.toml migrations/*.sql
	@$(PAGE) check

simulate: setup ## ten thousand simulated clusters among faults, and how often each happened; ARGS="--seeds 500"
	@exec $(BIN)/python -m tests.simulate $(ARGS)

chaos: setup ## take servers away for a minute each and kill processes, under traffic
	@CHAOS_SECONDS=$${CHAOS_SECONDS:-60} CHAOS_KILLS=$${CHAOS_KILLS:-20} CHAOS_DELIVERY_KILLS=2 \
		CHAOS_TEMPORAL_SECONDS=$${CHAOS_TEMPORAL_SECONDS:-600} \
		LIVE_CLIENTS=200 LIVE_JOINING=500 LIVE_EVENTS=10000 exec $(BIN)/python -m pytest \
		tests/chaos tests/integration/test_delivery_kills.py tests/integration/test_kill_points.py \
		tests/integration/test_onboarding_kills.py tests/integration/api/test_api_conformance.py \
		tests/e2e/test_two_nodes.py tests/e2e/test_page_outage.py tests/integration/live/test_hub_faults.py \
		tests/integration/live/test_hub_holes.py tests/integration/live/test_hub_crowds.py \
		tests/integration/live/test_hub_edges.py $(ARGS)

load: setup ## measure latency and throughput of the running stack
	@exec $(BIN)/call-supervisor load $(ARGS)

bench: setup ## figures of the actors, the live hub, and Postgres with ten million calls beside their budgets; BENCH=short takes seconds
	@$(BIN)/python -m tests.load.bench $(ARGS)
	@$(BIN)/python -m tests.load.bench_processing
	@$(BIN)/python -m tests.load.bench_deliveries
	@$(BIN)/python -m tests.load.bench_fairness
	@$(BIN)/python -m tests.load.bench_live
	@exec $(BIN)/python -m tests.load.bench_storage

schema: setup ## describe anew the database (migrations/schema.txt) and the live protocol (dashboard/src/live/protocol.ts)
	@$(BIN)/python -m storage.schema
	@exec $(BIN)/python -m serve.live.typescript

setup: environment ## make the virtual environment and build the page; nothing to do when neither's sources changed
	@$(PAGE)

environment:
	@PYTHON="$(PYTHON)" sh .ci/setup "$(STAMP)"
