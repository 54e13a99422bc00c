"""What every engine offers."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from manual.kernels import bounds
from manual.kernels.bounds import Growth
from manual.kernels.geometry import Geometry

Array = np.ndarray
Gradients = tuple[Array, Array, Array]


class Engine(NamedTuple):
    """One algorithm for the convolution and its gradients.

    Attributes:
        name: what it is asked for by.
        exact: whether it computes the definition's sums of products in some order; then results at integers and dyadic
            rationals are exact as long as they fit the mantissa, and an output that reads only zeros is 0.
        refusal: geometry -> why it cannot do this configuration, or None.
        forward: (x, filters, biases, geometry) -> (y, what its backward can use again or None).
        backward: (grad_output, x, filters, geometry, that) -> gradients of x, filters and biases.
        output_bound: (x, filters, biases, geometry, growth) -> a bound on |y - exact| at every entry; growth is
            `bounds.worst` or `bounds.probable`.
        gradient_bounds: (grad_output, x, filters, geometry, growth) -> the same for the three gradients.
        parameter_gradients: as backward, the gradients of filters and biases alone, where that is less work.
    """

    name: str
    exact: bool
    refusal: Callable[[Geometry], str | None]
    forward: Callable[[Array, Array, Array, Geometry], tuple[Array, Any]]
    backward: Callable[[Array, Array, Array, Geometry, Any], Gradients]
    output_bound: Callable[[Array, Array, Array, Geometry, Growth], Array]
    gradient_bounds: Callable[[Array, Array, Array, Geometry, Growth], Gradients]
    parameter_gradients: Callable[[Array, Array, Array, Geometry, Any], tuple[Array, Array]] | None = None


def of_sums(
    name: str,
    refusal: Callable[[Geometry], str | None],
    forward: Callable[..., tuple[Array, Any]],
    backward: Callable[..., Gradients],
    parameter_gradients: Callable[..., tuple[Array, Array]] | None = None,
) -> Engine:
    """An engine that adds up the definition's products, in an order of its own: exact, and with the bounds of sums."""
    of_output = partial(bounds.output_of_sums, forward)
    of_gradients = partial(bounds.gradients_of_sums, backward)
    return Engine(name, True, refusal, forward, backward, of_output, of_gradients, parameter_gradients)
