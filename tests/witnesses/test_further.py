"""Further points: what is changed, what is never changed, and which mistakes only they show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.doors.functions import from_functions
from crosscheck.evidence.collected import Elsewhere
from crosscheck.operation import Operation
from crosscheck.rounding import quantile
from crosscheck.witnesses import further as module
from crosscheck.witnesses.further import CHANGES, further_points, look, stirred

Array = np.ndarray
Arrays = dict[str, Array]

X = np.random.default_rng(0).normal(size=(4, 3))
V = np.random.default_rng(1).uniform(0.5, 2, (4, 3))
OTHER, NEGATED, LARGER, SMALLER = CHANGES


def squared(x: Any) -> Any:
    return x * x


def right(grad_output: Array, x: Array) -> Arrays:
    return {"x": 2 * grad_output * x}


def operation(back: Callable[..., Arrays], x: Array = X, forward: Any = squared, given: Any = squared) -> Operation:
    return from_functions(forward, back, {"x": x}, given)


def found(subject: Operation, v: Array = V) -> tuple[list[Elsewhere], int]:
    found = look(subject, v, quantile(32, 3 * v.size), 3 * v.size, 0)
    return list(found.wrong.values()), found.compared


# ---------------------------------------------------------------------- the points


def test_the_points_have_the_callers_numbers_in_other_places() -> None:
    points = dict(further_points(operation(right), 0))
    assert list(points) == list(CHANGES)
    largest = {OTHER: 1, NEGATED: 1, LARGER: 4, SMALLER: 0.25}
    for name, there in points.items():
        x = there.inputs["x"]
        assert x.shape == X.shape
        assert (x != X).all()
        assert x.all()  # no kink at zero
        assert np.unique(x).size == x.size  # and no two winners
        assert np.abs(x).max() <= largest[name] * np.abs(X).max()
        assert np.abs(x).min() >= largest[name] * np.abs(X).min()


def test_the_same_seed_draws_the_same_and_another_one_others() -> None:
    first, again, other = (dict(further_points(operation(right), seed)) for seed in (0, 0, 1))
    for name in CHANGES:
        assert (first[name].inputs["x"] == again[name].inputs["x"]).all()
        assert (first[name].inputs["x"] != other[name].inputs["x"]).any()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_array_of_one_sign_keeps_it(sign: float) -> None:
    """A logarithm is never asked of negative numbers."""
    for _, there in further_points(operation(right, sign * np.abs(X)), 0):
        assert (np.sign(there.inputs["x"]) == sign).all()


def test_what_is_not_differentiated_is_never_changed() -> None:
    rows, target = np.array([0, 2, 1]), np.random.default_rng(2).normal(size=(3, 3))
    subject = from_functions(
        lambda x, i, t: x[i] - t,
        lambda grad_output, x, i, t: {"x": np.eye(len(x))[i].T @ grad_output},
        {"x": X, "i": rows, "t": target},
        lambda x, i, t: x[i] - t,
        wrt=("x",),
    )
    points = list(further_points(subject, 0))
    assert len(points) == len(CHANGES)
    for _, there in points:
        assert (there.inputs["i"] == rows).all()
        assert (there.inputs["t"] == target).all()
    assert found(subject, np.ones((3, 3))) == ([], 4)


def test_nothing_to_change_is_no_point() -> None:
    assert list(further_points(operation(right, np.zeros((0, 3))), 0)) == []


# ---------------------------------------------------------------------- mistakes


def test_healthy_code_is_right_everywhere() -> None:
    assert found(operation(right)) == ([], 4)
    assert found(operation(right, given=None)) == ([], 4)


def test_a_mask_that_matters_for_negative_numbers_only() -> None:
    """All of x² for positive x; the caller's point shows one of the two signs and never both."""
    x = np.where(np.arange(12).reshape(4, 3) == 0, -1.0, np.abs(X) + 0.1)

    def masked(grad_output: Array, x: Array) -> Arrays:
        """Takes the entries of the first row to be the negative ones, as at the caller's point."""
        return {"x": 2 * grad_output * np.where(np.arange(12).reshape(4, 3) == 0, -np.abs(x), np.abs(x))}

    assert (masked(V, x)["x"] == right(V, x)["x"]).all()
    (elsewhere,), compared = found(operation(masked, x))
    assert compared == 4
    assert elsewhere.name == "x"
    assert elsewhere.point in CHANGES
    there = elsewhere.inputs["x"]
    np.testing.assert_array_equal(elsewhere.wrong, masked(V, there)["x"] != right(V, there)["x"])
    np.testing.assert_array_equal(elsewhere.hand["x"], masked(V, there)["x"])
    np.testing.assert_array_equal(elsewhere.cotangent, V)
    assert elsewhere.truth is not None
    np.testing.assert_allclose(elsewhere.truth, right(V, there)["x"], rtol=1e-15)
    assert elsewhere.allowed is not None
    assert (elsewhere.allowed < 1e-12).all()


