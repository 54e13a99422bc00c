"""Steps in words, and mistakes at one step or at all of a kind."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from crosscheck.diagnosis.budget import Budget
from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.expressions import Arriving
from crosscheck.diagnosis.labels import label, value_name
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.steps import arrays_of_shape, at_step, everywhere, live_steps
from crosscheck.doors.functions import from_functions
from crosscheck.traces.tape import Tape, record
from tests.diagnosis.harness import judged


def two_layers(x, w, u):
    return jax.nn.relu(jax.nn.relu(x @ w) @ u)


def tape_of(rng: np.random.Generator) -> Tape:
    inputs = {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 5)), "u": rng.normal(size=(5, 4))}
    return record(two_layers, inputs, tuple(inputs))


def test_steps_of_a_kind_are_told_apart(rng: np.random.Generator) -> None:
    tape = tape_of(rng)
    assert [label(tape, k) for k in range(len(tape.steps))] == [
        "the matrix product with w",
        "relu (number 1 of 2)",
        "the matrix product with u",
        "relu (number 2 of 2)",
    ]


def test_values_have_names(rng: np.random.Generator) -> None:
    tape = tape_of(rng)
    assert value_name(tape, tape.inputs["w"]) == "w"
    assert value_name(tape, tape.output) == "the output"
    assert value_name(tape, tape.steps[0].writes[0]) == "the result of the matrix product with w"
    spread = record(lambda x: jnp.broadcast_to(x[None], (2, 3)) * 2.0, {"x": np.ones(3)}, ("x",))
    product = next(step for step in spread.steps if step.name == "mul")
    assert value_name(spread, product.reads[0]) == "x"


def test_a_step_that_no_gradient_passes_can_be_named() -> None:
    """exp of a constant and exp of x: the first is no step of the backward pass."""
    index = jnp.arange(3.0)
    tape = record(lambda x: jnp.exp(jax.lax.stop_gradient(x)) * jnp.exp(x) * index, {"x": np.ones(3)}, ("x",))
    names = [value_name(tape, place) for place in range(len(tape.avals))]
    assert "x" in names
    assert all(names)


def test_arrays_of_one_shape(rng: np.random.Generator) -> None:
    tape = tape_of(rng)
    found = dict(arrays_of_shape(tape, (4, 5), 1))
    assert set(found) == {
        "the incoming gradient",
        "the result of the matrix product with w",
        "the result of relu (number 1 of 2)",
    }
    assert not list(arrays_of_shape(tape, (), 1))


def test_a_mistake_at_every_step_of_a_kind(rng: np.random.Generator) -> None:
    def forward(x, w, u):
        return np.maximum(np.maximum(x @ w, 0) @ u, 0)

    inputs = {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 5)), "u": rng.normal(size=(5, 4))}
    operation = from_functions(forward, lambda g, x, w, u: {"x": x, "w": w, "u": u}, inputs, two_layers)
    v = rng.normal(size=(4, 4))
    problem = Problem(operation, v, *judged(operation, v), seed=0, budget=Budget())

    def family(problem: Problem, name: str) -> Iterator[Candidate]:
        for tape, k, step in live_steps(problem):
            if step.name != "dot_general":
                yield at_step(tape, "missing-mask", f"lacks {label(tape, k)}", k, gives=((0, Arriving(k)),))

    first, second, both = everywhere(family)(problem, "x")
    assert (first.text, second.text) == ("lacks relu (number 1 of 2)", "lacks relu (number 2 of 2)")
    assert both.text == "lacks every relu"
    assert both.parts == (*first.parts, *second.parts)
    assert everywhere(family).__name__ == "family"
