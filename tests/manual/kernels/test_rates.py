"""Rates of a machine: measured, kept, read again, and ignored where they are not this machine's."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from manual import kernels
from manual.kernels import rates
from manual.kernels.rates import BUILT_IN, Rates, place, rates_of
from manual.kernels.work import Work

MEASURE = rates.measure


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of its own, nothing measured so far, and a measurement that takes no time."""
    monkeypatch.setattr(rates, "measure", lambda dtype: Rates(*(3 * rate for rate in BUILT_IN[str(dtype)])))
    monkeypatch.setattr(rates.platformdirs, "user_cache_dir", lambda name: str(tmp_path / name))
    monkeypatch.delenv(rates.ENVIRONMENT, raising=False)
    monkeypatch.setattr(rates, "current", {})
    rates_of.cache_clear()
    yield tmp_path
    rates_of.cache_clear()
    kernels.resolve.cache_clear()


def afresh(monkeypatch: pytest.MonkeyPatch) -> dict[str, Rates]:
    """What a process that begins now finds."""
    monkeypatch.setattr(rates, "current", {})
    rates_of.cache_clear()
    return {name: rates_of(name, kernels.num_threads()) for name in BUILT_IN}


def test_measured_once_and_read_by_the_next_process(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    assert afresh(monkeypatch) == BUILT_IN
    measured = kernels.calibrate()
    assert measured != BUILT_IN
    assert {name: rates_of(name, kernels.num_threads()) for name in BUILT_IN} == measured
    assert [path.name for path in folder.rglob("*.json")] == [place().name]
    assert afresh(monkeypatch) == measured


def test_measured_rates_are_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "measure", MEASURE)
    for dtype, measured in kernels.calibrate().items():
        assert all(0 <= rate < 1 for rate in measured)
        assert measured.flops > 1e-13, dtype  # 10 000 GF/s on one thread
        assert measured.calls < 1e-3


SPOILT = {
    "empty": lambda text: "",
    "cut off": lambda text: text[: len(text) // 2],
    "another form": lambda text: "[]",
    "another machine": lambda text: json.dumps({**json.loads(text), "machine": {"numpy": "1.0"}}),
    "rates missing": lambda text: json.dumps({**json.loads(text), "rates": {"float32": {}}}),
    "negative": lambda text: text.replace('"flops": ', '"flops": -'),
    "not a number": lambda text: text.replace('"calls": ', '"calls": "', 1).replace(', "handed"', '", "handed"', 1),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_file_that_says_something_else_is_none(monkeypatch: pytest.MonkeyPatch, spoilt: str) -> None:
    kernels.calibrate()
    text = place().read_text(encoding="utf-8")
    assert SPOILT[spoilt](text) != text
    place().write_text(SPOILT[spoilt](text), encoding="utf-8")
    assert afresh(monkeypatch) == BUILT_IN


def test_other_threads_have_rates_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels.calibrate()
    with kernels.threads.threads(kernels.num_threads() + 1):
        assert afresh(monkeypatch) == BUILT_IN


def test_switched_off(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    kernels.calibrate()
    monkeypatch.setenv(rates.ENVIRONMENT, "off")
    assert afresh(monkeypatch) == BUILT_IN
    place().unlink()
    kernels.calibrate()
    assert not list(folder.rglob("*.json"))


def test_a_folder_that_cannot_be_written_to(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "file").touch()
    monkeypatch.setattr(rates.platformdirs, "user_cache_dir", lambda name: str(folder / "file" / name))
    measured = kernels.calibrate()
    assert rates_of("float32", kernels.num_threads()) == measured["float32"]


def test_seconds_are_the_work_at_the_rates() -> None:
    work = Work(flops=2e9, moved=1e6, calls=3)
    one = Rates(1e-11, 1, 1, 1, 1e-10, 1, 1, 1e-6, 1)
    assert rates.seconds(work, one) == pytest.approx(2e-2 + 1e-4 + 3e-6)