def saturating(limit: float) -> Callable[..., Arrays]:
    return lambda grad_output, x: {"x": 2 * grad_output * np.minimum(x, limit)}


def test_a_mistake_of_large_numbers_is_found_at_the_first_point_that_has_them() -> None:
    limit = 1.5 * float(np.abs(X).max())  # beyond all that is drawn from the caller's own range
    (elsewhere,), _ = found(operation(saturating(limit)))
    assert elsewhere.point == LARGER
    np.testing.assert_array_equal(elsewhere.wrong, elsewhere.inputs["x"] > limit)


def test_without_a_reference_a_direction_says_that_something_is_wrong() -> None:
    (elsewhere,), compared = found(operation(saturating(1.5 * float(np.abs(X).max())), given=None))
    assert compared == 4
    assert elsewhere.point == LARGER
    assert elsewhere.wrong.all()
    assert elsewhere.truth is None
    assert elsewhere.allowed is None


@pytest.mark.parametrize(("slip", "wrong"), [(0.5e-3, False), (2e-3, True)])
def test_gross_mistakes_only_are_looked_for(slip: float, wrong: bool) -> None:
    subject = operation(lambda grad_output, x: {"x": 2 * grad_output * x * (1 + slip)})
    assert bool(found(subject)[0]) == wrong


def test_the_size_of_an_entry_that_cancels_is_that_of_its_terms() -> None:
    """What is left of Σ (x - mean) is rounding in any code; it is no mistake at any point."""

    def centred(x: Any, b: Any) -> Any:
        return (x + b) - (x + b).mean(0)

    def back(grad_output: Array, x: Array, b: Array) -> Arrays:
        g = grad_output - grad_output.mean(0)
        return {"x": g, "b": g[::-1].sum(0)}

    subject = from_functions(centred, back, {"x": X, "b": X[0]}, centred)
    assert found(subject) == ([], 4)


def test_rounding_is_asked_for_only_where_something_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any, **more: Any) -> Any:
        raise AssertionError("nobody had to be asked")

    monkeypatch.setattr(module, "autodiff", never)
    assert found(operation(right)) == ([], 4)
    with pytest.raises(AssertionError, match="asked"):
        found(operation(lambda grad_output, x: {"x": grad_output}))


# ---------------------------------------------------------------------- points that say nothing


def test_a_point_that_the_code_refuses_is_skipped() -> None:
    def careful(grad_output: Array, x: Array) -> Arrays:
        if np.abs(x).max() > 1.5 * np.abs(X).max():
            raise ValueError("too large")
        return right(grad_output, x)

    assert found(operation(careful)) == ([], 3)


def test_a_point_where_the_forward_is_not_finite_is_skipped() -> None:
    limit = 1.5 * float(np.abs(X).max())

    def overflowing(x: Array) -> Array:
        return np.where(np.abs(x) > limit, np.inf, x * x)

    assert found(operation(saturating(limit), forward=overflowing)) == ([], 3)


def test_where_the_forwards_are_not_the_same_function_nobody_is_accused() -> None:
    limit = 1.5 * float(np.abs(X).max())

    def other(x: Any) -> Any:
        return jnp.where(jnp.abs(x) > limit, x * x, x * x + 0 * x)

    def linear(x: Array) -> Array:
        return np.where(np.abs(x) > limit, np.abs(x), x * x)

    back = lambda grad_output, x: {"x": grad_output * np.where(np.abs(x) > limit, np.sign(x), 2 * x)}  # noqa: E731
    assert found(operation(back, forward=linear, given=other))[0] == []


