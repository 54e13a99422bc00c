"""What is put together is what was there: runs of writes, of additions, and groups of equal steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from crosscheck.recorder import rolling
from crosscheck.recorder.memory import add_all, put_all
from crosscheck.recorder.record import Replayed, record
from crosscheck.recorder.rolling import EqualSteps, Writes
from crosscheck.traces.precision import double_precision

Array = np.ndarray
X = np.random.default_rng(0).normal(size=6)


def of(forward: Callable[[Any], Any]) -> Replayed:
    found = record(lambda values: forward(values["x"]), {"x": X})
    assert found.reference is not None, found.why_not
    return found.reference


def functions(reference: Replayed) -> list[Any]:
    return [step.function for step in reference.replay.steps]


def in_jax(reference: Replayed) -> Array:
    with double_precision():
        return np.asarray(jax.jit(lambda x: reference(x=x))(X))


def fills(x: Any) -> Any:
    y = np.zeros(6)
    for i in range(6):
        y[i] = x[i] * x[5 - i]
    return y


def adds_up(x: Any) -> Any:
    y = np.ones(3)
    for i in range(6):
        y[i % 3] += x[i] ** 2
    return y


def adds_to_parts(x: Any) -> Any:
    y = np.ones((3, 4))
    for i in range(3):
        y[i, i:] += x[i : i + 1]
        y[:, i] += 2 * x[i]
    return y


def reads_between(x: Any) -> Any:
    y = np.zeros(3)
    y[0] = x[0]
    y[1] = y[0] * 2
    z = y * 1
    y[2] = z.sum()
    return y + z


def overwrites(x: Any) -> Any:
    y = np.zeros(4)
    for i in (0, 1, 1, 3, 0):
        y[i] = x[i] * (i + 1)
    return y


ONE_STEP = {fills: put_all, adds_up: add_all, adds_to_parts: add_all, overwrites: put_all}


@pytest.mark.parametrize("forward", [*ONE_STEP, reads_between], ids=lambda f: f.__name__)
@pytest.mark.parametrize("short", [0, 10**6], ids=["rolled", "as written"])
def test_what_is_put_together_gives_the_same(forward: Any, short: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rolling, "SHORT", short)
    reference = of(forward)
    np.testing.assert_allclose(in_jax(reference), forward(X), rtol=1e-14)
    if forward in ONE_STEP:
        assert functions(reference).count(ONE_STEP[forward]) == 1


def test_equal_steps_are_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rolling, "SHORT", 0)
    parts = of(fills).replay.parts
    assert [type(p) for p in parts] == [EqualSteps, EqualSteps, Writes]


def test_what_is_not_needed_is_left_out() -> None:
    def wastes(x: Any) -> Any:
        np.exp(x)
        return x * 2

    assert functions(of(wastes)) == [np.multiply]
