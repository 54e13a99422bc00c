"""The tape: its backward is autodiff's, and a switch does what it says, against derivatives written out by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from crosscheck.traces.precision import double_precision
from crosscheck.traces.tape import Tape, record

Array = np.ndarray


def chain(x, filters, biases):
    z = lax.conv_general_dilated(x, filters, (2, 1), [(1, 1), (1, 1)]) + biases[:, None, None]
    return lax.reduce_window(jax.nn.relu(z), -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 1, 1), "VALID")


def polynomial(x, w):
    return x * x * w + jnp.sum(w * x)


def loss(x):
    return -jnp.mean(jax.nn.log_softmax(x)[np.arange(3), np.array([0, 2, 1])])


def loop(x):
    return lax.scan(lambda carry, row: (carry * 0.5 + jnp.tanh(row), carry), x[0], x)[1]


FORWARDS = {
    "chain": (chain, {"x": (2, 2, 6, 5), "filters": (3, 2, 3, 3), "biases": (3,)}),
    "polynomial": (polynomial, {"x": (3, 4), "w": (3, 4)}),
    "loss": (loss, {"x": (3, 4)}),
    "scan": (loop, {"x": (4, 3)}),
    "softplus": (jax.nn.softplus, {"x": (5,)}),
}


def inputs_of(shapes: dict[str, tuple[int, ...]], rng: np.random.Generator) -> dict[str, Array]:
    return {k: rng.normal(size=s) for k, s in shapes.items()}


@pytest.mark.parametrize("name", FORWARDS)
def test_unswitched_it_is_the_vjp(name: str, rng: np.random.Generator) -> None:
    forward, shapes = FORWARDS[name]
    inputs = inputs_of(shapes, rng)
    tape = record(forward, inputs, tuple(inputs))
    values = tape.run(inputs)
    with double_precision():
        y, pull = jax.vjp(lambda d: forward(**d), inputs)
        v = rng.normal(size=y.shape)
        truth = pull(jnp.asarray(v))[0]
    np.testing.assert_allclose(values[tape.output], y, rtol=1e-14)
    for k, gradient in tape.pull(values, v).gradients.items():
        np.testing.assert_allclose(gradient, truth[k], rtol=1e-12, atol=1e-13)


def step_of(tape: Tape, name: str) -> int:
    return next(k for k, step in enumerate(tape.steps) if step.name == name)


def test_relu_is_one_step_with_its_own_rule_at_zero() -> None:
    x = np.array([-1.0, 0.0, 2.0])
    tape = record(jax.nn.relu, {"x": x}, ("x",))
    assert len(tape.steps) == 1
    np.testing.assert_array_equal(tape.pull(tape.run({"x": x}), np.ones(3)).gradients["x"], [0, 0, 1])


def test_a_cut_edge_leaves_its_path_out(rng: np.random.Generator) -> None:
    inputs = inputs_of({"x": (3, 4), "w": (3, 4)}, rng)
    x, w = inputs["x"], inputs["w"]
    v = rng.normal(size=(3, 4))
    tape = record(polynomial, inputs, ("x", "w"))
    values = tape.run(inputs)
    cut = tape.pull(values, v, scales={(step_of(tape, "reduce_sum"), 0): 0.0}).gradients
    np.testing.assert_allclose(cut["x"], 2 * v * x * w, rtol=1e-14)
    np.testing.assert_allclose(cut["w"], v * x * x, rtol=1e-14)
    # x · x is one step read on two edges: half of 2x travels on each.
    half = tape.pull(
        values, v, scales={(step_of(tape, "reduce_sum"), 0): 0.0, (step_of(tape, "mul"), 0): 0.0}
    ).gradients
    np.testing.assert_allclose(half["x"], v * x * w, rtol=1e-14)


def test_an_injection_replaces_a_step(rng: np.random.Generator) -> None:
    x, v = rng.normal(size=(2, 7))
    tape = record(lambda x: jnp.sin(x) * 2, {"x": x}, ("x",))
    edge = (step_of(tape, "sin"), 0)
    pulled = tape.pull(tape.run({"x": x}), v)
    arriving = np.asarray(pulled.arriving[edge[0]])
    np.testing.assert_allclose(arriving, 2 * v)
    other = tape.pull(tape.run({"x": x}), v, scales={edge: 0.0}, injected={edge: arriving * np.sin(x)})
    np.testing.assert_allclose(other.gradients["x"], 2 * v * np.sin(x))


def test_another_residual_changes_the_backward_only(rng: np.random.Generator) -> None:
    a, b, v = rng.normal(size=(3, 4, 4))
    tape = record(lambda a, b: a @ b, {"a": a, "b": b}, ("a", "b"))
    values = tape.run({"a": a, "b": b})
    wrong = tape.pull(values, v, residuals={(0, 1): b.T}).gradients
    np.testing.assert_allclose(wrong["a"], v @ b, rtol=1e-12)
    np.testing.assert_allclose(wrong["b"], a.T @ v, rtol=1e-12)
    with pytest.raises(ValueError, match=r"shape \(4,\) where the tape has \(4, 4\)"):
        tape.pull(values, v, residuals={(0, 1): b[0]})


def test_the_same_trace_is_compiled_once(rng: np.random.Generator) -> None:
    inputs = inputs_of({"x": (3, 4), "w": (3, 4)}, rng)
    first, again = (record(f, inputs, ("x", "w")) for f in (polynomial, lambda x, w: polynomial(x, w)))
    assert first.compiled_run is again.compiled_run
    assert record(polynomial, inputs, ("x",)).compiled_run is not first.compiled_run


def squared(x):
    return jnp.sin(x) ** 2


def squared_below(x):
    return jnp.sin(x) ** 2


def test_the_same_program_of_other_lines_is_said_to_be_written_there(rng: np.random.Generator) -> None:
    inputs = inputs_of({"x": (3,)}, rng)
    lines = [{s.source.line for s in record(f, inputs, ("x",)).steps if s.source} for f in (squared, squared_below)]
    assert lines == [{f.__code__.co_firstlineno + 1} for f in (squared, squared_below)]


def test_the_configuration_of_jax_is_left_alone(rng: np.random.Generator) -> None:
    before = jax.config.read("jax_enable_x64")
    inputs = inputs_of({"x": (5,)}, rng)
    tape = record(jax.nn.softplus, inputs, ("x",))
    gradient = tape.pull(tape.run(inputs), np.ones(5)).gradients["x"]
    assert gradient.dtype == np.float64
    assert jax.config.read("jax_enable_x64") == before