def test_nan_is_wrong_where_the_forward_is_finite() -> None:
    limit = 1.5 * float(np.abs(X).max())
    lost = lambda grad_output, x: {"x": np.where(x > limit, np.nan, 2 * grad_output * x)}  # noqa: E731
    (elsewhere,), _ = found(operation(lost))
    assert elsewhere.point == LARGER
    np.testing.assert_array_equal(elsewhere.wrong, elsewhere.inputs["x"] > limit)


def test_kinks_of_relus_and_maxima_accuse_nobody() -> None:
    def pooled(x: Any) -> Any:
        return jax.nn.relu(x).max(1)

    def back(grad_output: Array, x: Array) -> Arrays:
        winner = np.maximum(x, 0).argmax(1)[:, None] == np.arange(3)
        return {"x": np.where(winner & (x > 0), grad_output[:, None], 0)}

    subject = operation(back, forward=lambda x: np.maximum(x, 0).max(1), given=pooled)
    for seed in range(3):
        assert not look(subject, V[:, 0], quantile(32, 24), 24, seed).wrong


# ---------------------------------------------------------------------- what is zero everywhere


def test_what_always_loses_is_seen_where_it_wins() -> None:
    """max(a, b) with b far below: its gradient is zero at every point of such values, right or not."""
    a, b = np.random.default_rng(0).normal(size=(2, 4, 3))

    def operation_of(share: float) -> Operation:
        def backward(grad_output: Array, a: Array, b: Array) -> Arrays:
            return {"a": grad_output * (a > b), "b": share * grad_output * (b > a)}

        return from_functions(
            lambda a, b: np.maximum(a, b), backward, {"a": a + 50, "b": b}, lambda a, b: jnp.maximum(a, b)
        )

    still = frozenset(["b"])
    assert stirred(operation_of(1.0), V, still, 0) == still
    assert stirred(operation_of(0.5), V, still, 0) == frozenset()


def test_what_is_zero_by_itself_stays_so() -> None:
    x = -np.abs(np.random.default_rng(0).normal(size=(4, 3)))
    nothing = from_functions(lambda x: x - x, lambda grad_output, x: {"x": 0 * x}, {"x": x}, lambda x: x - x)
    assert stirred(nothing, V, frozenset(["x"]), 0) == frozenset()


def test_what_is_less_than_a_rounding_of_the_largest_entry_accuses_nobody() -> None:
    """SiLU's derivative by the quotient rule is 0 where (1 + exp(406))² overflows; it is 10^-174."""
    x = np.array([-1.6, 0.3, 1.1, -0.7])

    def backward(g: Array, x: Array) -> Arrays:
        z = np.sinh(4 * x)
        s = 1 / (1 + np.exp(-z))
        return {"x": g * (s + z * s * (1 - s)) * 4 * np.cosh(4 * x)}

    def forward(x: Array) -> Array:
        z = np.sinh(4 * x)
        return z / (1 + np.exp(-z))

    result = crosscheck.check(forward, backward, {"x": x}, diagnose=False)
    assert result.verdict != "disagree", result
    wrong = crosscheck.check(forward, lambda g, x: {"x": 1.01 * backward(g, x)["x"]}, {"x": x}, diagnose=False)
    assert wrong.verdict == "disagree", wrong


def test_a_derivation_that_holds_where_an_iteration_has_converged() -> None:
    """By the implicit function theorem; at values four times as large it runs in circles."""
    rng = np.random.default_rng(3)

    def solved(xp: Any, w: Any, b: Any) -> Any:
        x = xp.zeros(4)
        for _ in range(200):
            x = xp.tanh(w @ x + b)
        return x

    def implicit(factor: float) -> Any:
        def backward(g: Any, w: Any, b: Any) -> Any:
            x = solved(np, w, b)
            d = 1 - x**2
            u = d * np.linalg.solve(np.eye(4) - (d[:, None] * w).T, g)
            return {"w": np.outer(u, x), "b": factor * u}

        return backward

    inputs = {"w": 0.3 * rng.normal(size=(4, 4)), "b": rng.normal(size=4)}
    for factor, verdict in ((1.0, "agree"), (1.001, "disagree")):
        result = crosscheck.check(
            lambda w, b: solved(np, w, b), implicit(factor), inputs, lambda w, b: solved(jnp, w, b), diagnose=False
        )
        assert result.verdict == verdict, result


