"""Arrays that reach over decades, at kinks and beside them: what is near is near on an entry's own scale."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erfc

import crosscheck

Array = np.ndarray


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def after_erfc(x: Array) -> Array:
    return erfc(np.abs(x))


def slope_of_erfc(x: Array) -> Array:
    return -2 / np.sqrt(np.pi) * np.exp(-(np.minimum(np.abs(x), 1e3) ** 2)) * np.sign(x)


CASES: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array], Callable[[jax.Array], jax.Array]]] = {
    "relu": (relu, lambda x: np.where(x > 0, 1.0, 0.0), lambda x: jnp.maximum(x, 0)),
    "erfc of |x|": (after_erfc, slope_of_erfc, lambda x: jax.scipy.special.erfc(jnp.abs(x))),
}
TINY = np.array([-0.0, -1.1e-79, -0.0, 3e-80])
WIDE = np.array([-0.0, -1.5e125, -7.5e-139, 3.8e8, -2.9e-113, 0.0])


def verdict(name: str, x: Array, factor: Array | float = 1.0) -> str:
    forward, slope, reference = CASES[name]
    result = crosscheck.check(forward, lambda g, x: g * slope(x) * factor, {"x": x}, reference=reference)
    assert print(result) is None, "its page can be printed"
    return result.verdict


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("x", [TINY, WIDE], ids=["tiny", "wide"])
def test_another_convention_at_the_zeros_is_never_accused(name: str, x: Array) -> None:
    assert verdict(name, x) != "disagree"


@pytest.mark.parametrize("slip", [0.5, 0.0, -1.0])
@pytest.mark.parametrize(("name", "entry"), [("relu", 3), ("erfc of |x|", 2), ("erfc of |x|", 4)])
def test_a_mistake_beside_a_kink_is_no_convention(name: str, entry: int, slip: float) -> None:
    factor = np.ones(WIDE.shape)
    factor[entry] = slip
    assert verdict(name, WIDE, factor) == "disagree"


def test_what_an_output_swallows_refutes_nothing() -> None:
    """1 - 1e-79 is 1: no slope is seen there, and none is refuted."""
    assert verdict("erfc of |x|", np.array([1.06e-92, 0.0, -0.0])) != "disagree"
