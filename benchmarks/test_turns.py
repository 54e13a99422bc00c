"""The layer on pytest-benchmark: rounds are counted, disturbed ones dropped, and the plugin gets just these."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import document
from benchmarks.measured import core, read
from benchmarks.turns import Clock, Contender, Product, time_in_turns

ROOT = Path(__file__).parents[1]
CORE = "benchmarks/test_convolution.py::test_convolution"
CELL = f"{CORE}[lecture1-float32-forward-"


@pytest.fixture
def product(monkeypatch: pytest.MonkeyPatch) -> Product:
    monkeypatch.setattr("benchmarks.turns.SIDE", 64)
    return Product("float32")


def test_rounds_are_counted(monkeypatch: pytest.MonkeyPatch, product: Product) -> None:
    monkeypatch.setattr("benchmarks.turns.UNDISTURBED", 0.0)
    pair = {"one": Contender(lambda: sum(range(2000))), "other": Contender(lambda: sum(range(4000)))}
    timed = time_in_turns(pair, product, rounds=2, seconds=0.001)
    assert len(timed.seconds["one"]) == len(timed.seconds["other"]) == len(timed.product) == 2
    assert timed.dropped == 0


def test_disturbed_rounds_are_dropped(monkeypatch: pytest.MonkeyPatch, product: Product) -> None:
    rates = iter([100.0, 100.0, 100.0, 10.0, 100.0, 90.0])
    product.best = 100.0
    monkeypatch.setattr(product, "rate", lambda: next(rates))
    timed = time_in_turns({"one": Contender(lambda: None)}, product, rounds=2, seconds=0.001)
    assert (timed.dropped, timed.product) == (1, [100.0, 90.0])


def test_the_clock_replays_the_rounds() -> None:
    clock = Clock()
    clock.show([0.25, 0.5])
    assert [-(clock() - clock()) for _ in range(2)] == [0.25, 0.5]


def measure(*arguments: str, planted: str = "") -> subprocess.CompletedProcess[str]:
    """A run of the suite in a process of its own, after a statement that plants a mistake."""
    code = f"import sys, pytest\n{planted}\nsys.exit(pytest.main(sys.argv[1:]))"
    brief = ("--benchmark-only", "--benchmark-min-rounds=1", "--benchmark-max-time=0.001", "-p", "no:cacheprovider")
    command = [sys.executable, "-c", code, *brief, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_run_keeps_the_ratio_of_its_rounds_and_makes_the_document(tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    small = "from benchmarks import turns; turns.SIDE = 256"
    done = measure(f"{CELL}auto]", f"{CELL}jax]", f"--benchmark-json={file}", planted=small)
    assert done.returncode == 0, done.stdout
    (group,) = core(read(file))
    ours, theirs = (group.records[name]["stats"]["data"] for name in ("auto", "jax"))
    assert len(ours) == len(theirs) == len(group.info("auto")["product"])
    pairs = sorted(mine / other for mine, other in zip(ours, theirs, strict=True))
    assert pairs[0] <= (group.over("auto", "jax") or 0.0) <= pairs[-1]
    assert {"flops", "share", "engine", "threads", "blas", "versions"} <= group.info("auto").keys()
    document.main(str(file), str(tmp_path))
    page = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert f"| lecture1 forward | small | {group.milliseconds('auto'):.3g} |" in page
    assert (tmp_path / "img" / "ratios.png").exists()


# A contender that computes something else: one entry of the output, by one unit in the last place.
WRONG = """
import numpy as np
from benchmarks import contenders
right = contenders.our_pass
def wrong(*arguments):
    call = right(*arguments)
    def nearly():
        y = call()[0].copy()
        y[1, 2, 3, 0] = np.nextafter(y[1, 2, 3, 0], np.float32(np.inf))
        return (y,)
    return nearly
contenders.our_pass = wrong
def time_in_turns(*arguments, **options):
    raise AssertionError("timed")
from benchmarks import turns
turns.time_in_turns = time_in_turns
"""


def test_a_wrong_contender_is_refused_before_anyone_is_timed(tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    done = measure(f"{CELL}auto]", f"{CELL}jax]", f"--benchmark-json={file}", planted=WRONG)
    assert done.returncode != 0
    assert "result 0 differs in 1 of" in done.stdout
    assert "2 errors" in done.stdout
    assert "AssertionError" not in done.stdout
    assert not file.exists() or not file.read_text() or not json.loads(file.read_text())["benchmarks"]
