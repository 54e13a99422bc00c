"""The audit as a whole: healthy operations are not accused, what it costs, what it returns, and what passes through."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crosscheck.doors.layers import from_layer
from crosscheck.effects.audit import audit
from crosscheck.effects.calls import Site
from tests.effects.healthy import HEALTHY, Array, Arrays, Rng, dense_backward, operation, watched
from tests.effects.planted import Memory, calls, healthy, plain, planted, single_precision

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_operations_are_not_accused(name: str, dtype: type, rng: Rng) -> None:
    forward, backward, shapes = HEALTHY[name]
    for _ in range(25):
        inputs = {k: rng.normal(size=s).astype(dtype) for k, s in shapes(rng).items()}
        if name == "cross-entropy":
            inputs["labels"] = rng.integers(0, inputs["x"].shape[1], len(inputs["x"]))
        found = watched(operation(forward, backward, inputs), rng)
        told = [f for f in found.findings if f.kind != "zero-size" and name != "flatten"]
        assert not told
        assert not [f for f in found.findings if f.fails]
        assert {f.kind for f in found.findings} <= {"zero-size", "aliased"}


def test_one_look_costs_two_forwards_and_three_backwards(rng: Rng) -> None:
    calls = {"forward": 0, "backward": 0}

    def forward(x: Array) -> Array:
        calls["forward"] += 1
        return np.outer(x, x)

    def backward(g: Array, x: Array) -> Arrays:
        calls["backward"] += 1
        return {"x": (g + g.T) @ x}

    x, other = rng.normal(size=4), rng.normal(size=4)
    v, w = rng.normal(size=(4, 4)), rng.normal(size=(4, 4))
    subject = operation(forward, lambda grad_output, x: backward(grad_output, x), {"x": x})
    truth = {"x": (w + w.T) @ other}
    found = audit(subject, v, Site({"x": other}, w, truth), {})
    assert not found.findings
    assert calls == {"forward": 3, "backward": 3}  # the third forward: is axis 0 a batch? it is not
    assert np.array_equal(found.gradients["x"], (v + v.T) @ x)
    assert np.array_equal(found.gradients_at_other["x"], truth["x"])
    assert found.output_at_other is not None


def test_a_batch_costs_two_small_forwards_and_a_backward_more(rng: Rng) -> None:
    samples: dict[str, list[int]] = {"forward": [], "backward": []}

    def forward(m: Memory, x: Array, w: Array, b: Array) -> Array:
        samples["forward"].append(len(x))
        return plain(m, x, w, b)

    def backward(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
        samples["backward"].append(len(x))
        return dense_backward(g, x, w, b)

    assert not planted(backward, rng, forward=forward).findings
    assert samples == {"forward": [5, 5, 1, 0], "backward": [5, 5, 5, 0]}


def test_without_the_truth_at_b_there_is_one_backward_more(rng: Rng) -> None:
    backwards = 0

    def backward(g: Array, x: Array) -> Arrays:
        nonlocal backwards
        backwards += 1
        return {"x": (g + g.T) @ x}

    x, v = rng.normal(size=4), rng.normal(size=(4, 4))
    assert not audit(operation(lambda x: np.outer(x, x), backward, {"x": x}), v, Site({"x": x + 1}, v + 1), {}).findings
    assert backwards == 4


def test_the_truth_is_asked_on_suspicion_only(rng: Rng) -> None:
    def truth(inputs: Arrays, cotangent: Array) -> Arrays:
        raise AssertionError("nothing is suspicious")

    given = calls(healthy, rng)
    assert not audit(given.operation, given.a.cotangent, given.b, {}, truth).findings


def test_failing_findings_come_first(rng: Rng) -> None:
    def effect(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
        return single_precision(m, g * g, x, w, b)

    fails = [f.fails for f in planted(effect, rng).findings]
    assert fails == sorted(fails, reverse=True)
    assert set(fails) == {True, False}


def test_the_first_answer_is_copied_before_it_can_change(rng: Rng) -> None:
    memory = Memory()
    x, v = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))

    def backward(grad_output: Array, x: Array) -> Arrays:
        memory.kept.setdefault("x", np.empty_like(x))[...] = 2 * grad_output * x
        return {"x": memory.kept["x"]}

    subject = operation(lambda x: x * x, backward, {"x": x})
    found = audit(subject, v, Site({"x": x + 1}, v + 1), {})
    assert np.array_equal(found.gradients["x"], 2 * v * x)
    assert "overwritten" in found.findings[0].explanation


def test_an_exception_on_plain_arrays_passes_through() -> None:
    def backward(grad_output: Array, x: Array) -> Arrays:
        raise ZeroDivisionError("mine")

    subject = operation(lambda x: x, backward, {"x": np.ones(3)})
    with pytest.raises(ZeroDivisionError, match="mine"):
        audit(subject, np.ones(3), Site({"x": np.zeros(3)}, np.ones(3)), {})


def test_an_exception_at_the_second_call_passes_through() -> None:
    memory = Memory()

    def backward(grad_output: Array, x: Array) -> Arrays:
        if memory.kept.setdefault("called", 0):
            raise RuntimeError("only once")
        memory.kept["called"] = 1
        return {"x": grad_output}

    subject = operation(lambda x: x.copy(), backward, {"x": np.ones(3)})
    with pytest.raises(RuntimeError, match="only once"):
        audit(subject, np.ones(3), Site({"x": np.zeros(3)}, np.ones(3)), {})


def test_a_refused_second_point_is_left_out(rng: Rng) -> None:
    def root(x: Array) -> Array:
        if (x < 0).any():
            raise ValueError("x must not be negative")
        return np.sqrt(x)

    def backward(grad_output: Array, x: Array) -> Arrays:
        return {"x": grad_output / (2 * root(x))}

    subject = operation(root, backward, {"x": rng.uniform(1, 2, (3, 4))})
    v = rng.normal(size=(3, 4))
    found = audit(subject, v, Site({"x": -np.ones((3, 4))}, v), {})
    assert found.output_at_other is None
    assert not found.findings


# ---------------------------------------------------------------------- layers


class Scale:
    """A layer of the kind that stores its gradient: y = x · factor, one factor per column."""

    def __init__(self, store: str) -> None:
        self.store = store
        self.factor = np.array([1.5, -2.0, 0.5])
        self.gradient = np.zeros(3)
        self.x = np.zeros(0)

    @property
    def parameters(self) -> Array:
        return self.factor

    @parameters.setter
    def parameters(self, flat: Array) -> None:
        self.factor = np.array(flat)

    def named_parameters(self) -> Arrays:
        return {"factor": self.factor}

    def named_gradients(self) -> Arrays:
        return {"factor": self.gradient}

    def forward(self, x: Array) -> Array:
        self.x = x
        return x * self.factor

    def backward(self, grad_output: Array) -> Array:
        gradient = (grad_output * self.x).sum(0)
        if self.store == "new":
            self.gradient = gradient
        elif self.store == "same":
            self.gradient[...] = gradient
        else:
            self.gradient = self.gradient + gradient
        return grad_output * self.factor


@pytest.mark.parametrize(
    ("store", "expected"),
    [("new", []), ("same", [("aliased", False)]), ("adds", [("accumulates", True)])],
)
def test_a_layer_may_return_its_own_gradient(store: str, expected: list[tuple[str, bool]], rng: Rng) -> None:
    found = watched(from_layer(Scale(store), rng.normal(size=(4, 3))), rng)
    assert [(f.kind, f.fails) for f in found.findings] == expected


# ---------------------------------------------------------------------- NumPy only


@pytest.mark.parametrize("module", ["audit", "probes"])
def test_the_audit_loads_no_jax(module: str) -> None:
    code = f"import sys, crosscheck.effects.{module}; print('numpy' in sys.modules, 'jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
