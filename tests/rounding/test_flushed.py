"""Arguments below the smallest normal number, which XLA reads as zeros and NumPy does not."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck

Array = np.ndarray


def said(
    forward: Callable[[Array], Array],
    backward: Callable[..., dict[str, Array]],
    x: Array,
    reference: Callable[..., object] | None,
) -> str:
    result = crosscheck.check(forward, backward, {"x": x}, reference, diagnose=False)
    assert str(result)
    assert result.full()
    return result.verdict


def leaky(x: Array) -> Array:
    return np.where(x > 0, x, 0.1 * x)


@pytest.mark.parametrize("reference", [None, lambda x: jnp.where(x > 0, x, 0.1 * x)], ids=["recorded", "given"])
def test_what_xla_flushes_to_zero_accuses_nobody(reference: Callable[..., object] | None) -> None:
    x = np.array([-9e-315, 5e-311, 4.9e-317, -7.9e-295, 2.0])

    def backward(grad_output: Array, x: Array) -> dict[str, Array]:
        return {"x": grad_output * np.where(x > 0, 1.0, 0.1)}

    assert said(leaky, backward, x, reference) != "disagree"


TINY = {
    "a step that is lost": [4.59e-314, -6.4e-305, -1.49e-299, -5.1e-308, -1.19e-292, -7.68e-319],
    "a step near a kink that is": [2.8e-312, 6.942827844245367e-318, -7.9e-299, 3.196e-320, -4.3e-319, -7.5e-306],
}


@pytest.mark.parametrize("reference", [None, lambda x: jnp.maximum(x, 0)], ids=["recorded", "given"])
@pytest.mark.parametrize("point", TINY)
def test_no_number_is_too_small_for_a_page(point: str, reference: Callable[..., object] | None) -> None:
    x = np.array(TINY[point])
    for entry, slip in ((0, 0.0), (0, 0.5), (1, 0.5)):

        def backward(grad_output: Array, x: Array, entry: int = entry, slip: float = slip) -> dict[str, Array]:
            slips = np.ones(6)
            slips[entry] = slip
            return {"x": grad_output * (x > 0) * slips[: len(x)]}

        assert said(lambda x: np.maximum(x, 0), backward, x, reference)


def test_nor_does_the_convention_that_jax_takes_at_the_zero_it_sees() -> None:
    """expm1(min(x, 0)) has slope ½ at 0 in JAX, and NumPy is beside it."""
    x = np.array([9e-309, -6.6e-309, 1.1e-308, 6.9e-295, -3e-294])

    def backward(grad_output: Array, x: Array) -> dict[str, Array]:
        return {"x": grad_output * np.where(x > 0, 1.0, np.exp(np.minimum(x, 0)))}

    def elu(x: Array) -> Array:
        return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))

    assert said(elu, backward, x, lambda x: jnp.where(x > 0, x, jnp.expm1(jnp.minimum(x, 0)))) != "disagree"


def test_ordinary_numbers_beside_them_are_judged_as_ever() -> None:
    x = np.array([3e-311, 2.0, -1.0])

    def backward(grad_output: Array, x: Array) -> dict[str, Array]:
        return {"x": grad_output * np.where(x > 0, 1.0, 0.1) * np.where(x == 2, 1.001, 1.0)}

    assert said(leaky, backward, x, lambda x: jnp.where(x > 0, x, 0.1 * x)) == "disagree"
