"""What a machine takes for the work that `work.py` counts: a few rates, built in or measured.

    seconds = Σ work[r] · rate[r]  over the kinds r of work                     (1)

`calibrate()` measures them in about a second and keeps them in the user's cache folder, under the processor, NumPy, its
BLAS and the number of threads: whatever differs there has rates of its own. A file that cannot be read, or is of
another form, is as good as none. Where nothing was measured the built-in rates hold: those of a server core with
AVX-512. Nothing is measured unless somebody asks: a choice that changed with the load of the day would make results
that differ by their rounding.

The environment variable MANUAL_CALIBRATION says "off" where neither a file is to be read nor one written.

Letters: r a kind of work.
"""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import platformdirs

from manual.kernels.work import Work
from manual.machine import threads

ENVIRONMENT = "MANUAL_CALIBRATION"
FORM = 1  # of the file; another one is not read
SIDE, SHORT = 384, 8  # of the matrices that are multiplied: all sides long, and one of them short
COPIED = 2**18  # numbers in a copy
REPEATS = 5
RESTED = 0.002  # seconds


class Rates(NamedTuple):
    """Seconds per unit of each kind of work, as in `Work`, on one thread."""

    flops: float
    rows: float
    columns: float
    inner: float
    moved: float
    runs: float
    added: float
    calls: float
    handed: float


BUILT_IN = {
    "float32": Rates(1.3e-11, 6e-11, 6e-11, 6e-11, 4e-11, 6e-9, 3e-11, 1.5e-6, 1e-4),
    "float64": Rates(2.6e-11, 1.2e-10, 1.2e-10, 1.2e-10, 4e-11, 6e-9, 3e-11, 1.5e-6, 1e-4),
}


def seconds(work: Work, rates: Rates) -> float:
    return sum(amount * rate for amount, rate in zip(work, rates, strict=True))  # (1)


# ---------------------------------------------------------------------- measured


def calibrate() -> dict[str, Rates]:
    """Measure the rates of this machine, in about a second, keep them for later processes, and use them from now on.

    Returns:
        The rates by dtype, "float32" and "float64".
    """
    with threads.blas_at_one_thread:
        measured = {name: measure(np.dtype(name)) for name in BUILT_IN}
    if allowed():
        keep(measured)
    rates_of.cache_clear()
    current.update(measured)
    return measured


def best(work: Callable[[], object]) -> float:
    """The least time of a few calls."""
    work()
    found = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def handing_over() -> float:
    """To a thread that has rested, as it does between the calls of a program that does other things, too."""
    found = []
    for _ in range(4 * REPEATS):
        time.sleep(RESTED)
        start = time.perf_counter()
        threads.run(lambda part: None, 2)
        found.append(time.perf_counter() - start)
    return median(found)


def measure(dtype: np.dtype) -> Rates:
    """A product with long sides, and what one short side of each kind adds to it; copies in long and short runs; a call
    with the views that it is given.
    """
    rng = np.random.default_rng(0)

    def product(rows: int, columns: int, inner: int) -> float:
        """Seconds per flop."""
        left, right = (rng.standard_normal(shape).astype(dtype) for shape in ((rows, inner), (inner, columns)))
        out = np.empty((rows, columns), dtype)
        return best(lambda: np.matmul(left, right, out=out)) / (2 * rows * columns * inner)

    flops = product(SIDE, SIDE, SIDE)
    short = [product(*(SHORT if axis == side else SIDE for axis in range(3))) for side in range(3)]
    rows, columns, inner = (max(0.0, one - flops) * SHORT for one in short)

    source, target = (np.ones(COPIED, dtype) for _ in range(2))
    bytes_copied = COPIED * dtype.itemsize
    moved = best(lambda: np.copyto(target, source)) / bytes_copied
    wide = np.ones((COPIED // SHORT, 2 * SHORT), dtype)
    in_runs = best(lambda: np.copyto(target.reshape(-1, SHORT), wide[:, :SHORT]))
    runs = max(0.0, in_runs - moved * bytes_copied) / (COPIED // SHORT)
    weights = np.ones(2, dtype)
    views = np.stack([source, target])
    added = best(lambda: np.einsum("j,jn->n", weights, views, out=target, order="F")) / (2 * bytes_copied)
    small, result = np.ones((2, 2), dtype), np.empty((2, 2), dtype)
    calls = best(lambda: [np.matmul(small[:1], small, out=result[:1]) for _ in range(100)]) / 100
    handed = handing_over() if threads.num_threads() > 1 else 0.0
    return Rates(flops, rows, columns, inner, moved, runs, added, calls, handed)


# ---------------------------------------------------------------------- kept


def allowed() -> bool:
    return os.environ.get(ENVIRONMENT, "").strip().lower() != "off"


def machine() -> dict[str, Any]:
    """What the rates depend on."""
    return {
        "form": FORM,
        "processor": processor(),
        "numpy": np.__version__,
        "blas": threads.blas(),
        "threads": threads.num_threads(),
    }


def processor() -> str:
    """Its name as the system gives it; platform.processor() is empty or an architecture on many."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "flags", "Features"))]
    return " ".join(dict.fromkeys(named)) or platform.processor() or platform.machine()


def place() -> Path:
    """Where the rates of this machine are kept."""
    key = hashlib.sha256(json.dumps(machine(), sort_keys=True).encode()).hexdigest()[:16]
    return Path(platformdirs.user_cache_dir("crosscheck")) / f"rates-{key}.json"


def keep(measured: dict[str, Rates]) -> None:
    """Write them; a folder that cannot be written to is no reason to fail."""
    text = json.dumps({"machine": machine(), "rates": {name: rates._asdict() for name, rates in measured.items()}})
    try:
        path = place()
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}")  # and moved into place: another process reads all of it or none
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError:
        return


def kept() -> dict[str, Rates]:
    """What was measured on this machine before; nothing where no file says so."""
    try:
        found = json.loads(place().read_text(encoding="utf-8"))
        rates = {name: Rates(**found["rates"][name]) for name in BUILT_IN}
        right = found["machine"] == machine() and all(sensible(one) for one in rates.values())
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return rates if right else {}


def sensible(rates: Rates) -> bool:
    return all(isinstance(rate, float) and 0 <= rate < 1 for rate in rates) and rates.flops > 0


current: dict[str, Rates] = {}  # measured by this process


@lru_cache(2)
def rates_of(dtype: str, number_of_threads: int) -> Rates:
    """Those that hold now: measured by this process, kept by another, or built in."""
    found = current or (kept() if allowed() else {})
    return found.get(dtype, BUILT_IN[dtype])
