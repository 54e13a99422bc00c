"""The fast convolution: one interface, several engines, each a file with its derivation.

    forward(x, filters, biases, *, stride, padding, dilation, groups, engine) -> (y, saved)
    tangent(nudge_x, nudge_filters, nudge_biases, saved) -> nudge_y
    backward(grad_output, saved) -> (grad_x, grad_filters, grad_biases)

`definition` is the lecture's sum; the others compute the same in other ways (`gemm`, `pointwise`, `small`, `lanes`,
`dense`, `channels`, `depthwise`, `banded`: the same products in another order). `choice` says which one runs, by what
each has to do (`work`) and what this machine takes for it (`rates`); `bounds` says how far each can be from the exact
result.

    explain(x_shape, filters_shape, ...) -> every engine's estimate, as text
    calibrate()                          -> this machine's rates, measured and kept
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from manual import checks
from manual.checks import plain
from manual.kernels import rates
from manual.kernels.bounds import Growth, probable, worst
from manual.kernels.choice import ENGINES, POLICIES, choose, explain, known, requested, use
from manual.kernels.engine import Engine
from manual.kernels.geometry import Geometry, PaddingArgument, Pair, describe, padding_sides, same_padding
from manual.kernels.rates import Rates
from manual.machine import threads
from manual.machine.layout import samples_innermost
from manual.machine.plans import cache
from manual.machine.threads import num_threads, set_num_threads

__all__ = [
    "ENGINES",
    "POLICIES",
    "Engine",
    "Geometry",
    "PaddingArgument",
    "Saved",
    "backward",
    "cache",
    "calibrate",
    "choose",
    "describe",
    "explain",
    "forward",
    "gradient_bounds",
    "known",
    "num_threads",
    "output_bound",
    "padding_sides",
    "parameter_gradients",
    "probable",
    "same_padding",
    "set_num_threads",
    "tangent",
    "threads",
    "use",
    "worst",
]

Array = np.ndarray
CONFIGURATIONS = 1024  # whose checks and choice are remembered


class Saved(NamedTuple):
    """What the backward pass needs."""

    x: Array  # (B, C_in, H, W)
    filters: Array  # (C_out, C_in/groups, K_h, K_w)
    biases: Array  # (C_out,), for the bound on y
    geometry: Geometry
    engine: str  # that ran, and will run backward
    kept: Any  # what that engine can use again


def forward(
    x: Array,
    filters: Array,
    biases: Array,
    *,
    stride: Pair = (1, 1),
    padding: PaddingArgument = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    engine: str = "auto",
) -> tuple[Array, Saved]:
    """Y[b,c,h,w] = Σ_{k,i,j} X[b,k,s·h+d·i,t·w+e·j] · W[c,k,i,j] + bias[c], in each of `groups` parts of the channels.

    Args:
        x: (B, C_in, H, W), any strides; float32 or float64 for the fast engines, anything for the definition.
        filters: (C_out, C_in/groups, K_h, K_w), of the same dtype.
        biases: (C_out,), of the same dtype.
        stride, dilation: (rows, columns), at least 1.
        padding: rows and columns of zeros: (rows, columns) on both sides, ((top, bottom), (left, right)), or "same":
            as many as make H_out = ⌈H / stride⌉, an odd one at the end.
        groups: divides C_in and C_out; groups = C_in is a depthwise convolution.
        engine: "auto", "fast", "exact" or a name in `ENGINES`; see `choice`. A surrounding `use` block overrides it.

    Returns:
        y (B, C_out, H_out, W_out) and what `backward` needs. Where x has its samples innermost in memory, y may, too
            (`lanes`).

    Raises:
        ValueError: a shape or hyper-parameter that does not fit, or an engine that cannot do this configuration.
        TypeError: hyper-parameters that are not made of integers.
    """
    shapes, dtype = (x.shape, filters.shape, biases.shape), common_dtype(x, filters, biases)
    hyperparameters, asked = (stride, padding, dilation, groups), requested.get() or engine
    remembered = resolve if plain(hyperparameters) else resolve.__wrapped__
    geometry, chosen = remembered(shapes, dtype, hyperparameters, asked, samples_innermost(x))
    y, kept = chosen.forward(x, filters, biases, geometry)
    return y, Saved(x, filters, biases, geometry, chosen.name, kept)


def tangent(nudge_x: Array, nudge_filters: Array, nudge_biases: Array, saved: Saved) -> Array:
    """The nudge of y: two convolutions, Ẋ with W and ḃ, and X with Ẇ, each by the engine of the forward pass.

    Raises:
        ValueError: a nudge of another shape than what it moves.
    """
    x, filters, biases, geometry, engine, _ = saved
    moved = {"x": (nudge_x, x.shape), "filters": (nudge_filters, filters.shape), "biases": (nudge_biases, biases.shape)}
    checks.nudges(**moved)
    same = common_dtype(nudge_x, nudge_filters, nudge_biases) == x.dtype
    run = ENGINES[engine if same else "definition"].forward
    of_x, _ = run(nudge_x, filters, nudge_biases, geometry)
    of_filters, _ = run(x, nudge_filters, np.zeros_like(nudge_biases), geometry)
    return of_x + of_filters


def backward(grad_output: Array, saved: Saved) -> tuple[Array, Array, Array]:
    """∂L/∂x, ∂L/∂filters, ∂L/∂biases from grad_output = ∂L/∂y, by the engine of the forward pass.

    Raises:
        ValueError: grad_output has another shape than y.
    """
    return backward_of(grad_output, saved).backward(grad_output, saved.x, saved.filters, saved.geometry, saved.kept)


def parameter_gradients(grad_output: Array, saved: Saved) -> tuple[Array, Array]:
    """∂L/∂filters and ∂L/∂biases alone, as `backward` has them up to rounding; raises as it does."""
    engine = backward_of(grad_output, saved)
    arguments = grad_output, saved.x, saved.filters, saved.geometry, saved.kept
    if engine.parameter_gradients is None:
        return engine.backward(*arguments)[1:]
    return engine.parameter_gradients(*arguments)


def backward_of(grad_output: Array, saved: Saved) -> Engine:
    """The engine of the backward pass, for a gradient of the right shape."""
    if grad_output.shape != saved.geometry.output_shape:
        raise ValueError(
            f"grad_output has shape {grad_output.shape}; the output has shape {saved.geometry.output_shape}"
        )
    return ENGINES[saved.engine if grad_output.dtype == saved.x.dtype else "definition"]


def output_bound(saved: Saved, growth: Growth = worst) -> Array:
    """How far each entry of y can be from the exact result, by the bound of the engine that ran
    (float64).

    Args:
        growth: `worst`, which holds unless something overflows, or `probable`, √n in place of n: how large errors
            are, if roundings are independent, and not a bound for every one of them.
    """
    engine = ENGINES[saved.engine]
    return engine.output_bound(saved.x, saved.filters, saved.biases, saved.geometry, growth)


def gradient_bounds(grad_output: Array, saved: Saved, growth: Growth = worst) -> tuple[Array, Array, Array]:
    """The same for the three gradients that `backward` returns."""
    engine = ENGINES[saved.engine]
    return engine.gradient_bounds(grad_output, saved.x, saved.filters, saved.geometry, growth)


def calibrate() -> dict[str, Rates]:
    """Measure what this machine takes for the kinds of work that engines are chosen by, in about a second, keep it in
    the user's cache folder for later processes, and choose by it from now on.

    Nothing is measured unless somebody calls this; without it the rates of a server core hold. A file from another
    processor, NumPy, BLAS or number of threads is not read, nor is any where MANUAL_CALIBRATION is "off".

    Returns:
        Seconds per unit of each kind of work, by dtype; `explain` says how much of each an engine has to do.
    """
    measured = rates.calibrate()
    resolve.cache_clear()
    return measured


@lru_cache(CONFIGURATIONS)
def resolve(
    shapes: tuple[tuple[int, ...], ...],
    dtype: np.dtype[Any] | None,
    hyperparameters: tuple[Any, ...],
    engine: str,
    innermost: bool,
) -> tuple[Geometry, Engine]:
    """The checks and the choice, for stride, padding, dilation and groups; remembered where these are `plain`."""
    geometry = describe(*shapes, *hyperparameters)
    return geometry, choose(geometry, dtype, engine, innermost=innermost)


def common_dtype(x: Array, filters: Array, biases: Array) -> np.dtype[Any] | None:
    return x.dtype if x.dtype == filters.dtype == biases.dtype else None
