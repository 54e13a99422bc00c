"""A long tape: the same numbers as one that is compiled as one, and no compilation for other numbers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.traces import tape as tapes
from crosscheck.traces.pieces import COMPILED
from crosscheck.traces.tape import record

X, W = np.random.default_rng(0).normal(size=(2, 3)), np.random.default_rng(1).normal(size=(3, 3))
V = np.random.default_rng(2).normal(size=(2, 3))


def unrolled(closed: float) -> Any:
    def reference(x: Any, w: Any) -> Any:
        for i in range(40):
            x = jax.nn.relu(x @ w) + jnp.tanh(x) * closed + x[:, ::-1] / (i + 1)
        return x

    return reference


def test_it_gives_what_the_compiled_tape_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = {"x": X, "w": W}
    long = record(unrolled(0.5), inputs, ("x", "w"))
    assert long.stepwise
    monkeypatch.setattr(tapes, "MANY_STEPS", 10**6)
    monkeypatch.setattr(tapes, "TAPES", type(tapes.TAPES)(4))
    whole = record(unrolled(0.5), inputs, ("x", "w"))
    assert not whole.stepwise
    a, b = long.run(inputs), whole.run(inputs)
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(np.asarray(one, float), np.asarray(other, float), rtol=1e-9, atol=1e-12)
    edge = long.edges[7]
    shape = long.avals[long.steps[edge[0]].reads[edge[1]]].shape
    all_switches: list[dict[str, Any]] = [{}, {"scales": {edge: 2.0}}, {"injected": {edge: np.ones(shape)}}]
    for switches in all_switches:
        p, q = long.pull(a, V, **switches), whole.pull(b, V, **switches)
        for k in inputs:
            np.testing.assert_allclose(p.gradients[k], q.gradients[k], rtol=1e-8)
        assert [g is None for g in p.arriving] == [g is None for g in q.arriving]


def test_a_loop_is_compiled_once_for_all_of_its_turns() -> None:
    inputs = {"x": X, "w": W}
    before = len(COMPILED.kept)
    long = record(unrolled(0.25), inputs, ("x", "w"))
    long.pull(long.run(inputs), V)
    assert len(COMPILED.kept) - before < len(long.steps) / 3


def test_a_tape_is_shared_by_references_that_close_over_other_numbers() -> None:
    def closing(numbers: Any) -> Any:
        return lambda x: jnp.tanh(x * jnp.asarray(numbers))

    one = record(closing(np.array([1.0, 2.0, 3.0])), {"x": X}, ("x",))
    other = record(closing(np.array([-1.0, 0.5, 2.0])), {"x": X}, ("x",))
    assert one.compiled_run is other.compiled_run
    for tape, numbers in ((one, [1.0, 2.0, 3.0]), (other, [-1.0, 0.5, 2.0])):
        np.testing.assert_allclose(np.asarray(tape.run({"x": X})[tape.output]), np.tanh(X * numbers), rtol=1e-14)
