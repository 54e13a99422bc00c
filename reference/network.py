"""A program of operations: each reads values that are there, and writes one.

    V₀ = X,   V_n = f_n(V_r for r in what stage n reads; parameters of stage n),   Y = V_N

Source: the lecture, "Chain Rule for Layered CNN Architecture" and "Multi-Path Gradient Flow in CNNs". The gradient with
respect to X and every parameter comes from differentiating `forward` in its first two arguments at once.
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

__all__ = ["carried", "forward", "operations"]

NO_OPERATIONS = {"network", "optimizers", "precision"}


def operations() -> tuple[str, ...]:
    """The names that a stage may carry: the package's modules, but for this one, optimizers and precision."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    return tuple(sorted({module.name for module in modules} - NO_OPERATIONS))


@double_precision()
def forward(x: ArrayLike, parameters: Mapping[str, ArrayLike], *, stages: Iterable[Sequence[Any]]) -> jax.Array:
    """Run x through the stages, in order.

    x: what the first stage takes.  parameters: every parameter and every state of every stage, by name.  All of
    one dtype, float32 or float64; the result is what the last stage gives (x without stages).

    A stage is (operation, parameter names, hyper-parameters): the file name of an operation in
    this package, the keys in `parameters` of the arrays that it takes after x, in its order, and
    its keyword-only arguments. It reads what the stage before it wrote. Or it is, beyond these three,
    (..., reads, writes, state): the names of the values that it takes, "x" among them, the name of
    the one that it writes, and the keys in `parameters` of its state, which the operation takes as
    the keyword after the key's last dot and returns behind its result.

    Raises ValueError for an operation that the package does not have, KeyError for a parameter
    that is not among `parameters` or a value that no stage before has written.
    """
    return carried(x, parameters, stages=stages)[0]


@double_precision()
def carried(
    x: ArrayLike, parameters: Mapping[str, ArrayLike], *, stages: Iterable[Sequence[Any]]
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """As `forward`, with what every state becomes, by its key."""
    y, known = jnp.asarray(x), operations()
    values: dict[Any, jax.Array] = {"x": y}
    after: dict[str, jax.Array] = {}
    for operation, names, hyperparameters, *rest in stages:
        if operation not in known:
            raise ValueError(f"there is no operation {operation!r}; the reference has {', '.join(known)}")
        reads, writes, state = rest or (None, None, ())
        arrays = [y] if reads is None else [values[name] for name in reads]
        held = {name.split(".")[-1]: parameters[name] for name in state}
        module = import_module(f"reference.{operation}")
        y = module.forward(*arrays, *(parameters[name] for name in names), **hyperparameters, **held)
        if state:
            y, becomes = y
            after.update(zip(state, becomes, strict=True))
        values[writes] = y
    return y, after
