"""Side effects, shapes, precision, exceptions, other derivatives: what is wrong is no formula."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

import crosscheck
from crosscheck.evidence.result import Result
from tests.report.gallery.row import Picture


def drawn(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def leaky(x):
    return np.where(x > 0, x, 0.1 * x)


def leaky_back(grad_output, x):
    grad_output[x <= 0] *= 0.1
    return grad_output


def what_arrives_is_written_to() -> Result:
    return crosscheck.check(leaky, leaky_back, {"x": drawn(1, 4, 5)}, lambda x: jnp.where(x > 0, x, 0.1 * x))


class Dense:
    def __init__(self):
        rng = np.random.default_rng(2)
        self.W, self.b, self.dW, self.db = rng.normal(size=(4, 3)), rng.normal(size=3), None, None
        self.cache: Any = None

    def forward(self, x):
        if self.cache is None:
            self.cache = x
        return x @ self.W + self.b

    def backward(self, grad):
        self.dW, self.db = self.cache.T @ grad, grad.sum(0)
        return grad @ self.W.T


def cache_of_the_first_call() -> Result:
    return crosscheck.check_layer(Dense(), drawn(3, 5, 4))


class Hidden(Dense):
    def __init__(self):
        super().__init__()
        self.slope = np.array([0.2])

    def forward(self, x):
        self.cache = x
        z = x @ self.W + self.b
        self.z = z
        return np.where(z > 0, z, self.slope * z)

    def backward(self, grad):
        g = np.where(self.z > 0, grad, self.slope * grad)
        self.dW, self.db = self.cache.T @ g, g.sum(0)
        return g @ self.W.T


def a_parameter_without_a_gradient() -> Result:
    return crosscheck.check_layer(Hidden(), drawn(4, 5, 4))


def linear(x, w, b):
    return x @ w + b


def linear_back(grad_output, x, w, b):
    return {"x": grad_output @ w.T, "w": grad_output.T @ x, "b": grad_output.sum(0, keepdims=True)}


def transposed_and_kept() -> Result:
    return crosscheck.check(linear, linear_back, {"x": drawn(5, 5, 4), "w": drawn(6, 4, 3), "b": drawn(7, 3)})


def variance(x):
    return (x * x).mean(1) - x.mean(1) ** 2


def variance_back(grad_output, x):
    n = np.float32(x.shape[1])
    ahead = 2 * x * grad_output[:, None]
    return ahead / n - (2 * x.mean(1) * grad_output)[:, None] / n


def variance_far_from_zero() -> Result:
    x = (drawn(8, 3, 50) * 0.01 + 1000).astype(np.float32)
    return crosscheck.check(variance, variance_back, {"x": x}, lambda x: jnp.var(x, axis=1))


def norm(x):
    return np.sqrt((x * x).sum(-1))


def norm_reference(x):
    square = (x * x).sum(-1)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)


def norm_back(grad_output, x):
    return grad_output[:, None] * x / norm(x)[:, None]


def nothing_by_nothing() -> Result:
    x = drawn(9, 4, 3)
    x[2] = 0
    return crosscheck.check(norm, norm_back, {"x": x}, norm_reference)


def saturated(x):
    """What moves stands in the last digits of a large number; and what is read as text is not recorded."""
    return np.array([float(f"{1e12 + np.tanh(v):.25g}") for v in x.tolist()])


def saturated_back(grad_output, x):
    return grad_output * (1 - np.tanh(x) ** 2)


def nothing_to_be_seen() -> Result:
    return crosscheck.check(saturated, saturated_back, {"x": drawn(10, 6)})


def slow(x):
    return np.sin(x) * x


def slow_back(grad_output, x):
    return grad_output * (np.sin(x) + x * np.cos(x))


def no_time() -> Result:
    return crosscheck.check(slow, slow_back, {"x": drawn(11, 4, 4)}, lambda x: jnp.sin(x) * x, budget=0)


def one_entry(grad_output, x, w, b):
    dw = x.T @ grad_output
    dw[2, 1] += 1e-3
    return {"x": grad_output @ w.T, "w": dw, "b": grad_output.sum(0)}


def a_single_entry() -> Result:
    return crosscheck.check(linear, one_entry, {"x": drawn(12, 5, 4), "w": drawn(13, 4, 3), "b": drawn(14, 3)})


def noisy(grad_output, x):
    return grad_output * np.cos(x) * (1 + 1e-6 * np.random.default_rng().normal(size=x.shape))


def another_answer_every_time() -> Result:
    return crosscheck.check(np.sin, noisy, {"x": drawn(15, 3, 3)}, jnp.sin, name="sin")


def polar(x):
    return np.stack([x[0] * np.cos(x[1]), x[0] * np.sin(x[1])])


def polar_jacobian(x):
    return np.array([[np.cos(x[1]), -np.sin(x[1])], [np.sin(x[1]), x[0] * np.cos(x[1])]])


def an_entry_of_a_jacobian() -> Result:
    return crosscheck.check_jacobian(polar, polar_jacobian, np.array([1.7, 0.6]))


def power(z):
    return np.abs(z) ** 2


def conjugated_and_complex() -> Result:
    z = drawn(16, 3) + 1j * drawn(17, 3)
    return crosscheck.check(power, lambda grad_output, z: 2 * grad_output * z.conj(), {"z": z}, convention="pytorch")


def relu(x):
    return np.maximum(x, 0)


def relu_back(grad_output, x):
    return grad_output * ((x > 0) + 2.0 * (x == 0))


def no_side_of_a_kink() -> Result:
    return crosscheck.check(relu, relu_back, {"x": np.array([[0.0, 1.0, -1.0], [2.0, 0.0, -3.0]])})


def product(a, b):
    return a * b


def exchanged() -> Result:
    inputs = {"a": drawn(18, 2, 3), "b": drawn(19, 2, 3)}
    return crosscheck.check(product, lambda grad_output, a, b: {"a": grad_output * a, "b": grad_output * b}, inputs)


def tangent(tangents, x, w):
    return tangents["x"] @ w - x @ tangents["w"]


def a_tangent_with_a_sign() -> Result:
    return crosscheck.check_jvp(
        lambda x, w: x @ w, tangent, {"x": drawn(20, 3, 4), "w": drawn(21, 4, 2)}, name="product"
    )


PICTURES = (
    Picture(
        "leaky ReLU",
        "what arrives is written to",
        ("backward writes to grad_output", "x is right"),
        what_arrives_is_written_to,
    ),
    Picture(
        "dense layer",
        "the cache of the first call is kept",
        ("right at the first point only", "as said above: stale"),
        cache_of_the_first_call,
    ),
    Picture(
        "dense layer with a slope",
        "a parameter has no gradient",
        ("slope", "no gradient of it was found"),
        a_parameter_without_a_gradient,
    ),
    Picture(
        "linear layer",
        "shapes: transposed, and an axis kept",
        ("(3, 4); w has shape (4, 3): it is transposed", "(1, 3); b has shape (3,): its entries are right"),
        transposed_and_kept,
    ),
    Picture(
        "variance in float32",
        "cancellation",
        ("the formula is right", "loses more digits", "keeps fewer than a third"),
        variance_far_from_zero,
    ),
    Picture("norm of a zero vector", "0/0", ("NaN at 3 of 12", "worst"), nothing_by_nothing),
    Picture(
        "what cancels to nothing",
        "nothing is left to be judged",
        ("could not be decided", "finite difference"),
        nothing_to_be_seen,
        "undecided",
    ),
    Picture("a budget of nothing", "no time", ("the budget ended",), no_time, "undecided"),
    Picture(
        "linear layer, one entry", "one entry is off", ("w[2, 1]: hand-derived", "at one entry only"), a_single_entry
    ),
    Picture(
        "sine with noise", "another answer every time", ("differs between identical calls",), another_answer_every_time
    ),
    Picture(
        "Jacobian of polar coordinates",
        "a factor in one entry",
        ("divided by the result of the slice (x[0])", "hand-derived -0.564642", "-0.959892"),
        an_entry_of_a_jacobian,
    ),
    Picture("complex power", "conjugated", ("conjugated", "the other convention"), conjugated_and_complex),
    Picture(
        "ReLU at zero",
        "2 is no convention",
        ("x is wrong", "no derivative of any side of the kinks"),
        no_side_of_a_kink,
    ),
    Picture("product", "two gradients exchanged", ("the gradients of a and b are exchanged",), exchanged),
    Picture(
        "tangent of a product",
        "a sign",
        ("wrong sign", "tangent along x is right"),
        a_tangent_with_a_sign,
    ),
)
