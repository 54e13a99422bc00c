"""A chain of operations: what comes out of one goes into the next.

    X₀ = X,   X_{n+1} = f_n(X_n; parameters of stage n),   Y = X_N

Source: the lecture, "Chain Rule for Layered CNN Architecture". The gradient with respect to X and
every parameter comes from differentiating `forward` in its first two arguments at once.
"""

import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward", "operations"]


def operations() -> tuple[str, ...]:
    """The names that a stage may carry: the package's modules, but for this one, optimizers and precision."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    return tuple(sorted({module.name for module in modules} - {"network", "optimizers", "precision"}))


@double_precision()
def forward(
    x: ArrayLike,
    parameters: Mapping[str, ArrayLike],
    *,
    stages: Iterable[tuple[str, Sequence[str], Mapping[str, Any]]],
) -> jax.Array:
    """Run x through the stages, in order.

    x: what the first stage takes.  parameters: every parameter of every stage, by name.  All of
    one dtype, float32 or float64; the result is what the last stage gives (x without stages).

    A stage is (operation, parameter names, hyper-parameters): the file name of an operation in
    this package, the keys in `parameters` of the arrays that it takes after x, in its order, and
    its keyword-only arguments.

    Raises ValueError for an operation that the package does not have, KeyError for a parameter
    that is not among `parameters`.
    """
    y, known = jnp.asarray(x), operations()
    for operation, names, hyperparameters in stages:
        if operation not in known:
            raise ValueError(f"there is no operation {operation!r}; the reference has {', '.join(known)}")
        module = import_module(f"reference.{operation}")
        y = module.forward(y, *(parameters[name] for name in names), **hyperparameters)
    return y