def test_a_nan_where_nothing_flows_accuses_nobody() -> None:
    """Behind a floor the length of a vector may be 0 at a point that nobody chose; where something flows it counts."""

    def forward(x: Array) -> Array:
        return np.sqrt(np.sum(np.floor(x) ** 2)) + 0 * x

    def length(x: Any) -> Any:
        return jnp.sqrt(jnp.sum(jnp.floor(x) ** 2)) + 0 * x

    def back(grad_output: Array, x: Array) -> Arrays:
        n = np.floor(x)
        return {"x": 0.0 * (np.sum(grad_output) * n / np.sqrt(np.sum(n**2)))}

    x = np.abs(X) + 1
    wrong, compared = found(operation(back, x, forward, length), np.ones_like(x))
    assert compared >= 3
    assert not wrong

    def lost(grad_output: Array, x: Array) -> Arrays:
        with np.errstate(invalid="ignore"):
            return {"x": grad_output * 0.5 / np.sqrt(x)}

    absolute = lambda x: np.sqrt(np.abs(x))  # noqa: E731
    mixed = np.where(np.arange(x.size).reshape(x.shape) % 5 == 0, -x, x)
    wrong, _ = found(operation(lost, mixed, absolute, lambda x: jnp.sqrt(jnp.abs(x))), np.ones_like(x))
    assert wrong


def test_probabilities_stay_probabilities() -> None:
    rng = np.random.default_rng(3)
    rows = rng.dirichlet(np.ones(5), size=4)
    odds = rng.uniform(0.05, 0.95, (4, 5))
    for x, sums in ((rows, True), (rows.astype(np.float32), True), (odds, False)):
        for _, there in further_points(operation(right, x), 0):
            assert (there.inputs["x"] > 0).all()
            assert (there.inputs["x"] < 1).all()
            assert there.inputs["x"].dtype == x.dtype
            if sums:
                np.testing.assert_allclose(there.inputs["x"].sum(1), 1, rtol=1e-6)
    larger = {name: there.inputs["x"] for name, there in further_points(operation(right, odds), 0)}[LARGER]
    assert np.median(larger) > np.median(odds)


def clipped_loss(xp: Any, p: Any, t: Any) -> Any:
    p = xp.clip(p, 1e-7, 1 - 1e-7)
    return xp.mean(-(t * xp.log(p) + (1 - t) * xp.log(1 - p)), axis=1)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_loss_that_clips_its_probabilities_is_right_where_they_are_some(seed: int, given: bool) -> None:
    """As public code has it: the derivative of the clip is left out, which no probability shows."""
    rng = np.random.default_rng(seed)
    p, t = rng.uniform(0.05, 0.95, (4, 5)), (rng.random((4, 5)) < 0.5).astype(float)

    def backward(g: Array, p: Array, t: Array) -> Array:
        p = np.clip(p, 1e-7, 1 - 1e-7)
        return -g[:, None] * (t / p - (1 - t) / (1 - p)) / p.shape[1]

    for factor, verdict in ((1, "agree"), (2, "disagree")):
        found = crosscheck.check(
            lambda p, t: clipped_loss(np, p, t),
            lambda g, p, t, factor=factor: factor * backward(g, p, t),
            {"p": p, "t": t},
            (lambda p, t: clipped_loss(jnp, p, t)) if given else None,
            wrt=("p",),
            diagnose=False,
        )
        assert found.verdict == verdict, str(found)


@pytest.mark.parametrize("wrong", [False, True])
def test_a_reference_that_loses_its_digits_at_a_further_point_accuses_nobody(wrong: bool) -> None:
    """As JAX's trigamma is 0 at 1e158: a difference sides with the code, if the code is right there."""

    @jax.custom_jvp
    def reference(x: Any) -> Any:
        return jnp.exp(x)

    @reference.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return jnp.exp(x), jnp.where(x < 0.5, 0.0, jnp.exp(x)) * t

    def backward(grad_output: Array, x: Array) -> Array:
        return grad_output * np.exp(x) * np.where(x < 0.5, 0.5 if wrong else 1, 1)

    x = np.random.default_rng(0).uniform(1, 1.9, (4, 3))
    found = crosscheck.check(np.exp, backward, {"x": x}, reference, diagnose=False)
    assert found.verdict == ("disagree" if wrong else "agree"), str(found)
