"""Arguments written to, memory shared or written to later, dtypes changed."""

from __future__ import annotations

import numpy as np

from crosscheck.effects.audit import audit
from crosscheck.effects.calls import Site
from tests.effects.healthy import (
    Array,
    Arrays,
    Rng,
    cross_entropy,
    cross_entropy_backward,
    dense_backward,
    operation,
    watched,
)
from tests.effects.planted import (
    Memory,
    double_precision,
    gives_the_cotangent_back,
    planted,
    reuses_a_buffer,
    scales_the_cotangent,
    single_precision,
)


def test_a_reused_buffer_is_told(rng: Rng) -> None:
    findings = planted(reuses_a_buffer, rng).findings
    assert [f.kind for f in findings] == ["aliased", "zero-size"]  # its buffer fits one batch only
    assert not any(f.fails for f in findings)


def test_an_array_returned_twice_is_told(rng: Rng) -> None:
    subject = operation(
        lambda x, y: x + y,
        lambda grad_output, x, y: {"x": grad_output, "y": grad_output},
        {"x": rng.normal(size=(2, 3)), "y": rng.normal(size=(2, 3))},
    )
    findings = watched(subject, rng).findings
    assert [(f.kind, f.fails) for f in findings] == [("aliased", False)] * 3
    assert "the gradients of x and y share memory" in [f.explanation for f in findings]


def test_a_promoted_dtype_is_told(rng: Rng) -> None:
    findings = planted(double_precision, rng, np.float32).findings
    assert [f.kind for f in findings] == ["dtype"] * 3
    assert "float64 instead of float32" in findings[0].explanation


def test_an_output_that_changes_later_is_told(rng: Rng) -> None:
    buffer = np.empty((3, 4))

    def forward(x: Array) -> Array:
        return np.multiply(x, x, out=buffer)

    subject = operation(forward, lambda grad_output, x: {"x": 2 * grad_output * x}, {"x": rng.normal(size=(3, 4))})
    v = rng.normal(size=(3, 4))
    found = audit(subject, v, Site({"x": rng.normal(size=(3, 4))}, v + 1), {})
    assert next(f.kind for f in found.findings if not f.fails) == "aliased"
    assert "forward" in found.findings[0].explanation


def test_integer_inputs_are_watched_too(rng: Rng) -> None:
    def backward(grad_output: Array, x: Array, labels: Array) -> Arrays:
        found = cross_entropy_backward(grad_output, x, labels)
        labels[:] = 0
        return found

    inputs = {"x": rng.normal(size=(4, 3)), "labels": np.array([0, 2, 1, 1])}
    found = watched(operation(cross_entropy, backward, inputs), rng)
    assert found.findings[0].explanation == "backward writes to its argument labels"


def test_an_output_that_is_a_view_of_the_arguments_is_not_called_overwritten(rng: Rng) -> None:
    subject = operation(lambda x: x.reshape(-1), lambda g, x: {"x": g.reshape(x.shape).copy()}, {"x": np.ones((2, 3))})
    assert not watched(subject, rng).findings


def test_only_a_smaller_float_loses_precision(rng: Rng) -> None:
    def rounded(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
        found = dense_backward(g, x, w, b)
        return {**found, "b": np.rint(found["b"]).astype(int)}

    lost = [f.explanation for f in planted(single_precision, rng).findings]
    assert len(lost) == 3
    assert all("loses precision" in sentence for sentence in lost)
    told = [f.explanation for f in planted(rounded, rng).findings if f.kind == "dtype"]
    assert len(told) == 1
    assert "changes its dtype" in told[0]


def test_the_cotangent_has_a_name_of_its_own(rng: Rng) -> None:
    assert "backward writes to grad_output, which arrives" in [
        f.explanation for f in planted(scales_the_cotangent, rng).findings
    ]
    told = [f.explanation for f in planted(gives_the_cotangent_back, rng).findings if f.kind == "aliased"]
    assert told == ["the gradient of b shares memory with grad_output"]
