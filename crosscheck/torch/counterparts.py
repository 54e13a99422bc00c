"""What an operation of ATen is in JAX: for the search for a reason, which reads a forward as JAX's primitives.

A function here takes what the operation takes. The table need not be complete, and a mistake in it accuses nobody: a
program made of it is believed only where it gives the forward's values and autograd's gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Dims = int | list[int] | tuple[int, ...] | None


def axes_of(dim: Dims) -> int | tuple[int, ...] | None:
    """Dims as JAX takes them; none named are all."""
    if dim is None or isinstance(dim, int):
        return dim
    return tuple(dim) or None


def total(x: Any, dim: Dims = None, keepdim: bool = False, **_: Any) -> Any:
    return jnp.sum(x, axes_of(dim), keepdims=keepdim)


def mean(x: Any, dim: Dims = None, keepdim: bool = False, **_: Any) -> Any:
    return jnp.mean(x, axes_of(dim), keepdims=keepdim)


def largest(x: Any, dim: Dims = (), keepdim: bool = False) -> Any:
    return jnp.max(x, axes_of(dim), keepdims=keepdim)


def smallest(x: Any, dim: Dims = (), keepdim: bool = False) -> Any:
    return jnp.min(x, axes_of(dim), keepdims=keepdim)


def largest_with_place(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    if dim is None:
        return jnp.max(x)
    at = jnp.argmax(lax.stop_gradient(x), dim, keepdims=True)
    found = jnp.take_along_axis(x, at, dim)
    return (found, at) if keepdim else (jnp.squeeze(found, dim), jnp.squeeze(at, dim))


def variance(x: Any, dim: Dims = None, unbiased: bool = True, keepdim: bool = False, *, correction: Any = None) -> Any:
    """Written out: its steps are what a backward is derived from."""
    axes = axes_of(dim)
    middle = jnp.mean(x, axes, keepdims=True)
    squares = jnp.sum((x - middle) ** 2, axes, keepdims=keepdim)
    count = x.size // max(1, middle.size)
    less = (1 if unbiased else 0) if correction is None else correction
    return squares / (count - less)


def deviation(*args: Any, **kwargs: Any) -> Any:
    return jnp.sqrt(variance(*args, **kwargs))


def variance_and_mean(x: Any, dim: Dims = None, *args: Any, keepdim: bool = False, **kwargs: Any) -> Any:
    return variance(x, dim, *args, keepdim=keepdim, **kwargs), mean(x, dim, keepdim)


def softmax(x: Any, dim: int, *_: Any) -> Any:
    e = jnp.exp(x - lax.stop_gradient(jnp.max(x, dim, keepdims=True)))
    return e / jnp.sum(e, dim, keepdims=True)


def log_softmax(x: Any, dim: int, *_: Any) -> Any:
    away = x - lax.stop_gradient(jnp.max(x, dim, keepdims=True))
    return away - jnp.log(jnp.sum(jnp.exp(away), dim, keepdims=True))


def layer_norm(x: Any, shape: Any, weight: Any, bias: Any, eps: float) -> Any:
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    middle = jnp.mean(x, axes, keepdims=True)
    scale = 1 / jnp.sqrt(jnp.mean((x - middle) ** 2, axes, keepdims=True) + eps)
    y = (x - middle) * scale
    y = y if weight is None else y * weight
    return (y if bias is None else y + bias), middle, scale


def added_product(x: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    product = a @ b if alpha == 1 else alpha * (a @ b)
    return product + (x if beta == 1 else beta * x)


def clamp(x: Any, low: Any = None, high: Any = None) -> Any:
    """At a bound PyTorch lets the gradient pass, and JAX half of it: there it is not believed."""
    x = x if low is None else jnp.maximum(x, low)
    return x if high is None else jnp.minimum(x, high)


def sliced(x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return x[(slice(None),) * (dim % x.ndim) + (slice(start, end, step),)]


def selected(x: Any, dim: int, index: int) -> Any:
    return x[(slice(None),) * (dim % x.ndim) + (index,)]


def indexed(x: Any, indices: Any) -> Any:
    return x[tuple(slice(None) if i is None else i for i in indices)]


def cut(x: Any, size: Any, dim: int = 0) -> Any:
    if isinstance(size, int):
        places = list(range(size, x.shape[dim], size))
    else:
        places = [sum(size[: i + 1]) for i in range(len(size) - 1)]
    return tuple(jnp.split(x, places, dim))


def expanded(x: Any, shape: Any, **_: Any) -> Any:
    lead = len(shape) - x.ndim
    kept = [n if n != -1 else x.shape[i - lead] for i, n in enumerate(shape)]
    return jnp.broadcast_to(x, kept)


def squeezed(x: Any, dim: Dims = None) -> Any:
    if dim is None:
        return jnp.squeeze(x)
    axes = [dim] if isinstance(dim, int) else dim
    return jnp.squeeze(x, tuple(d % x.ndim for d in axes if x.shape[d] == 1))


def convolution(
    x: Any, w: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, outer: Any, groups: int
) -> Any:
    if transposed:
        raise NotImplementedError("a transposed convolution")
    spatial = x.ndim - 2
    letters = "XYZ"[:spatial]
    stride, padding, dilation = (tuple(a) * (1 if len(a) == spatial else spatial) for a in (stride, padding, dilation))
    y = lax.conv_general_dilated(
        x,
        w,
        stride,
        [(p, p) for p in padding],
        rhs_dilation=dilation,
        dimension_numbers=(f"NC{letters}", f"OI{letters}", f"NC{letters}"),
        feature_group_count=groups,
    )
    return y if bias is None else y + bias.reshape(-1, *[1] * spatial)


def pooled(x: Any, kernel: Any, stride: Any, padding: Any, start: Any, step: Any) -> Any:
    kernel, stride, padding = (tuple(a) * (2 if len(a) == 1 else 1) for a in (kernel, stride or kernel, padding))
    wide = [(0, 0)] * (x.ndim - 2) + [(p, p) for p in padding]
    ones = (1,) * (x.ndim - 2)
    return lax.reduce_window(x, start, step, ones + kernel, ones + stride, wide)


def max_pool(
    x: Any, kernel: Any, stride: Any = (), padding: Any = (0,), dilation: Any = (1,), ceil: bool = False
) -> Any:
    if ceil or any(d != 1 for d in dilation):
        raise NotImplementedError("a dilated pool, or one that rounds up")
    return pooled(x, kernel, stride, padding, -jnp.inf, lax.max), None


def mean_pool(
    x: Any,
    kernel: Any,
    stride: Any = (),
    padding: Any = (0,),
    ceil: bool = False,
    counted: bool = True,
    divisor: int | None = None,
) -> Any:
    if ceil or not counted:
        raise NotImplementedError("a pool that rounds up, or counts what lies inside")
    size = divisor or math.prod(tuple(kernel) * (2 if len(kernel) == 1 else 1))
    return pooled(x, kernel, stride, padding, 0.0, lax.add) / size


def norm(x: Any, order: float = 2, dim: Dims = None, keepdim: bool = False, **_: Any) -> Any:
    axes = axes_of(dim)
    if order == 2:
        return jnp.sqrt(jnp.sum(x * x, axes, keepdims=keepdim))
    if order == 1:
        return jnp.sum(jnp.abs(x), axes, keepdims=keepdim)
    raise NotImplementedError(f"a norm of order {order}")


def padded(x: Any, pad: Any, value: float = 0) -> Any:
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    return jnp.pad(x, [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1], constant_values=value)


def scaled_sum(a: Any, b: Any, alpha: float = 1) -> Any:
    return a + (b if alpha == 1 else alpha * b)


def scaled_difference(a: Any, b: Any, alpha: float = 1) -> Any:
    return a - (b if alpha == 1 else alpha * b)


def divided(a: Any, b: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode:
        raise NotImplementedError(f"a division that rounds by {rounding_mode}")
    return a / b


def power(a: Any, b: Any) -> Any:
    return a ** int(b) if isinstance(b, float) and b == int(b) and abs(b) < 100 else a**b


def softplus(x: Any, beta: float = 1, threshold: float = 20) -> Any:
    steep = beta * x
    return jnp.where(steep > threshold, x, jnp.log1p(jnp.exp(jnp.minimum(steep, threshold))) / beta)


def elu(x: Any, alpha: float = 1, scale: float = 1, inner: float = 1) -> Any:
    return scale * jnp.where(x > 0, x, alpha * jnp.expm1(jnp.where(x > 0, 0.0, x) * inner))


def gelu(x: Any, approximate: str = "none") -> Any:
    if approximate == "tanh":
        return x * (0.5 * (1 + jnp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
    return x * (0.5 * (1 + lax.erf(x * math.sqrt(0.5))))


def same(x: Any, *_: Any, **__: Any) -> Any:
    return x


def one_of(choice: Any, a: Any, b: Any) -> Any:
    return jnp.where(choice, a, b)


COUNTERPARTS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("clone", "alias", "contiguous", "lift_fresh", "_to_copy", "to", "positive"), same),
    "detach": lax.stop_gradient,
    "add": scaled_sum,
    "sub": scaled_difference,
    "rsub": lambda a, b, alpha=1: b - a if alpha == 1 else b - alpha * a,
    "mul": lambda a, b: a * b,
    "div": divided,
    "true_divide": divided,
    "neg": lambda x: -x,
    "pow": power,
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
    "rsqrt": lambda x: 1 / jnp.sqrt(x),
    "sigmoid": jax.nn.sigmoid,
    "relu": jax.nn.relu,
    "silu": lambda x: x * jax.nn.sigmoid(x),
    "gelu": gelu,
    "softplus": softplus,
    "elu": elu,
    "leaky_relu": lambda x, slope=0.01: jnp.where(x > 0, x, slope * x),
    "threshold": lambda x, at, value: jnp.where(x > at, x, value),
    "clamp": clamp,
    "clamp_min": lambda x, low: clamp(x, low),
    "clamp_max": lambda x, high: clamp(x, None, high),
    "hardtanh": lambda x, low=-1, high=1: jnp.where(
        (x > low) & (x < high), x, lax.stop_gradient(jnp.clip(x, low, high))
    ),
    "erf": lax.erf,
    "where": one_of,
    "masked_fill": lambda x, mask, value: jnp.where(mask, value, x),
    "bitwise_and": lambda a, b: a & b,
    "bitwise_or": lambda a, b: a | b,
    "bitwise_not": lambda a: ~a,
    **dict(
        zip(
            ("gt", "ge", "lt", "le", "eq", "ne"),
            (jnp.greater, jnp.greater_equal, jnp.less, jnp.less_equal, jnp.equal, jnp.not_equal),
            strict=True,
        )
    ),
    **{
        name: getattr(jnp, name)
        for name in (
            "abs",
            "exp",
            "exp2",
            "expm1",
            "log",
            "log2",
            "log10",
            "log1p",
            "tanh",
            "sin",
            "cos",
            "tan",
            "sinh",
            "cosh",
            "sqrt",
            "sign",
            "maximum",
            "minimum",
            "floor",
            "ceil",
            "round",
            "logical_and",
            "logical_or",
            "logical_not",
            "tril",
            "triu",
            "cumsum",
            "hypot",
        )
    },
    "atan2": jnp.arctan2,
    **{name: getattr(jnp, f"arc{name[1:]}") for name in ("asin", "acos", "atan", "asinh", "acosh", "atanh")},
    "sum": total,
    "mean": mean,
    "amax": largest,
    "amin": smallest,
    "max": largest_with_place,
    "argmax": lambda x, dim=None, keepdim=False: jnp.argmax(x, dim, keepdims=keepdim),
    "var": variance,
    "std": deviation,
    "var_mean": variance_and_mean,
    "logsumexp": lambda x, dim, keepdim=False: jax.nn.logsumexp(x, axes_of(dim), keepdims=keepdim),
    "linalg_vector_norm": norm,
    "_softmax": softmax,
    "_log_softmax": log_softmax,
    "native_layer_norm": layer_norm,
    **dict.fromkeys(("mm", "bmm", "mv", "dot"), lambda a, b: a @ b),
    "addmm": added_product,
    "baddbmm": added_product,
    "t": lambda x: x.T,
    "transpose": lambda x, a, b: jnp.swapaxes(x, a, b),
    "permute": lambda x, dims: jnp.transpose(x, dims),
    **dict.fromkeys(("view", "_unsafe_view", "reshape"), lambda x, shape: jnp.reshape(x, shape)),
    "expand": expanded,
    "unsqueeze": lambda x, dim: jnp.expand_dims(x, dim),
    "squeeze": squeezed,
    "slice": sliced,
    "select": selected,
    "index": indexed,
    "index_select": lambda x, dim, index: jnp.take(x, index, dim),
    "gather": lambda x, dim, index: jnp.take_along_axis(x, index, dim),
    "embedding": lambda weight, index, *_: weight[index],
    "cat": lambda parts, dim=0: jnp.concatenate(parts, dim),
    "stack": lambda parts, dim=0: jnp.stack(parts, dim),
    "split": cut,
    "split_with_sizes": cut,
    "unbind": lambda x, dim=0: tuple(jnp.moveaxis(x, dim, 0)),
    "diagonal": lambda x, offset=0, a=0, b=1: jnp.diagonal(x, offset, a, b),
    "flip": lambda x, dims: jnp.flip(x, dims),
    "roll": lambda x, shifts, dims=(): jnp.roll(x, tuple(shifts), tuple(dims) or None),
    "repeat": lambda x, times: jnp.tile(x, times),
    "constant_pad_nd": padded,
    "zeros_like": lambda x, **_: jnp.zeros_like(x),
    "ones_like": lambda x, **_: jnp.ones_like(x),
    "full_like": lambda x, value, **_: jnp.full_like(x, value),
    "addcmul": lambda x, a, b, value=1: x + (a * b if value == 1 else value * a * b),
    "addcdiv": lambda x, a, b, value=1: x + (a / b if value == 1 else value * a / b),
    "lerp": lambda a, b, weight: a + weight * (b - a),
    "convolution": convolution,
    "max_pool2d_with_indices": max_pool,
    "avg_pool2d": mean_pool,
}
