# Freshet's commands. `make` alone lists them. PORT, HOST, DATA_DIR, VENV, PYTHON, DATABASE_URL, REDIS_URL and
# KAFKA_BOOTSTRAP_SERVERS may be given.
SHELL := /bin/sh
VENV ?= .venv
PORT ?=
HOST ?=
DATA_DIR ?=
ARGS ?=
export VENV PORT DATABASE_URL REDIS_URL KAFKA_BOOTSTRAP_SERVERS
export HOST_ADDRESS := $(HOST)
ifneq ($(DATA_DIR),)
export FRESHET_DATA_DIR := $(abspath $(DATA_DIR))
endif
RUN := $(VENV)/bin/python
# test runs keep their own servers: an address given for `make run` is not theirs
TEST_ENV := env -u DATABASE_URL -u REDIS_URL -u FRESHET_DATA_DIR -u FRESHET_LOG_URL -u KAFKA_BOOTSTRAP_SERVERS
CC_SOURCES = $(shell find engine_cc tests/engine_cc tests/bench/engine_cc -name build -prune -o \( -name '*.cc' -o -name '*.cpp' -o -name '*.h' -o -name '*.hpp' \) -print)

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run stop kafka test test-cc lint freshness chaos kills bench bench-engine bench-encoding bench-training bench-ingest bench-joining bench-index bench-ranking bench-recommend bench-console evaluate-globo screenshot password manage lock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what running needs (run and the others call it)
	@deploy/setup.sh run

setup-dev: ## install what testing and checking needs as well
	@deploy/setup.sh dev

run: setup ## start everything on this machine; Ctrl-C stops it. PORT=8001 DATA_DIR=... DATABASE_URL=... REDIS_URL=... KAFKA_BOOTSTRAP_SERVERS=... ARGS=--no-demo
	@exec $(RUN) -m deploy.run $(ARGS)

stop: ## stop a running system from another terminal
	@$(RUN) -m deploy.stop

test: setup-dev ## run every test; those that need Kafka are left out, with the reason, where Java or Maven is missing
	@$(TEST_ENV) $(RUN) -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-cc: setup-dev ## run the C++ tests with the address, undefined-behaviour and thread sanitizers
	@PATH="$(abspath $(VENV))/bin:$$PATH" engine_cc/test.sh

lint: setup-dev ## ruff, clang-format, mypy in strict mode, import rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/clang-format --dry-run -Werror $(CC_SOURCES)
	$(TEST_ENV) $(VENV)/bin/mypy engine webapp workers deploy tests clients/python manage.py
	$(TEST_ENV) PYTHONPATH=. $(VENV)/bin/lint-imports

kafka: setup ## one Kafka broker on loopback, for a first look: then `make run KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092`
	@exec $(RUN) -m deploy.kafka.run $(ARGS)

freshness: setup ## measure event -> served parameters, on the running system or on one started for it
	@$(RUN) -m deploy.with_system -- $(RUN) manage.py freshness $(ARGS)

chaos: setup-dev ## everything that can happen to a running system, under load; count what was lost. ARGS='--short' or '--kafka'
	@$(TEST_ENV) $(RUN) -m tests.chaos.storm $(ARGS)

kills: setup-dev ## a trainer killed twenty times must end as one never killed, to the bit. ARGS='--log kafka', '--kills 5'
	@$(TEST_ENV) $(RUN) -m tests.chaos.twenty_kills $(ARGS)

bench: setup-dev ## measure the table, training, taking events in and recommending, in turn. ARGS=--quick
	@$(TEST_ENV) $(RUN) -m tests.bench all $(ARGS)

bench-engine: setup-dev ## the C++ table beside a plain gather and other tables
	@$(TEST_ENV) $(RUN) -m tests.bench engine $(ARGS)

bench-encoding: setup-dev ## encoding 26 ids and 13 numbers a row, from memory, Parquet and the log. ARGS=--quick
	@$(TEST_ENV) $(RUN) -m tests.bench encoding $(ARGS)

bench-training: setup-dev ## a training step beside Keras, TensorFlow, TFRA, PyTorch and FBGEMM. ARGS=--quick
	@$(TEST_ENV) $(RUN) -m tests.bench training $(ARGS)

bench-ingest: setup-dev ## events a second, on a system started for it
	@$(TEST_ENV) $(RUN) -m tests.bench ingest $(ARGS)

bench-joining: setup-dev ## events a second that one joiner makes examples of
	@$(TEST_ENV) $(RUN) -m tests.bench joining $(ARGS)

bench-index: setup-dev ## indexes of item vectors beside each other (half an hour). ARGS=--quick
	@$(TEST_ENV) $(RUN) -m tests.bench index $(ARGS)

bench-ranking: setup-dev ## a ranker's answer and its dense pass beside other libraries'. ARGS=--quick
	@$(TEST_ENV) $(RUN) -m tests.bench ranking $(ARGS)

bench-recommend: setup-dev ## requests a second and latency, on a system started for it
	@$(TEST_ENV) $(RUN) -m tests.bench recommend $(ARGS)

bench-console: setup-dev ## server time of every console page over a million events. ARGS=--quick
	@$(TEST_ENV) $(RUN) -m tests.bench console $(ARGS)

evaluate-globo: setup ## replay the Globo clicks: floors, the pipeline, HR@10 by sync interval. ARGS='--first 400000'
	@$(RUN) manage.py evaluate globo $(ARGS)

screenshot: setup-dev ## draw docs/screenshot.png from the running system
	@$(RUN) -m deploy.with_system -- $(RUN) -m deploy.screenshot $(ARGS)

password: setup ## set a new password for an account of the running system: make password ARGS=demo
	@$(RUN) manage.py changepassword $(ARGS)

manage: setup ## any management command, on the running system: make manage ARGS='load_events --help'
	@$(RUN) manage.py $(ARGS)

lock: ## resolve requirements/*.in again and write the locks
	@deploy/lock.sh

clean: ## remove what the set-up and the tests made; data (.freshet) stays
	rm -rf $(VENV) $(VENV).lock build build-* engine_cc/build reports .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
