"""Laws of the tangents: `tangent` of every file, called as a plain function beside its `forward` and `backward`."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.manual.test_operations import CASES, LATER, Case, fortran, passed, read_only, strided

Array = np.ndarray
Rng = np.random.Generator

every_case = pytest.mark.parametrize(
    "case",
    [pytest.param(c, id=name, marks=[pytest.mark.proof] if name in LATER else []) for name, c in CASES.items()],
)


def run(case: Case, arrays: list[Array], nudges: list[Array]) -> tuple[Any, Any, Any]:
    """y, what is saved, and the nudge of y."""
    y, saved = passed(case, arrays)
    return y, saved, case.module.tangent(*nudges, saved=saved)


@every_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_has_the_shape_and_the_dtype_of_the_output(case: Case, dtype: type, rng: Rng) -> None:
    y, _, nudge = run(case, case.arrays(rng, dtype), case.arrays(rng, dtype))
    assert np.shape(nudge) == np.shape(y)
    assert nudge.dtype == y.dtype == dtype


@every_case
def test_it_is_linear_in_the_nudges(case: Case, rng: Rng) -> None:
    """A power of two rounds nothing, and what stands still moves nothing."""
    arrays, nudges = case.arrays(rng), case.arrays(rng)
    _, saved, once = run(case, arrays, nudges)
    np.testing.assert_array_equal(case.module.tangent(*(-4 * n for n in nudges), saved=saved), -4 * once)
    assert not np.any(case.module.tangent(*map(np.zeros_like, nudges), saved=saved))


@every_case
@pytest.mark.parametrize("form", [read_only, strided, fortran])
def test_any_layout_in_memory_is_read_and_none_is_written_to(
    case: Case, form: Callable[[Array], Array], rng: Rng
) -> None:
    arrays, plain = case.arrays(rng), case.arrays(rng)
    _, saved, expected = run(case, arrays, plain)
    formed = [form(a.copy()) for a in plain]
    before = [a.tobytes() for a in formed]
    nudge = case.module.tangent(*formed, saved=saved)
    assert before == [a.tobytes() for a in formed]
    np.testing.assert_allclose(nudge, expected, rtol=1e-12, atol=1e-12)  # the order of a sum may differ


@every_case
def test_it_leaves_the_way_back_as_it_was(case: Case, rng: Rng) -> None:
    arrays, nudges = case.arrays(rng), case.arrays(rng)
    y, saved = passed(case, arrays)
    g = rng.normal(size=np.shape(y))
    before = [np.array(a) for a in case.module.backward(g, saved)]
    once, again = (case.module.tangent(*nudges, saved=saved) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    for a, b in zip(before, case.module.backward(g, saved), strict=True):
        np.testing.assert_array_equal(a, b)
    if case.operation != "flatten":  # a reshape may return a view
        assert not any(np.shares_memory(np.asarray(once), a) for a in [*arrays, *nudges])


@every_case
def test_a_nudge_of_another_shape_is_refused(case: Case, rng: Rng) -> None:
    arrays, nudges = case.arrays(rng), case.arrays(rng)
    saved = passed(case, arrays)[1]
    for at, nudge in enumerate(nudges):
        wrong = [*nudges[:at], np.zeros((*nudge.shape, 1)), *nudges[at + 1 :]]
        with pytest.raises(ValueError, match=r"nudge.* has shape .*; .* has shape"):
            case.module.tangent(*wrong, saved=saved)


# ---------------------------------------------------------------------- the transpose, where nothing rounds

# Those that add, multiply and select, and divide by 2, 3 and their products alone.
EXACT = {
    *("convolution", "linear", "projection", "flatten", "max_pooling", "average_pooling", "relu", "prelu"),
    *("hard_swish", "linear_activation", "maxout", "mean_squared_error", "mean_absolute_error", "add", "multiply"),
    *("concatenation", "dropout", "pad", "pixel_shuffle"),
}
# 0.2 has no end in binary, and cross-entropies have logarithms; an engine for large images mixes entries.
ROUNDS = {"dropout a fifth"}


def whole(case: Case, rng: Rng, multiple: int) -> list[Array]:
    """Small whole numbers, all multiples of one."""
    return [multiple * rng.integers(-4, 5, shape).astype(float) for shape in case.shapes]


def product(a: list[Array], b: list[Array]) -> Fraction:
    """Their inner product, without rounding."""
    pairs = zip(np.concatenate([np.ravel(x) for x in a]), np.concatenate([np.ravel(x) for x in b]), strict=True)
    return sum((Fraction(float(x)) * Fraction(float(y)) for x, y in pairs), Fraction(0))


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case.operation in EXACT and n not in ROUNDS])
def test_the_backward_is_its_transpose_to_the_last_bit(name: str, rng: Rng) -> None:
    """⟨G, J·V̇⟩ = ⟨Jᵀ·G, V̇⟩. Whole numbers are added and multiplied exactly: were one rounded, they would differ.

    Of 36 every divisor of the cases is a divisor, and X of hard swish has to be a multiple of 3.
    """
    case = CASES[name]
    arrays, nudges = whole(case, rng, 3), whole(case, rng, 36)
    y, saved, nudge = run(case, arrays, nudges)
    g = 36 * rng.integers(1, 9, np.shape(y)) * rng.choice([-1.0, 1.0], np.shape(y))
    assert np.any(nudge)
    assert product([g], [nudge]) == product(list(case.module.backward(g, saved)), nudges)
