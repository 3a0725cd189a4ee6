# The course's commands; `make help` lists them. The first call installs into .venv, later ones start at once.
#   make lab PORT=9000                      another port
#   make lab LAB_ARGS="--no-browser"        more options for JupyterLab
#   make lab PYTHON=python3.12              another Python (3.10 or newer) for a fresh .venv
#   make notebooks NAMES=08_adversarial     one notebook only
#   make test TEST_ARGS="-k pgd"            more options for pytest
#   make report NAMES="2 8" PARAMETERS="steps=5 epsilon=4/255"    or a file of YAML
#   make slides NAMES=8 SIZE=34             larger type (30 of 720 pixels without it)
#   make slides STYLE=stage                 run anew: figures with larger words and thicker lines, and type of 34
#   make app LESSON=8 STYLE=stage           the lab drawn so
#   make app LESSON=5 LAB=LossSurfaceLab    another lab than the lesson's first one; PORT=9000 another port

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help lab test portable rehearse notebooks networks results sheet report slides app teacher publish wheel clean

help:  ## say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

# Threads that wait must not keep a processor busy: beside one busy program, a gradient took 39 ms instead of 5.
lab: $(VENV)/lab.stamp  ## open the course in JupyterLab
	OMP_WAIT_POLICY=PASSIVE $(BIN)/jupyter-lab --ServerApp.root_dir=notebooks $(if $(PORT),--port=$(PORT)) \
		$(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_ARGS)

# One thread a process, because the tests already run side by side; the processor, because stored outputs are its own.
# In the order of their files: else xdist leaves the long ones of few tests, such as Colab's rehearsal, to the end.
test: $(VENV)/test.stamp  ## check everything: style, stored notebooks, code, lessons, a real browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/python scripts/notebooks.py --check --quick
	@command -v chromium || command -v chromium-browser || command -v google-chrome || echo \
		"There is no Chromium, so the browser tests will be skipped; on Debian: sudo apt-get install chromium"
	OMP_NUM_THREADS=1 COURSE_DEVICE=$${COURSE_DEVICE:-cpu} $(BIN)/python -m pytest -n auto --maxprocesses=4 \
		--dist=loadfile --no-loadscope-reorder --nbval --nbval-current-env --nbval-cell-timeout=300 \
		--nbval-sanitize-with=tests/nbval.cfg --doctest-modules course_utils tests notebooks $(TEST_ARGS)

portable: $(VENV)/test.stamp  ## run the tests as other processors, Pythons and versions would (two hours; NAMES=avx2 …)
	$(BIN)/python scripts/portable.py $(NAMES)

rehearse: $(VENV)/test.stamp  ## run all lessons under Colab's old Jupyter stack (`make test` takes three of them)
	OMP_NUM_THREADS=1 COURSE_DEVICE=cpu COURSE_REHEARSE=all $(BIN)/python -m pytest tests/test_colab.py

notebooks: $(VENV)/test.stamp  ## execute the notebooks from top to bottom, normalise them, lint them
	$(BIN)/python scripts/notebooks.py $(NAMES)

teacher: $(VENV)/test.stamp  ## make the teacher's edition: gaps filled, all checks green, into build/teacher/
	$(BIN)/python -m scripts.teacher $(NAMES)

publish: $(VENV)/test.stamp  ## say where the course lives: make publish REPOSITORY=owner/name
	$(BIN)/python -m scripts.publish $(REPOSITORY)

networks: $(VENV)/lab.stamp  ## train the networks that ship, from their committed seeds
	$(BIN)/python scripts/networks.py $(NAMES)

# What a lesson shows and no lesson has the time for: learning curves, loss surfaces …; NAMES=pooling makes one only.
results: $(VENV)/lab.stamp  ## compute the results that ship in data/, from their committed seeds
	for name in $(or $(NAMES),$(patsubst scripts/results_%.py,%,$(wildcard scripts/results_*.py))); do \
		$(BIN)/python scripts/results_$$name.py || exit 1; done

sheet: $(VENV)/lab.stamp  ## draw a contact sheet of road-sign scenes, for a person to look at
	$(BIN)/python scripts/contact_sheet.py

report: $(VENV)/stage.stamp  ## run the lessons with your parameters, and make one handout of them
	$(BIN)/python -m scripts.report $(NAMES) $(if $(PARAMETERS),--parameters $(PARAMETERS))

slides: $(VENV)/stage.stamp  ## make a deck of each lesson, all in one file that needs no network
	$(BIN)/python -m scripts.slides $(NAMES) $(if $(SIZE),--size $(SIZE)) $(if $(STYLE),--style $(STYLE))

app: $(VENV)/stage.stamp  ## serve a lesson's lab full-screen, with no code to be seen: make app LESSON=8
	$(BIN)/python -m scripts.app $(LESSON) $(if $(LAB),--lab $(LAB)) $(if $(STYLE),--style $(STYLE)) $(if $(PORT),--port $(PORT)) $(APP_ARGS)

# Without pip's cache, which would keep an old wheel of a folder called like-this.
wheel: $(VENV)/lab.stamp  ## build the wheel that carries the networks and pictures, into dist/
	$(PIP) wheel --no-deps --no-cache-dir --wheel-dir dist .

clean:  ## remove what was made, but for .venv
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis test-results
	find . -name .venv -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -exec rm -rf {} +

# The answer to JupyterLab's question about news and updates is given beforehand: no.
SETTINGS := $(VENV)/share/jupyter/lab/settings
define install
	$(PIP) install --editable ".[$(EXTRAS)]"
	mkdir -p $(SETTINGS)
	echo '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}' \
		> $(SETTINGS)/overrides.json
endef

$(VENV)/lab.stamp: EXTRAS := lab
$(VENV)/lab.stamp: pyproject.toml requirements.txt | $(BIN)/python
	$(install)
	touch $@

$(VENV)/stage.stamp: EXTRAS := lab,stage
$(VENV)/stage.stamp: pyproject.toml requirements.txt | $(BIN)/python
	$(install)
	touch $(VENV)/lab.stamp $@

$(VENV)/test.stamp: EXTRAS := lab,stage,test
$(VENV)/test.stamp: pyproject.toml requirements.txt | $(BIN)/python
	$(install)
	touch $(VENV)/lab.stamp $(VENV)/stage.stamp $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("This course needs Python 3.10 or newer and \
	$(PYTHON) is " + sys.version.split()[0] + ": install a newer one and say, for example, make lab PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip, venv' || { echo \
		"$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
