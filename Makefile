# make demo    segment a real MRI: in a napari window, or without a display into demo.png
# make test    everything that has to pass; make lint, wheel and pytest are its parts
# make docs    the documentation's site, in .build/site
# make test-lowest    the tests with the lowest versions that pyproject.toml allows
#
# Each does its own set-up, once: system packages, virtual environment, dependencies.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
INSTALL := VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet

# Tests run in as many processes as there are cores, each with one thread and a screen of
# its own; one that is done takes over what another still has to do.
PYTEST := OMP_NUM_THREADS=1 QT_QPA_PLATFORM=xcb $(BIN)/python -m pytest \
	--numprocesses logical --maxprocesses 4 --dist worksteal

.PHONY: demo test lint wheel pytest test-lowest docs format clean system-demo system-test
.DEFAULT_GOAL := demo

demo: $(VENV)/.app
	$(BIN)/napari-segnext demo

test: $(VENV)/.dev
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory wheel
	$(MAKE) --no-print-directory pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/npe2 validate src/napari_segnext/napari.yaml

wheel: $(VENV)/.dev
	$(BIN)/python scripts/check_wheel.py

pytest: $(VENV)/.dev
	$(PYTEST) $(PYTEST_ARGS)

# Tools of development are the newest; what users may have is the oldest, and warned of by
# what came later.
LOWEST := .build/lowest
test-lowest: $(VENV)/.dev
	$(UV) venv --quiet --clear $(LOWEST)
	$(UV) pip install --quiet --python $(LOWEST) --resolution lowest-direct \
		--editable '.[app,cluster,dicom,eval,mrc,nninteractive,train]'
	$(UV) pip install --quiet --python $(LOWEST) pytest pytest-qt pytest-timeout \
		pytest-xdist pytest-xvfb npe2
	@touch $(LOWEST)/.dev
	$(MAKE) --no-print-directory pytest VENV=$(LOWEST) \
		PYTEST_ARGS="--ignore tests/test_docs.py --ignore tests/models \
		-W ignore::DeprecationWarning $(PYTEST_ARGS)"

docs: $(VENV)/.dev
	$(BIN)/mkdocs build --quiet --site-dir .build/site
	@echo "open .build/site/index.html, or run: $(BIN)/mkdocs serve"

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .build .mypy_cache .pytest_cache .ruff_cache demo.png

# A window is only opened where there is a display.
system-demo:
	@scripts/system_packages.sh $(PYTHON) $(if $(DISPLAY)$(WAYLAND_DISPLAY),window)

system-test:
	@scripts/system_packages.sh $(PYTHON) window screen

$(UV):
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.app: pyproject.toml | system-demo
	@test -x $(UV) || $(MAKE) --no-print-directory $(UV)
	@echo "installing dependencies into $(VENV); the first time this takes minutes"
	$(INSTALL) --editable '.[app]'
	@touch $@

$(VENV)/.dev: pyproject.toml | system-test
	@test -x $(UV) || $(MAKE) --no-print-directory $(UV)
	@echo "installing dependencies into $(VENV); the first time this takes minutes"
	$(INSTALL) --editable '.[app,cluster,dicom,eval,mrc,nninteractive,train]' --group dev
	@touch $@ $(VENV)/.app
