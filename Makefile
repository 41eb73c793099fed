# Everything stands on .venv, which `make install` builds; nothing else is needed but Python >= 3.11 and a C++ compiler
# with OpenMP (for the native engine, and for pysteps, the extrapolation baseline, which is built from source).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)

.DEFAULT_GOAL := help
.PHONY: help install lint format quick test thorough browser sanitize demo docs constraints clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null \
		|| sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1  \2/p' $(MAKEFILE_LIST)

install: $(STAMP) ## build .venv with the package, its extras and the development tools

$(STAMP): pyproject.toml constraints.txt CMakeLists.txt $(wildcard src/nextframe/engine/native/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "nextframe needs Python 3.11 or later; name one: make install PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt '$(TORCH)'
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e '.[all]'
	@$(BIN)/python -m compileall -q -j 0 $(VENV) src/nextframe || true # on all cores, which pip does on one
	@touch $@

NATIVE := $(wildcard src/nextframe/engine/native/*.[ch]pp)

lint: install ## ruff, mypy and clang-format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(NATIVE)

format: install ## let ruff and clang-format mend what they can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(NATIVE)

# As many processes as cores, a file in one of them; threads of their own would take turns on the same cores.
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

quick: install ## the tests that are not marked slow, in under 90 seconds
	$(TESTS) -m 'not slow and not long'

test: lint ## lint, then the tests
	$(TESTS) -m 'not long'

thorough: lint ## lint, then every test, those of many seconds too
	$(TESTS)

# The tests need no network: without the runtime that npm brings here, they leave out what runs in a page.
WEB := build/onnxruntime-web
browser: install ## the page that forecasts by itself, in Chromium, with the shipped models (npm brings what runs them)
	test -f $(WEB)/ort.wasm.min.mjs || $(BIN)/python -m lab browser --runtime --out $(WEB)
	NEXTFRAME_ONNXRUNTIME_WEB=$(abspath $(WEB)) $(BIN)/python -m pytest tests/lab/test_browser.py

# An environment of its own: the sanitized build beside the packages of .venv, whose editable install it does not see.
SANITIZED := build/sanitize
sanitize: install ## the engine's tests under AddressSanitizer and UndefinedBehaviorSanitizer (needs GCC)
	$(BIN)/python -m venv --without-pip $(SANITIZED)
	$(BIN)/python -c 'import site; print(site.getsitepackages()[0])' > build/site-packages
	cp build/site-packages "$$($(SANITIZED)/bin/python -c 'import site; print(site.getsitepackages()[0])')/venv.pth"
	$(BIN)/python -m pip --python $(SANITIZED)/bin/python install --quiet --no-deps --force-reinstall \
		-C cmake.define.NEXTFRAME_SANITIZE=ON .
	LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libubsan.so)" \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
		$(SANITIZED)/bin/python -m pytest tests/engine -p no:cacheprovider

demo: install ## forecast with a shipped model at once; then train on moving squares for minutes, forecast, verify
	$(BIN)/python examples/demo.py

docs: install ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	$(BIN)/python -m lab browser --out site/assets/browser

constraints: install ## pin the versions that are installed now
	{ sed -n '/^#/p' constraints.txt; \
	  $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//'; } > constraints.txt.tmp
	mv constraints.txt.tmp constraints.txt
	touch $(STAMP)

clean: ## remove what was built; run folders stay
	rm -rf $(VENV) build dist site demo .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './runs/*' -prune -exec rm -rf {} +
