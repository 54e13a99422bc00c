# The commands of the project. Each installs what it needs, pinned by constraints.txt, into .venv.
# A rule's installation leaves a stamp there; it is repeated when pyproject.toml or constraints.txt changes.

PYTHON ?= python3
VENV   ?= .venv

BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --constraint constraints.txt --build-constraint constraints.txt
PINS    := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help crosscheck test lint format lecture mutants beyond laws programs judge-alone checkers versions bench peers bench-smoke \
	bench-judge clean torch
.PHONY: bench-roundings bench-limits bench-networks proofs survey-planted onnx

help:
	@echo "make crosscheck   cross-check the case table and the lecture's network (the main job)"
	@echo "make test         cross-check, then run the whole test suite"
	@echo "make proofs       the tests that take longer, which make test leaves out"
	@echo "make lint         format check, lint and type check"
	@echo "make format       rewrite the code in the project's format, with the lint's safe fixes"
	@echo "make lecture      run the lecture's notebook; pictures and tables go to build/lecture/"
	@echo "make mutants      prove the judge: planted mistakes caught and named, 2,000 healthy checks not accused"
	@echo "make programs     5,000 random programs through the judge, right and with a mistake (COUNT=, SEED=, JOBS=)"
	@echo "make beyond       mistakes beyond convolutions, planted and named (ONLY=, JOBS=)"
	@echo "make survey-planted  conditions planted in layers of all kinds, and what a survey says of them (ONLY=, SEED=)"
	@echo "make onnx         ONNX's node tests through the layers, with all gradients; writes docs/onnx.md"
	@echo "make laws         prove the roundings: every row of the table and whole programs against 50 digits"
	@echo "make checkers     the same mistakes through other gradient checkers (docs/checkers.md)"
	@echo "make judge-alone  the judge's own tests, where there is nothing but a wheel of the judge"
	@echo "make versions     the suite on the oldest and the newest JAX and NumPy, on every Python here (ONLY=, TESTS=)"
	@echo "make bench-judge  measure what a check costs"
	@echo "make bench-limits measure how long and how large a thing may be judged"
	@echo "make bench-roundings measure what random roundings cost in time and memory"
	@echo "make bench        time everything beside its peers (pytest-benchmark); writes docs/performance.md"
	@echo "make bench-networks  time the convolutions of seven networks, a piece at a time, and print the table (CELLS=)"
	@echo "make torch        install PyTorch, for the tests that ask it: without it they are skipped"
	@echo "make peers        install PyTorch and autograd, to be timed and compared with"
	@echo "make bench-smoke  run every benchmark once, validated and untimed"
	@echo "make clean        remove the environment and the caches"
	@echo
	@echo "PYTHON=... names the interpreter that makes the environment (3.11 or newer; now $(PYTHON))."

crosscheck: $(BIN)/.project
	$(BIN)/crosscheck run

# Two processes, whatever the machine has: each is a JAX of its own. PARALLEL= runs all in one.
PARALLEL ?= -n 2 --dist worksteal
# WHICH="proof or not proof" takes the longer tests along, with the collecting done once.
WHICH    ?= not proof
test: crosscheck $(BIN)/.test
	$(BIN)/python -m pytest $(PARALLEL) -m "$(WHICH)"

# What is marked as a proof: every mistake in every gradient, the memory of every engine, codes of many styles.
proofs: $(BIN)/.test
	$(BIN)/python -m pytest -m proof $(PARALLEL)

lint: $(BIN)/.lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python

format: $(BIN)/.lint
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lecture: $(BIN)/.notebook
	$(BIN)/python -m pytest --nbmake --nbmake-timeout=600 examples/lecture.ipynb
	@echo "the pictures and tables are in build/lecture/"

# Two threads for everyone, who read these when they are imported; and the matrix kernels that the processor has.
# Without the extra peers (make peers) PyTorch's parameters are skipped. BENCH= selects, as in BENCH=benchmarks.
THREADS ?= 2
ROUNDS  ?= 7
BENCH   ?= benchmarks benchmarks/around
TIMED   := env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE OMP_NUM_THREADS=$(THREADS) OPENBLAS_NUM_THREADS=$(THREADS) \
	MKL_NUM_THREADS=$(THREADS) MANUAL_NUM_THREADS=$(THREADS)
