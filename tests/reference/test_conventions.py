"""Where the derivative is a matter of convention, the reference keeps the project's."""

from collections.abc import Callable
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest

from reference import max_pooling, relu, sigmoid, tanh
from reference.precision import double_precision

Array = npt.NDArray[np.floating]


def gradient(func: Callable[..., jax.Array], x: Array, grad_output: Array) -> Array:
    def pulled_back(x: Array, grad_output: Array) -> jax.Array:
        _, vjp = jax.vjp(func, x)
        return vjp(grad_output)[0]

    with double_precision():
        return np.asarray(jax.jit(pulled_back)(x, grad_output))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relu_has_no_gradient_at_zero(dtype: type[np.floating]):
    smallest = np.finfo(dtype).tiny
    x = np.array([-1, -smallest, -0.0, 0.0, smallest, 1], dtype)
    grad_output = np.array([2, 3, 5, 7, 11, 13], dtype)
    assert gradient(relu.forward, x, grad_output).tolist() == [0, 0, 0, 0, 11, 13]


def test_maximum_is_not_the_reference_because_it_says_half():
    x, ones = np.array([-1.0, 0.0, 1.0]), np.ones(3)
    assert gradient(lambda x: jnp.maximum(x, 0), x, ones).tolist() == [0, 0.5, 1]
    assert gradient(relu.forward, x, ones).tolist() == [0, 0, 1]


def first_maximum_takes_all(x: Array, grad_output: Array, pool_size: tuple[int, int], stride: tuple[int, int]) -> Array:
    grad_x = np.zeros_like(x)
    for b, c, h, w in np.ndindex(grad_output.shape):
        corner = stride[0] * h, stride[1] * w
        winner = corner
        for i in range(pool_size[0]):
            for j in range(pool_size[1]):
                entry = corner[0] + i, corner[1] + j
                if x[b, c, *entry] > x[b, c, *winner]:  # an equal one comes too late
                    winner = entry
        grad_x[b, c, *winner] += grad_output[b, c, h, w]
    return grad_x


WINDOWS = [
    pytest.param((2, 2), (2, 2), id="side-by-side"),
    pytest.param((3, 2), (1, 1), id="overlapping"),
    pytest.param((2, 3), (1, 2), id="overlapping-in-one-direction"),
    pytest.param((1, 2), (2, 3), id="apart"),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("pool_size", "stride"), WINDOWS)
def test_first_maximum_in_row_major_order_wins(
    rng: np.random.Generator,
    pool_size: tuple[int, int],
    stride: tuple[int, int],
    dtype: type[np.floating],
):
    def pooled(x: Array) -> jax.Array:
        return max_pooling.forward(x, pool_size=pool_size, stride=stride)

    shape = (2, 6, 6)
    x = np.stack(  # one kind of tie in each sample, so that one compilation does for all
        [
            rng.integers(0, 2, shape),
            np.ones(shape),
            np.zeros(shape),
            rng.choice([-0.0, 0.0], shape),
            rng.integers(-3, -1, shape),
            np.full(shape, -np.inf),
        ]
    ).astype(dtype)
    # Integers: overlapping windows add up without rounding, so in any order.
    grad_output = rng.integers(1, 99, jax.eval_shape(pooled, x).shape).astype(dtype)
    actual = gradient(pooled, x, grad_output)
    assert actual.dtype == dtype
    expected = first_maximum_takes_all(x, grad_output, pool_size, stride)
    np.testing.assert_array_equal(actual, expected)


def test_reduction_by_max_is_not_the_reference_because_it_shares():
    x = np.ones((1, 1, 2, 2))
    shared = gradient(lambda x: jnp.max(x, axis=(2, 3)), x, np.ones((1, 1)))
    whole = gradient(lambda x: max_pooling.forward(x, pool_size=(2, 2)), x, np.ones((1, 1, 1, 1)))
    assert shared.ravel().tolist() == [0.25, 0.25, 0.25, 0.25]
    assert whole.ravel().tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize(("module", "before", "after"), [(sigmoid, 36, 38), (tanh, 18, 20)])
def test_saturated_derivative_is_exactly_zero(module: ModuleType, before: float, after: float):
    """JAX's own rounding, told in the module: whoever judges against it has to allow for it."""
    grad_x = gradient(module.forward, np.array([before, after], float), np.ones(2))
    assert grad_x[0] > 0
    assert grad_x[1] == 0
