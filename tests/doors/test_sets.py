"""Inputs that stay on a set: the code never leaves it, and gradients are compared along it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck import check
from crosscheck.doors.sets import on_set

Array = np.ndarray
RNG = np.random.default_rng(0)


def a_rotation(n: int = 3) -> Array:
    q, r = np.linalg.qr(RNG.normal(size=(n, n)))
    q = q * np.sign(np.diag(r))
    q[:, -1] *= np.linalg.det(q)
    return q


def a_spd(n: int = 4) -> Array:
    a = RNG.normal(size=(n, n))
    return a @ a.T + n * np.eye(n)


POINTS = {
    "symmetric": (crosscheck.symmetric, (lambda a: a + a.T)(RNG.normal(size=(4, 4)))),
    "spd": (crosscheck.spd, a_spd()),
    "rotation": (crosscheck.rotation, a_rotation()),
    "simplex": (crosscheck.simplex, np.array([0.1, 0.2, 0.3, 0.4])),
    "unit": (crosscheck.unit, np.array([0.6, 0.0, -0.8])),
}


def is_on(name: str, x: Array) -> bool:
    return {
        "symmetric": lambda: (x == x.T).all(),
        "spd": lambda: (x == x.T).all() and np.linalg.eigvalsh(x).min() > 0,
        "rotation": lambda: np.allclose(x @ x.T, np.eye(len(x)), atol=1e-12) and np.linalg.det(x) > 0,
        "simplex": lambda: (x >= 0).all() and abs(x.sum() - 1) < 1e-12,
        "unit": lambda: abs(np.linalg.norm(x) - 1) < 1e-12,
    }[name]()


def in_jax(x: Any) -> Any:
    return jnp.sin(jnp.cumsum(x.ravel())) * 2.0


def gradient(g: Array, x: Array) -> Array:
    slope = 2.0 * g * np.cos(np.cumsum(x.ravel()))
    return np.cumsum(slope[::-1])[::-1].reshape(x.shape)


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("of_reference", [True, False])
def test_the_code_never_leaves_the_set(name: str, of_reference: bool) -> None:
    retraction, x = POINTS[name]
    off: list[Array] = []

    def forward(x: Array) -> Array:
        if type(x) is np.ndarray and x.dtype == np.float64 and not is_on(name, x):
            off.append(x)
        return np.sin(np.cumsum(x.ravel())) * 2.0

    result = check(
        forward, lambda g, x: {"x": gradient(g, x)}, {"x": x}, in_jax if of_reference else None, on={"x": retraction}
    )
    assert result.passed, str(result)
    assert not off, off[0]
    assert "its tangents" in str(result)


def across(name: str, x: Array) -> Array:
    """Something that is zero on every tangent at x."""
    return {
        "symmetric": lambda: np.triu(np.ones_like(x), 1) - np.tril(np.ones_like(x), -1),
        "spd": lambda: np.triu(np.ones_like(x), 1) - np.tril(np.ones_like(x), -1),
        "rotation": lambda: x @ np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]]),
        "simplex": lambda: np.ones_like(x),
        "unit": lambda: x,
    }[name]()


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("of_reference", [True, False])
def test_what_a_gradient_says_across_the_set_is_a_convention(name: str, of_reference: bool) -> None:
    retraction, x = POINTS[name]
    reference = in_jax if of_reference else None

    def forward(x: Array) -> Array:
        return np.sin(np.cumsum(x.ravel())) * 2.0

    def backward(g: Array, x: Array) -> dict[str, Array]:
        return {"x": gradient(g, x) + g.ravel()[0] * across(name, x)}

    assert check(forward, backward, {"x": x}, reference, on={"x": retraction}).passed
    assert not check(forward, backward, {"x": x}, reference, diagnose=False)


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("of_reference", [True, False])
def test_a_mistake_along_it_is_found(name: str, of_reference: bool) -> None:
    retraction, x = POINTS[name]

    def forward(x: Array) -> Array:
        return np.sin(np.cumsum(x.ravel())) * 2.0

    def backward(g: Array, x: Array) -> dict[str, Array]:
        wrong = gradient(g, x)
        wrong.flat[1] *= 1.01
        return {"x": wrong}

    result = check(forward, backward, {"x": x}, in_jax if of_reference else None, on={"x": retraction}, diagnose=False)
    assert result.verdict == "disagree"


def cholesky_gradient(g: Array, s: Array) -> Array:
    """Half of it on either side of the diagonal."""
    low = np.linalg.cholesky(s)
    p = np.tril(low.T @ np.tril(g))
    p[np.diag_indices(len(p))] /= 2
    inverse = np.linalg.inv(low)
    a = inverse.T @ p @ inverse
    return (a + a.T) / 2


@pytest.mark.parametrize("of_reference", [True, False])
def test_cholesky_agrees_in_any_convention(of_reference: bool) -> None:
    s = a_spd()
    reference = jnp.linalg.cholesky if of_reference else None

    def lower(g: Array, s: Array) -> dict[str, Array]:
        full = cholesky_gradient(g, s)
        return {"s": np.tril(full) + np.tril(full, -1)}

    def in_words(s: Any) -> Any:
        return jnp.linalg.cholesky(s)

    for backward in (lower, lambda g, s: {"s": cholesky_gradient(g, s)}):
        result = check(
            lambda s: np.linalg.cholesky(s), backward, {"s": s}, reference and in_words, on={"s": crosscheck.spd}
        )
        assert result.passed, str(result)

    def wrong(g: Array, s: Array) -> dict[str, Array]:
        return {"s": np.tril(cholesky_gradient(g, s))}

    found = check(
        lambda s: np.linalg.cholesky(s),
        wrong,
        {"s": s},
        reference and in_words,
        on={"s": crosscheck.spd},
        diagnose=False,
    )
    assert found.verdict == "disagree"


def test_a_retraction_of_ones_own() -> None:
    x = np.array([0.5, -0.5, 0.25])

    def sums_to_a_quarter(a: Any) -> Any:
        return a - (a.sum() - 0.25) / 3

    result = check(
        lambda x: np.exp(x), lambda g, x: {"x": g * np.exp(x) + g[0]}, {"x": x}, jnp.exp, on={"x": sums_to_a_quarter}
    )
    assert result.passed
    assert "x on sums_to_a_quarter" in str(result)
    wrong = check(
        lambda x: np.exp(x),
        lambda g, x: {"x": 1.01 * g * np.exp(x)},
        {"x": x},
        jnp.exp,
        on={"x": sums_to_a_quarter},
        diagnose=False,
    )
    assert wrong.verdict == "disagree"


@pytest.mark.parametrize(
    ("x", "on", "error", "said"),
    [
        (np.ones((2, 3)), {"x": crosscheck.symmetric}, TypeError, "on of x refuses its own input"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), {"x": crosscheck.symmetric}, ValueError, "x is not on symmetric"),
        (np.array([0.0, 1.0]), {"x": crosscheck.simplex}, ValueError, "x has a zero"),
        (np.ones(2), {"y": crosscheck.unit}, ValueError, "on names 'y', which is not differentiated"),
        (np.ones(2), {"x": "unit"}, TypeError, "on of x is str; it must be a retraction"),
        (np.ones(2), crosscheck.unit, TypeError, "on is a function; it must be a dictionary"),
        (np.ones(2), {"x": lambda a: a.sum()}, TypeError, "on of x gives float64"),
        (np.ones(2), {"x": lambda a: 0 * a + 1}, ValueError, "whatever it is given"),
        (np.ones(2), {"x": lambda a: (a + 1) / 2}, ValueError, "is no retraction"),
    ],
)
def test_what_is_no_set_is_refused(x: Array, on: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        check(np.sin, lambda g, x: {"x": g * np.cos(x)}, {"x": x}, on=on)


def test_fixed_and_on_exclude_each_other() -> None:
    x = np.array([0.6, 0.8])
    with pytest.raises(ValueError, match="both fixed and on"):
        check(np.sin, lambda g, x: {"x": g}, {"x": x}, on={"x": crosscheck.unit}, fixed={"x": np.array([True, False])})


@pytest.mark.parametrize("name", POINTS)
def test_a_retraction_leaves_the_points_of_its_set_and_ends_on_it(name: str) -> None:
    retraction, x = POINTS[name]
    chart = on_set("x", x, retraction)
    assert np.abs(chart.point(x) - x).max() < 1e-14
    for seed in range(20):
        a = x * np.exp(0.3 * np.random.default_rng(seed).normal(size=x.shape))
        assert is_on(name, chart.point(a)), a
    with jax.enable_x64(True):
        assert np.abs(np.asarray(chart.traced(jnp.asarray(x))) - x).max() < 1e-14
