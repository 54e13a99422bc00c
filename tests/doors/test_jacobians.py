"""Jacobians entry by entry: dense and sparse, of any shapes, with a pattern that may leave something out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

import crosscheck
from crosscheck.doors.rows import of_matrix_told
from crosscheck.evidence.reason import Diagnosis

Array = np.ndarray
A = np.random.default_rng(7).normal(size=(5, 3))
POINT = np.array([0.6, -1.25, 0.35])


def f(x: Array) -> Array:
    return np.tanh(A @ x) * x[0]


def reference(x: Any) -> Any:
    return jnp.tanh(A @ x) * x[0]


def jacobian(x: Array) -> Array:
    t = np.tanh(A.astype(x.dtype) @ x)
    found = ((1 - t**2) * x[0])[:, None] * A.astype(x.dtype)
    found[:, 0] += t
    return found


def changed(where: tuple[Any, ...], factor: float) -> Callable[[Array], Array]:
    def wrong(x: Array) -> Array:
        found = jacobian(x)
        found[where] *= factor
        return found

    return wrong


@pytest.mark.parametrize("given", [reference, None])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_right_jacobian_agrees(given: Any, dtype: Any) -> None:
    x = POINT.astype(dtype)
    result = crosscheck.check_jacobian(f if dtype is np.float64 else single, jacobian, x, given)
    assert result, result
    assert result.gradients["jacobian"].shape == (5, 3)
    assert (x == POINT.astype(dtype)).all()


def single(x: Array) -> Array:
    return np.tanh(A.astype(x.dtype) @ x) * x[0]


# what is done to the right one -> the entries that are wrong
WRONG: dict[str, tuple[Callable[[Array], Array], list[list[int]] | None]] = {
    "one entry scaled": (changed((3, 2), 1 + 1e-9), [[3, 2]]),
    "one entry dropped": (changed((4, 0), 0.0), [[4, 0]]),
    "a column of the wrong sign": (changed((slice(None), 1), -1.0), [[i, 1] for i in range(5)]),
    "a term left out": (lambda x: jacobian(x) - np.tanh(A @ x)[:, None] * [1, 0, 0], [[i, 0] for i in range(5)]),
    "outputs in another order": (lambda x: jacobian(x)[::-1], None),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_entry_is_named(name: str) -> None:
    wrong, places = WRONG[name]
    result = crosscheck.check_jacobian(f, wrong, POINT, reference if name != "one entry dropped" else None)
    assert result.verdict == "disagree"
    if places is not None:
        assert np.argwhere(result.gradients["jacobian"].mismatched).tolist() == places
    assert "gradient of jacobian" not in str(result)


def test_an_entry_that_no_sum_over_outputs_shows_is_seen() -> None:
    """Beside an entry 10¹⁷ times as large in the same column, a wrong one is lost in v·J."""

    def steep(x: Any) -> Any:
        return np.array([1e17 * x[0], x[0] * x[1]]) if not hasattr(x, "at") else jnp.stack([1e17 * x[0], x[0] * x[1]])

    x = np.array([1.5, -0.75])
    right = lambda x: np.array([[1e17, 0.0], [x[1], x[0]]])  # noqa: E731
    wrong = lambda x: np.array([[1e17, 0.0], [1.5 * x[1], x[0]]])  # noqa: E731
    assert crosscheck.check_jacobian(steep, right, x, steep)
    result = crosscheck.check_jacobian(steep, wrong, x, steep)
    assert np.argwhere(result.gradients["jacobian"].mismatched).tolist() == [[1, 0]]
    sums = crosscheck.check(steep, lambda g, x: {"x": g @ wrong(x)}, {"x": x}, steep, diagnose=False)
    assert sums.verdict != "disagree" or not sums.gradients["x"].mismatched[1]


def test_arrays_of_any_shapes_and_arguments() -> None:
    b = np.random.default_rng(1).normal(size=(3, 4))

    def product(x: Any, b: Any, power: int) -> Any:
        return (x @ b) ** power

    def by_hand(x: Array, b: Array, power: int) -> Array:
        """∂Y[i,k]/∂X[p,q] = power Y^(power−1) [i = p] B[q,k]."""
        return power * np.einsum("ik,ip,qk->ikpq", (x @ b) ** (power - 1), np.eye(len(x)), b)

    x = np.random.default_rng(2).normal(size=(2, 3))
    result = crosscheck.check_jacobian(product, by_hand, x, product, args=(b, 2))
    assert result, result
    assert result.gradients["jacobian"].shape == (2, 4, 2, 3)
    flat = lambda *a: by_hand(*a).reshape(8, 6)  # noqa: E731
    assert crosscheck.check_jacobian(product, flat, x, args=(b, 2))
    turned = lambda *a: by_hand(*a).swapaxes(0, 2)[..., ::-1, :]  # noqa: E731
    assert not crosscheck.check_jacobian(product, lambda *a: by_hand(*a) * 1.5, x, product, args=(b, 2))
    with pytest.raises(ValueError, match=r"shape \(2, 4, 2, 3\); y.shape \+ x.shape|y.shape \+ x.shape is"):
        crosscheck.check_jacobian(product, lambda *a: turned(*a)[:, :3], x, args=(b, 2))


def test_one_number_in_and_out() -> None:
    assert crosscheck.check_jacobian(lambda x: x**3, lambda x: 3 * x**2, 0.75)
    assert crosscheck.check_jacobian(lambda x: x**3, lambda x: 3 * x**2, np.array(0.75), lambda x: x**3)
    assert not crosscheck.check_jacobian(lambda x: x**3, lambda x: 3 * x, 0.75)
    assert crosscheck.check_jacobian(lambda x: x[0] * x, lambda x: np.array([[2 * x[0]]]), np.array([0.75]))


def chain(x: Any) -> Any:
    return x[1:] * x[:-1] ** 2


def sparse(x: Array, kind: str = "csr", without: bool = False) -> Any:
    i = np.arange(len(x) - 1)
    rows, columns = np.r_[i, i], np.r_[i, i + 1]
    values = np.r_[2 * x[1:] * x[:-1], x[:-1] ** 2]
    keep = (rows != 4) | (columns != 5) if without else np.ones(len(rows), bool)
    return sp.coo_array((values[keep], (rows[keep], columns[keep])), shape=(len(x) - 1, len(x))).asformat(kind)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "dok"])
def test_a_sparse_jacobian_agrees_in_any_format(kind: str) -> None:
    x = np.random.default_rng(0).normal(size=8)
    assert crosscheck.check_jacobian(chain, lambda x: sparse(x, kind), x, chain)


@pytest.mark.parametrize("given", [chain, None])
def test_an_entry_outside_of_the_pattern_is_named(given: Any) -> None:
    x = np.random.default_rng(0).normal(size=8)
    result = crosscheck.check_jacobian(chain, lambda x: sparse(x, "csr", without=True), x, given)
    assert result.verdict == "disagree"
    said = result.gradients["jacobian"].diagnoses[0]
    assert said.kind == "pattern"
    assert said.evidence == {"entries": [[4, 5]]}
    assert "(4, 5)" in said.explanation


def plain_f(x: Any) -> Any:
    return np.sin(x[0] * A[:, 0]) + x[1] ** 2


def plain_jacobian(x: Array) -> Array:
    c = np.cos(x[0] * A[:, 0]) * A[:, 0]
    return np.stack([c, np.full(5, 2 * x[1]), np.zeros(5)], axis=1)


def turned(x: Any) -> Any:
    return np.stack([np.sin(0.7 * x[0]), np.cos(0.7 * x[0]), 0.7 * x[0]])


def test_a_constant_that_every_row_reads_is_one_number() -> None:
    """Rows are taken by calls, of which there are others at other sizes."""

    def without(x: Array) -> Array:
        return np.stack([np.cos(0.7 * x[0]), -np.sin(0.7 * x[0]), 1.0])[:, None]

    result = crosscheck.check_jacobian(turned, without, np.array([0.4]))
    explanation = result.gradients["jacobian"].diagnoses[0].explanation
    assert "(1 / the constant of the product" in explanation, explanation


def bell(a: Any, b: Any) -> Any:
    return (b - a) * np.exp(-np.sum((a - b) ** 2) / 2)


def test_one_mistake_goes_before_two() -> None:
    """The sign of the path through the exponential, which is that of the other path and of the whole."""
    a = np.array([0.5, -1.25, 0.75])

    def wrong(b: Array) -> Array:
        d = b - a
        return np.exp(-d @ d / 2) * (np.eye(3) + np.outer(d, d))

    result = crosscheck.check_jacobian(lambda b: bell(a, b), wrong, POINT)
    explanation = result.gradients["jacobian"].diagnoses[0].explanation
    assert "has the wrong sign on the path through" in explanation
    assert "and of the wrong sign" not in explanation, explanation


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda x: plain_jacobian(x) + np.outer(np.arange(5) < 2, np.arange(3) == 2), "outputs 0 to 1 and input 2"),
        (lambda x: plain_jacobian(x) * [1, 0, 1], "the Jacobian leaves out the path through the slice (x[1])"),
    ],
    ids=["a place", "a path"],
)
def test_a_reason_speaks_of_outputs_and_inputs_and_of_no_turns(wrong: Any, told: str) -> None:
    result = crosscheck.check_jacobian(plain_f, wrong, POINT)
    explanation = result.gradients["jacobian"].diagnoses[0].explanation
    assert told in explanation, explanation
    assert " turn " not in explanation


def test_words_in_code_stay() -> None:
    scaled = Diagnosis("scaled", "the gradient of j is 5 times too small (1 / batch)", {"name": "1 / batch"})
    assert of_matrix_told(scaled, 5, True).explanation.endswith("(1 / outputs)")
    fewer = Diagnosis("shifted", "the true one without its feature 2 (only as many features as batch)", {})
    assert of_matrix_told(fewer, 2, True).explanation.endswith("input 2 (only as many inputs as outputs)")
    path = Diagnosis("sign", "has the wrong sign in turn 3 of 5 in sample 2 (a.py:1: batch * f(sample))", {})
    told = "has the wrong sign for output 2 in output 2 (a.py:1: batch * f(sample))"
    assert of_matrix_told(path, 5, True).explanation == told


def test_a_stored_zero_is_no_matter_of_the_pattern() -> None:
    def stored(x: Array) -> Any:
        found = sparse(x)
        found.data[0] = 0.0
        return found

    x = np.random.default_rng(0).normal(size=8)
    result = crosscheck.check_jacobian(chain, stored, x, chain)
    assert result.verdict == "disagree"
    assert all(d.kind != "pattern" for d in result.gradients["jacobian"].diagnoses)


def test_a_transposed_square_one_is_named() -> None:
    b = np.random.default_rng(3).normal(size=(4, 4))
    x = np.random.default_rng(4).normal(size=4)
    result = crosscheck.check_jacobian(
        lambda x: np.tanh(b @ x), lambda x: ((1 - np.tanh(b @ x) ** 2)[:, None] * b).T, x, lambda x: jnp.tanh(b @ x)
    )
    assert result.gradients["jacobian"].diagnoses[0].kind == "transposed"


def test_a_buffer_that_is_filled_again_is_right_and_a_matrix_kept_from_the_first_point_is_wrong() -> None:
    buffer, kept = np.zeros((2, 2)), []

    def again(x: Array) -> Array:
        buffer[...] = np.diag(2 * x)
        return buffer

    def stale(x: Array) -> Array:
        kept.append(np.diag(2 * x))
        return kept[0]

    x = np.array([1.5, -0.75])
    assert crosscheck.check_jacobian(lambda x: x**2, again, x)
    result = crosscheck.check_jacobian(lambda x: x**2, stale, x)
    assert result.verdict == "disagree"
    assert all(d.kind != "transposed" for d in result.gradients["jacobian"].diagnoses)


def test_a_jacobian_that_writes_to_the_point_is_named() -> None:
    def writing(x: Array) -> Array:
        found = np.diag(2 * x)
        x *= 0
        return found

    result = crosscheck.check_jacobian(lambda x: x**2, writing, np.array([1.5, -0.75]), lambda x: x**2)
    assert result.verdict == "disagree"
    assert "writes to its argument x" in " ".join(str(result).split())


def test_what_does_not_fit_gets_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"returns shape \(3, 5\); y.shape \+ x.shape is \(5, 3\)"):
        crosscheck.check_jacobian(f, lambda x: jacobian(x).T, POINT)
    with pytest.raises(ValueError, match=r"sparse \(3, 5\); y and x have sizes \(5, 3\)"):
        crosscheck.check_jacobian(f, lambda x: sp.csr_array(jacobian(x).T), POINT)
    with pytest.raises(TypeError, match="jacobian is a ndarray; it must be a function"):
        crosscheck.check_jacobian(f, jacobian(POINT), POINT)  # type: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"x.*int64.*floating"):
        crosscheck.check_jacobian(f, jacobian, np.arange(3))
    with pytest.raises(ValueError, match=r"returns shape \(300, 299\)"):
        crosscheck.check_jacobian(lambda x: x, lambda x: np.eye(300)[:, 1:], np.ones(300))


# ---------------------------------------------------------------------- more entries than are judged one by one

MANY = 300  # of y and of x: 90 000 entries


def links(x: Array) -> Array:
    return x[1:] * x[:-1] ** 2


def links_jacobian(x: Array) -> Any:
    places: Any = [0, 1]
    return sp.diags_array([2 * x[1:] * x[:-1], x[:-1] ** 2], offsets=places, shape=(x.size - 1, x.size))


@pytest.mark.parametrize("dense", [False, True])
def test_a_large_jacobian_is_judged_by_the_sum_of_its_rows(dense: bool) -> None:
    x = np.random.default_rng(11).normal(size=MANY)

    def jacobian(at: Array) -> Any:
        return links_jacobian(at).toarray() if dense else links_jacobian(at)

    def wrong(at: Array) -> Any:
        found = links_jacobian(at).tolil()
        found[7, 8] *= 1.0001
        return found.toarray() if dense else found.tocsr()

    assert crosscheck.check_jacobian(links, jacobian, x)
    result = crosscheck.check_jacobian(links, wrong, x, diagnose=False)
    assert np.argwhere(result.gradients["jacobian"].mismatched).tolist() == [[8]]
