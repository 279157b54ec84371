# make chat: talk. make test: test. Both bring what they need into .venv; nothing outside it but the model cache and the store.

VENV  ?= .venv
MODEL ?= $(or $(PERDURE_MODEL),smollm2-135m-instruct)
KILLS ?= 1000
MINUTES ?= 3
FUZZ  ?= 50
ARGS  ?=

BIN     := $(VENV)/bin
# pip shows its progress bars where somebody is watching
QUIET   := $(shell [ -t 2 ] || echo --quiet)
INSTALL := $(BIN)/python -m pip install $(QUIET) --no-input --no-compile --disable-pip-version-check --constraint constraints.txt
# What a chat imports; pip would compile all there is, a third of the time that installing takes.
COMPILE := PYTHONDONTWRITEBYTECODE= $(BIN)/python -c 'import perdure.api.cli, perdure.api.http.app, perdure.runtime.runtime'
PINS    := constraints.txt pyproject.toml
BASE    := $(VENV)/.stamp-base
TEST    := $(VENV)/.stamp-test
DEV     := $(VENV)/.stamp-dev

.PHONY: help chat serve test check crash soak fuzz bench docs clean

help:
	@echo "make chat    talk to a small model that remembers (the first time installs it)"
	@echo "make serve   the same over HTTP, OpenAI-compatible"
	@echo "make test    run the tests"
	@echo "make check   linter, formatter, types and import layers"
	@echo "make crash   kill it $(KILLS) times and look what is lost"
	@echo "make soak    use a server for $(MINUTES) minutes, kill it now and then, and look what is left"
	@echo "make fuzz    send every endpoint $(FUZZ) random requests and more"
	@echo "make bench   measure how fast a chat resumes"
	@echo "make docs    write docs/cli.md from the commands' help"
	@echo "make clean   remove .venv and what the tools leave"

chat: $(BASE)
	@PERDURE_MODEL="$(MODEL)"; export PERDURE_MODEL; $(BIN)/perdure pull "$(MODEL)" >/dev/null && \
	if [ -t 0 ]; then $(BIN)/perdure chat $(ARGS); else $(BIN)/perdure chat --lines $(ARGS); fi

serve: $(BASE)
	@$(BIN)/perdure pull "$(MODEL)" >/dev/null && $(BIN)/perdure serve --model "$(MODEL)" $(ARGS)

# Four workers for two cores, since one or the other waits for a server or a browser. What the tests start, some hundred
# processes, does not compile everything anew.
test: export PYTHONDONTWRITEBYTECODE =
test: $(TEST)
	@$(BIN)/perdure pull "$(MODEL)" >/dev/null
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(DEV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

crash: $(TEST)
	@$(BIN)/python -m pytest tests/crash -m crash --kills $(KILLS) $(ARGS)

soak: $(TEST)
	@$(BIN)/python -m benchmarks.soak --minutes $(MINUTES) $(ARGS)

fuzz: $(TEST)
	@$(BIN)/python -m pytest tests/api/test_http_fuzz.py --fuzz $(FUZZ) $(ARGS)

bench: $(BASE)
	@$(BIN)/perdure pull "$(MODEL)" >/dev/null && $(BIN)/perdure bench --model "$(MODEL)" $(ARGS)

docs: $(BASE)
	@$(BIN)/python -m perdure.api.cli.reference docs/cli.md

clean:
	@rm -rf $(VENV) build dist perdure.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find perdure tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(VENV)/.stamp-venv:
	@for candidate in "$(PYTHON)" python3 python3.13 python3.12 python3.11 python; do \
	  [ -n "$$candidate" ] && "$$candidate" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	    >/dev/null 2>&1 && found=$$candidate && break; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Perdure needs Python 3.11, 3.12 or 3.13 with its venv module, and none is on the PATH; install one, or name it: make PYTHON=/path/to/python3.12 chat" >&2; \
	  exit 1; \
	fi; \
	echo "making $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv --clear $(VENV) && $(VENV)/bin/python -m pip --version >/dev/null && touch $@

$(BASE): $(VENV)/.stamp-venv $(PINS)
	@echo "installing perdure (torch is the large part: the first time takes some minutes)"
	@$(INSTALL) setuptools
	@$(INSTALL) --no-build-isolation --editable .
	@$(COMPILE)
	@touch $@

$(TEST): $(BASE)
	@echo "installing what the tests need"
	@$(INSTALL) --no-build-isolation --editable '.[test]'
	@for browser in chromium chromium-browser google-chrome; do command -v $$browser >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing Chromium, in which the pages are tested"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium; } >/dev/null 2>&1 && exit 0; \
	fi; \
	echo "no Chromium here, and it could not be installed: the pages are not tested (Debian: apt install chromium)" >&2
	@touch $@

$(DEV): $(TEST)
	@echo "installing the linters"
	@$(INSTALL) --no-build-isolation --editable '.[dev]'
	@touch $@