bench: $(BIN)/.test
	mkdir -p build
	$(TIMED) $(BIN)/python -m pytest $(BENCH) --benchmark-only --benchmark-min-rounds=$(ROUNDS) --benchmark-max-time=0.3 \
	  --benchmark-cprofile=tottime --benchmark-cprofile-loops=20 --benchmark-json=build/benchmarks.json
	$(BIN)/python -m benchmarks.document build/benchmarks.json

# Every convolution of seven networks, in pieces: cells that build/networks.jsonl has are not measured again. CELLS= selects,
# as in CELLS="--network unet --batch 4 --dtype float32"; SECONDS= is the length of a piece. Then the table of all of them.
CELLS   ?=
SECONDS ?= 200
bench-networks: $(BIN)/.test
	$(TIMED) $(BIN)/python -m benchmarks.network_cells measure --seconds $(SECONDS) $(CELLS)
	$(BIN)/python -m benchmarks.network_cells table

torch: $(BIN)/.test
	$(INSTALL) --editable '.[torch]'

peers: $(BIN)/.test
	$(INSTALL) --editable '.[peers]'

bench-smoke: $(BIN)/.test
	$(BIN)/python -m pytest benchmarks benchmarks/around --benchmark-disable

clean:
	rm -rf $(VENV) .benchmarks .hypothesis .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment's own pip may be too old to know --group or --build-constraint, hence the pinned one.
$(BIN)/.project: $(PINS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is not Python 3.11 or newer: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt pip
	$(INSTALL) --editable .
	touch $@

$(BIN)/.test: $(BIN)/.project
	$(INSTALL) --group test
	touch $@

$(BIN)/.notebook: $(BIN)/.test
	$(INSTALL) --group notebook
	touch $@

# The type checker follows the imports of the tests too.
$(BIN)/.lint: $(BIN)/.test
	$(INSTALL) --group lint
	touch $@

# What a check costs.
bench-judge: $(BIN)/.test
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BIN)/python -m benchmarks.judge

# The proof of the judge: planted mistakes, and 2,000 healthy checks.
mutants: $(BIN)/.test
	$(BIN)/python -m crosscheck.lecture.proof

# Planted mistakes in operations beyond convolutions: caught, named, and named truly. ONLY= selects rows.
beyond: $(BIN)/.test
	$(BIN)/python -m tests.beyond $(if $(ONLY),--only "$(ONLY)") $(if $(JOBS),--jobs $(JOBS))

# Random programs, each with its truth to fifty digits: what the judge makes of them. All cores unless JOBS says how many.
COUNT ?= 5000
SEED  ?= 0
programs: $(BIN)/.test
	$(BIN)/python -m tests.programs --count $(COUNT) --seed $(SEED) $(if $(JOBS),--jobs $(JOBS))

# The judge without our layers: a wheel of it, an environment of its own, and its own tests (ONE_OF=3: a third of them).
judge-alone: $(BIN)/.test
	$(BIN)/python tools/judge_alone.py -q $(PARALLEL) $(if $(ONE_OF),--one-of $(ONE_OF))

# Environments of their own, in build/versions: ONLY=oldest makes those whose name contains it, TESTS= names the tests.
versions: $(BIN)/.test
	$(BIN)/python tools/versions.py $(if $(ONLY),--only $(ONLY)) -q $(TESTS)

# Planted conditions, found and worded; healthy layers, of which none is said. ONLY= selects rows.
survey-planted: $(BIN)/.test
	$(BIN)/python -m tests.survey.planted --seed $(or $(SEED),0) $(if $(ONLY),--only "$(ONLY)")
	$(BIN)/python -m tests.survey.planted --seed $(or $(SEED),0) --later $(if $(ONLY),--only "$(ONLY)")

# The node tests that the package onnx generates, forward and all gradients; writes docs/onnx.md.
onnx: $(BIN)/.test
	$(INSTALL) --editable '.[onnx]'
	$(BIN)/python -m tests.onnx $(if $(JOBS),--jobs $(JOBS))

# The laws of random roundings: what may differ is wide enough, and not too wide.
laws: $(BIN)/.test
	$(BIN)/python -m tests.rounding.laws
	$(BIN)/python -m tests.rounding.programs

# What random roundings cost.
bench-roundings: $(BIN)/.test
	$(BIN)/python -m benchmarks.roundings

# Long and large references, right and wrong: seconds and memory against what is promised.
bench-limits: $(BIN)/.test
	$(BIN)/python -m benchmarks.judge_limits

# The planted mistakes through other gradient checkers too; writes docs/checkers.md. Needs torch and autograd.
checkers: peers
	$(BIN)/python -m benchmarks.checkers
