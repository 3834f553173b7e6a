# Every target sets up .venv by itself when pyproject.toml or constraints.txt changed.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
DOCS_READY := .venv/.docs-ready
RELEASE_READY := .venv/.release-ready

.PHONY: demo bench test lint docs docs-version gallery release clean browser-runtime

# The main job: the same network trained with MSE and with a perceptual loss, on the photos of scikit-image.
demo: $(READY)
	$(BIN)/perceptualloss compare

# How fast this is beside other packages, in about six minutes on two idle cores; BENCH='--write docs/performance.md'
bench: $(READY)
	$(BIN)/python benchmarks/speed.py $(BENCH)

# A file of tests a process, as many at once as there are cores, one thread each. What is compiled is kept, also where
# the environment says not to: else each program that a test starts compiles the package anew.
test: $(READY) lint
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --tb short

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# onnxruntime-web (60 MB), with which the page's example computes in the browser; needs npm.
browser-runtime:
	npm ci --ignore-scripts --no-audit --no-fund --prefix src/perceptualloss/page/browser_runtime

# The pictures of the documentation, made anew (benchmarks/gallery.py); GALLERY='NAME ...', --list, --check
gallery: $(READY)
	$(BIN)/python benchmarks/gallery.py $(GALLERY)

# Fails at any warning: a broken link or anchor, a page that is in no group, a file that another host would give.
docs: $(DOCS_READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The site of a version into the local branch gh-pages, with a menu of versions: make docs-version VERSION=0.2
docs-version:
	@test -n "$(VERSION)" || { echo 'Say which: make docs-version VERSION=0.2'; exit 1; }
	$(MAKE) docs
	NO_MKDOCS_2_WARNING=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/mike deploy --update-aliases $(VERSION) latest
	$(BIN)/mike set-default latest
	@echo 'git push origin gh-pages publishes it; $(BIN)/mike serve shows it here.'

# Wheel and sdist into dist/, checked; the wheel alone in an empty environment, with what its users run there.
release: $(RELEASE_READY)
	$(BIN)/python benchmarks/release.py

clean:
	rm -rf .venv site dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; name one with make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

$(DOCS_READY): $(READY)
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	touch $@

$(RELEASE_READY): $(READY)
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[release]'
	touch $@
