# Goutong. `make help` lists what there is. Needs Python >= 3.11 and make; everything else is installed into .venv.

VENV := .venv
BIN := $(VENV)/bin
MO := $(patsubst %.po,%.mo,$(wildcard locale/*/LC_MESSAGES/django.po))
PYTEST_ARGS ?= -n 2 --dist loadgroup

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run stop ps test bench chaos screenshots check format lock clean

help: ## list these commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: export DEMO ?= 1
run: export LOG_FORMAT ?= console
run: $(VENV)/.installed $(MO) ## start everything, with the demo; Ctrl-C stops it (PORT=… FLOWER_PORT=… DATA_DIR=… DEMO=0)
	@$(BIN)/python -m config.supervise run --tethered $(RUN_ARGS)

stop: $(VENV)/.installed ## stop a stack that runs elsewhere on the same DATA_DIR
	@$(BIN)/python -m config.supervise stop

ps: $(VENV)/.installed ## list the running stack's processes
	@$(BIN)/python -m config.supervise ps

test: $(VENV)/.installed-dev $(MO) ## the whole test suite, on real PostgreSQL and Valkey (PYTEST_ARGS=…)
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

bench: $(VENV)/.installed-dev $(MO) ## figures beside those of what one would write instead (BENCH=… SCALE=0.1 RUNS=5)
	@$(BIN)/python -m bench $(BENCH) $(if $(SCALE),--scale $(SCALE)) $(if $(RUNS),--runs $(RUNS))

chaos: $(VENV)/.installed-dev $(MO) ## every fault in turn on a stack under load: lost, twice, refused (CHAOS_ARGS=…)
	@$(BIN)/python -m tests.chaos $(CHAOS_ARGS)

screenshots: $(VENV)/.installed-dev $(MO) ## the pictures of the README, from the demo (SCREENSHOTS_ARGS=…); wants a Chromium
	@$(BIN)/python -m tests.browser.screenshots $(SCREENSHOTS_ARGS)

check: $(VENV)/.installed-dev $(MO) ## lint, types, imports, migrations, OpenAPI, translations
	@$(BIN)/python -m config.checks

format: $(VENV)/.installed-dev ## rewrite the code as `make check` wants it
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

lock: $(VENV)/.installed-dev ## pin what requirements*.in ask for (LOCK_ARGS=--upgrade: the newest of everything)
	@for name in requirements requirements-dev; do \
		$(BIN)/pip-compile --quiet $(LOCK_ARGS) --strip-extras --no-header --no-emit-index-url --no-emit-trusted-host \
			--no-emit-find-links --output-file $$name.txt $$name.in || exit 1; \
	done

clean: ## remove the virtual environment and caches; the data stay
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# A Python that the pinned versions were tried with, the plain name first.
$(VENV)/.made:
	@for python in python3 python3.13 python3.12 python3.11 python3.14 python; do \
		$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		echo "goutong: making $(VENV) with $$($$python --version)"; \
		$$python -m venv $(VENV) || { rm -rf $(VENV); \
			echo "goutong: this Python cannot make virtual environments (Debian: apt-get install python3-venv)" >&2; exit 1; }; \
		touch $@; exit 0; \
	done; echo "goutong: Python 3.11 or newer is needed, and none was found" >&2; exit 1

$(VENV)/.installed: requirements.txt | $(VENV)/.made
	@echo "goutong: installing requirements.txt"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@echo "goutong: installing requirements-dev.txt"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

%.mo: %.po $(VENV)/.installed
	@$(BIN)/python -m config.translations compile
	@touch $@
