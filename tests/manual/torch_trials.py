"""Random configurations of every operation, and PyTorch's function for each: drawn anew, not from the spaces.

A trial is one configuration: how ours is called, what PyTorch makes of the same arrays, and the arrays. Sizes are drawn
from ranges, size one and batches of none among them, where PyTorch takes them; the values are one of `VALUES`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray
Rng = np.random.Generator

VALUES = ("normal", "ties", "zeros", "large", "mixed")


class Trial(NamedTuple):
    """One configuration."""

    operation: str
    arrays: tuple[Array, ...]  # positional, in order
    options: dict[str, Any]  # keyword-only
    theirs: Callable[..., Any]  # of as many tensors
    state: tuple[Any, ...] = ()  # tensors that PyTorch moves, to be compared with the state that ours returns

    @property
    def module(self) -> Any:
        return import_module(f"manual.{self.operation}")


def drawn(rng: Rng, shape: tuple[int, ...]) -> Array:
    """Numbers of one kind: normal, with ties, with zeros, ±10⁴, or of both sizes."""
    kind, a = rng.choice(VALUES), rng.normal(size=shape)
    if kind == "ties":
        return np.round(2 * a) / 2
    if kind == "zeros":
        return np.where(rng.random(shape) < 0.4, 0.0, a)
    if kind == "large":
        return 1e4 * rng.choice([-1.0, 1.0], shape)
    if kind == "mixed":
        return np.where(rng.random(shape) < 0.3, 1e4 * rng.choice([-1.0, 1.0], shape), a)
    return a


def size(rng: Rng, low: int, high: int) -> int:
    """From low to high, one in three times the smallest."""
    return low if rng.random() < 1 / 3 else int(rng.integers(low, high, endpoint=True))


def batch(rng: Rng) -> int:
    return 0 if rng.random() < 0.1 else size(rng, 1, 4)


def some(rng: Rng, axes: int, low: int, high: int) -> tuple[int, ...]:
    return tuple(size(rng, low, high) for _ in range(axes))


def chance(rng: Rng) -> bool:
    return bool(rng.random() < 0.5)


# ---------------------------------------------------------------------- convolution


def convolution(rng: Rng, torch: Any) -> Trial:
    axes, groups = int(rng.integers(1, 4)), size(rng, 1, 3)
    inputs, outputs = groups * size(rng, 1, 3), groups * size(rng, 1, 3)
    kernel, stride, dilation = some(rng, axes, 1, 4), some(rng, axes, 1, 3), some(rng, axes, 1, 3)
    sides = tuple(some(rng, 2, 0, 3) for _ in range(axes))
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    area = tuple(max(1, r - a - b) + size(rng, 0, 5) for r, (a, b) in zip(reach, sides, strict=True))
    padding: Any = sides
    if rng.random() < 0.25:  # PyTorch has "same" at stride 1, and pads less before where it is odd, as ours
        padding, stride = "same", (1,) * axes
    called = getattr(torch.nn.functional, f"conv{axes}d")

    def theirs(x: Any, filters: Any, biases: Any) -> Any:
        if padding == "same":
            return called(x, filters, biases, 1, "same", dilation, groups)
        x = torch.nn.functional.pad(x, [n for side in reversed(sides) for n in side])
        return called(x, filters, biases, stride, 0, dilation, groups)

    shapes = (batch(rng), inputs, *area), (outputs, inputs // groups, *kernel), (outputs,)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return Trial("convolution", tuple(drawn(rng, s) for s in shapes), options, theirs)


def transposed_convolution(rng: Rng, torch: Any) -> Trial:
    axes, groups = int(rng.integers(1, 4)), size(rng, 1, 3)
    inputs, outputs = groups * size(rng, 1, 3), groups * size(rng, 1, 3)
    kernel, stride, dilation = some(rng, axes, 1, 4), some(rng, axes, 1, 3), some(rng, axes, 1, 3)
    more = tuple(int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True))
    area = some(rng, axes, 1, 5)
    longest = [
        (n - 1) * s + d * (k - 1) for n, s, d, k in zip(area, stride, dilation, kernel, strict=True)
    ]  # one entry is left
    padding = tuple(int(rng.integers(0, n // 2 + 1)) for n in longest)

    def theirs(x: Any, filters: Any, biases: Any) -> Any:
        called = getattr(torch.nn.functional, f"conv_transpose{axes}d")
        return called(x, filters, biases, stride, padding, more, groups, dilation)

    shapes = (batch(rng), inputs, *area), (inputs, outputs // groups, *kernel), (outputs,)
    options = {"stride": stride, "padding": padding, "output_padding": more, "dilation": dilation, "groups": groups}
    return Trial("transposed_convolution", tuple(drawn(rng, s) for s in shapes), options, theirs)


# ---------------------------------------------------------------------- pooling and resampling


def pooled(rng: Rng, dilated: bool) -> tuple[tuple[int, ...], dict[str, Any], int]:
    """An input's shape, a pooling's options, and the number of axes."""
    axes = int(rng.integers(1, 4))
    window, stride = some(rng, axes, 1, 4), some(rng, axes, 1, 4)
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in window)
    dilation = some(rng, axes, 1, 3) if dilated else (1,) * axes
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, window, strict=True)]
    # PyTorch asks of some that the window fits without the padding.
    area = tuple(r + size(rng, 0, 6) for r in reach)
    options = {"pool_size": window, "stride": stride, "padding": padding, "dilation": dilation, "ceil": chance(rng)}
    return (max(1, batch(rng)), size(rng, 1, 3), *area), options, axes


def max_pooling(rng: Rng, torch: Any) -> Trial:
    shape, h, axes = pooled(rng, dilated=True)
    called = getattr(torch.nn.functional, f"max_pool{axes}d")
    inner = h["pool_size"], h["stride"], h["padding"], h["dilation"], h["ceil"]
    return Trial("max_pooling", (drawn(rng, shape),), h, lambda x: called(x, *inner))


def average_pooling(rng: Rng, torch: Any) -> Trial:
    shape, h, axes = pooled(rng, dilated=False)
    h["counting"] = chance(rng)
    called = getattr(torch.nn.functional, f"avg_pool{axes}d")
    inner = h["pool_size"], h["stride"], h["padding"], h["ceil"], h["counting"]
    return Trial("average_pooling", (drawn(rng, shape),), h, lambda x: called(x, *inner))


def lp_pooling(rng: Rng, torch: Any) -> Trial:
    """PyTorch's own function loses the sign of odd orders, divides a hanging window's sum by too few, and has a slope
    of NaN at a window of zeros; so here the norm of the windows themselves, where none hangs and none is 0.
    """
    shape, h, axes = pooled(rng, dilated=False)
    h["padding"], h["ceil"], h["order"] = (0,) * axes, False, float(rng.choice([1.0, 2.0, 3.0, 2.5]))

    def theirs(x: Any) -> Any:
        for axis, (k, s) in enumerate(zip(h["pool_size"], h["stride"], strict=True)):
            x = x.unfold(2 + axis, k, s)
        return torch.linalg.vector_norm(x, h["order"], tuple(range(2 + axes, 2 + 2 * axes)))

    return Trial("lp_pooling", (rng.normal(size=shape),), h, theirs)


def adaptive(rng: Rng, torch: Any) -> Trial:
    axes = int(rng.integers(1, 4))
    area, to = some(rng, axes, 1, 7), some(rng, axes, 1, 7)
    called = getattr(torch.nn.functional, f"adaptive_avg_pool{axes}d")
    options = {"size": to, "rule": "average"}
    return Trial("resampling", (drawn(rng, (size(rng, 1, 3), 2, *area)),), options, lambda x: called(x, to))


def resampling(rng: Rng, torch: Any) -> Trial:
    """PyTorch computes places of the nearest entry in float32, so sizes are small enough for it to find the same."""
    axes, way = int(rng.integers(1, 4)), int(rng.integers(0, 4))
    area, to = some(rng, axes, 1, 6), some(rng, axes, 1, 9)
    word = ("linear", "bilinear", "trilinear")[axes - 1]
    options, mode = (
        ({"rule": "nearest", "placing": "origins", "rounding": "down"}, {"mode": "nearest"}),
        ({"rule": "nearest"}, {"mode": "nearest-exact"}),
        ({"rule": "bilinear"}, {"mode": word, "align_corners": False}),
        ({"rule": "bilinear", "placing": "corners"}, {"mode": word, "align_corners": True}),
    )[way]
    x = drawn(rng, (size(rng, 1, 3), size(rng, 1, 2), *area))
    return Trial("resampling", (x,), {"size": to, **options}, lambda x: torch.nn.functional.interpolate(x, to, **mode))


# ---------------------------------------------------------------------- normalization


def area_of(rng: Rng) -> tuple[int, ...]:
    return some(rng, int(rng.integers(0, 4)), 1, 4)


def eps_of(rng: Rng) -> float:
    return float(rng.choice([1e-5, 1e-3, 0.5]))


def batch_norm(rng: Rng, torch: Any) -> Trial:
    channels, training = size(rng, 1, 4), chance(rng)
    shape = (size(rng, 2 if training else 1, 5), channels, *area_of(rng))
    mean, variance = rng.normal(size=channels), rng.uniform(0.1, 3, channels)
    momentum, eps = float(rng.choice([0.0, 0.1, 0.7, 1.0])), eps_of(rng)
    state = tuple(torch.tensor(a) for a in (mean, variance))
    options = {"running_mean": mean, "running_variance": variance, "training": training}
    return Trial(
        "batch_norm",
        (drawn(rng, shape), *(drawn(rng, (channels,)) for _ in range(2))),
        {**options, "momentum": momentum, "eps": eps},
        lambda x, s, b: torch.nn.functional.batch_norm(x, *state, s, b, training, momentum, eps),
        state,
    )


def over_last(rng: Rng) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A shape, and its last axes."""
    last = some(rng, int(rng.integers(1, 4)), 1, 4)
    return (*some(rng, int(rng.integers(0, 3)), 1, 4), *last), last


def layer_norm(rng: Rng, torch: Any) -> Trial:
    (shape, last), eps = over_last(rng), eps_of(rng)
    arrays = drawn(rng, shape), drawn(rng, last), drawn(rng, last)
    return Trial("layer_norm", arrays, {"eps": eps}, lambda x, s, b: torch.nn.functional.layer_norm(x, last, s, b, eps))


def rms_norm(rng: Rng, torch: Any) -> Trial:
    (shape, last), eps = over_last(rng), eps_of(rng)
    arrays = drawn(rng, shape), drawn(rng, last)
    return Trial("rms_norm", arrays, {"eps": eps}, lambda x, s: torch.nn.functional.rms_norm(x, last, s, eps))


def group_norm(rng: Rng, torch: Any) -> Trial:
    groups, eps = size(rng, 1, 4), eps_of(rng)
    channels = groups * size(rng, 1, 3)
    shape = (size(rng, 1, 3), channels, *some(rng, int(rng.integers(1, 3)), 2, 4))
    arrays = drawn(rng, shape), drawn(rng, (channels,)), drawn(rng, (channels,))
    called = torch.nn.functional.group_norm
    if groups == channels and chance(rng):
        return Trial(
            "group_norm",
            arrays,
            {"groups": groups, "eps": eps},
            lambda x, s, b: torch.nn.functional.instance_norm(x, weight=s, bias=b, eps=eps),
        )
    return Trial("group_norm", arrays, {"groups": groups, "eps": eps}, lambda x, s, b: called(x, groups, s, b, eps))


def weight_norm(rng: Rng, torch: Any) -> Trial:
    shape = (size(rng, 1, 5), *some(rng, int(rng.integers(1, 4)), 1, 4))
    axis = int(rng.choice([0, len(shape) - 1]))  # PyTorch's has the first and the last
    along = tuple(n if a == axis else 1 for a, n in enumerate(shape))
    directions = drawn(rng, shape) + 0.25  # none is 0
    return Trial(
        "weight_norm",
        (directions, drawn(rng, (shape[axis],))),
        {"axis": axis},
        lambda v, g: torch._weight_norm(v, g.reshape(along), axis),
    )


# ---------------------------------------------------------------------- elementwise, and along an axis


def elementwise(operation: str, named: str, *options: Callable[[Rng], tuple[dict[str, Any], dict[str, Any]]]) -> Any:
    """An activation; options: (ours, PyTorch's)."""

    def trial(rng: Rng, torch: Any) -> Trial:
        ours, other = options[0](rng) if options else ({}, {})
        shape = (batch(rng), *some(rng, int(rng.integers(0, 4)), 1, 5))
        called = getattr(torch.nn.functional, named)
        return Trial(operation, (drawn(rng, shape),), ours, lambda x: called(x, **other))

    return trial


def along_an_axis(operation: str) -> Any:
    def trial(rng: Rng, torch: Any) -> Trial:
        shape = some(rng, int(rng.integers(1, 5)), 1, 5)
        axis = int(rng.integers(-len(shape), len(shape)))
        called = getattr(torch.nn.functional, operation)
        return Trial(operation, (drawn(rng, shape),), {"axis": axis}, lambda x: called(x, axis))

    return trial


def leaky(rng: Rng) -> tuple[dict[str, Any], dict[str, Any]]:
    share = float(rng.choice([0.01, 0.3, 0.0, 2.0]))
    return {"share": share}, {"negative_slope": share}


def deep(rng: Rng) -> tuple[dict[str, Any], dict[str, Any]]:
    depth = float(rng.choice([1.0, 0.25, 3.0]))
    return {"depth": depth}, {"alpha": depth}


def two_ways(rng: Rng) -> tuple[dict[str, Any], dict[str, Any]]:
    by_tanh = chance(rng)
    return {"by_tanh": by_tanh}, {"approximate": "tanh" if by_tanh else "none"}


def prelu(rng: Rng, torch: Any) -> Trial:
    channels = size(rng, 1, 4)
    shape = (batch(rng), channels, *some(rng, int(rng.integers(0, 4)), 1, 4))
    arrays = drawn(rng, shape), drawn(rng, (channels if chance(rng) else 1,))
    return Trial("prelu", arrays, {}, torch.nn.functional.prelu)


def maxout(rng: Rng, torch: Any) -> Trial:
    pieces = size(rng, 1, 4)
    shape = (size(rng, 1, 4), pieces * size(rng, 1, 3), *some(rng, int(rng.integers(0, 3)), 1, 4))

    def theirs(x: Any) -> Any:
        """One window per piece, over the channels laid out as a line."""
        flat = x.flatten(2) if x.ndim > 2 else x[..., None]
        y = torch.nn.functional.max_pool1d(flat.transpose(1, 2), pieces).transpose(1, 2)
        return y.reshape(len(x), -1, *x.shape[2:])

    return Trial("maxout", (drawn(rng, shape),), {"pieces": pieces}, theirs)


# ---------------------------------------------------------------------- shape and flow


def dropout(rng: Rng, torch: Any) -> Trial:
    """PyTorch's own draws cannot be asked for; the mask is read off ours: nothing else may be done to what it keeps."""
    shape, rate, seed = (batch(rng), *some(rng, 2, 1, 6)), float(rng.choice([0.0, 0.2, 0.5, 0.9])), rng.integers(2**63)
    training = chance(rng)
    drop = import_module("manual.dropout")
    kept = drop.forward(np.ones(shape), seed=np.uint64(seed), rate=rate, training=training)[0] != 0
    scale = 1 / (1 - rate) if training else 1.0

    def theirs(x: Any) -> Any:
        return torch.where(torch.tensor(kept), x, torch.zeros_like(x)) * scale

    options = {"seed": np.uint64(seed), "rate": rate, "training": training}
    return Trial("dropout", (drawn(rng, shape),), options, theirs)


def pad(rng: Rng, torch: Any) -> Trial:
    mode, named = (
        ("constant", "constant"),
        ("reflect", "reflect"),
        ("edge", "replicate"),
        ("wrap", "circular"),
    )[int(rng.integers(0, 4))]
    area = some(rng, 2, 2, 5)
    low, most = (-1, 4) if mode == "constant" else (0, 9)
    reach = [min(most, n - (mode == "reflect") if mode != "edge" else most) for n in area]
    sides = tuple(tuple(int(rng.integers(low, r, endpoint=True)) for _ in range(2)) for r in reach)
    if any(n + a + b < 1 for n, (a, b) in zip(area, sides, strict=True)):
        sides = ((0, 1), (2, 0))
    value = float(rng.choice([0.0, -1.5, 1e4])) if mode == "constant" else 0.0
    around = [n for side in reversed(sides) for n in side]
    inner = {"value": value} if mode == "constant" else {}
    x = drawn(rng, (size(rng, 1, 3), size(rng, 1, 2), *area))
    return Trial(
        "pad",
        (x,),
        {"sides": sides, "mode": mode, "value": value},
        lambda x: torch.nn.functional.pad(x, around, named, **inner),
    )


def pixel_shuffle(rng: Rng, torch: Any) -> Trial:
    scale, inverse = size(rng, 1, 4), chance(rng)
    channels, area, factor = size(rng, 1, 3), some(rng, 2, 1, 4), scale if inverse else 1
    deep = channels if inverse else channels * scale**2
    called = torch.nn.functional.pixel_unshuffle if inverse else torch.nn.functional.pixel_shuffle
    x = drawn(rng, (size(rng, 1, 4), deep, *(n * factor for n in area)))
    return Trial("pixel_shuffle", (x,), {"scale": scale, "inverse": inverse}, lambda x: called(x, scale))


def concatenation(rng: Rng, torch: Any) -> Trial:
    shape = list(some(rng, int(rng.integers(1, 5)), 1, 4))
    axis = int(rng.integers(-len(shape), len(shape)))
    shapes = [[*shape] for _ in range(size(rng, 1, 4))]
    for one in shapes:
        one[axis] = size(rng, 1, 5)
    arrays = tuple(drawn(rng, tuple(one)) for one in shapes)
    return Trial("concatenation", arrays, {"axis": axis}, lambda *a: torch.cat(a, axis))


def of_two(operation: str) -> Any:
    def trial(rng: Rng, torch: Any) -> Trial:
        """The second with axes of one entry, or the same."""
        shape = (batch(rng), *some(rng, int(rng.integers(0, 4)), 1, 4))
        other = tuple(n if operation == "add" or chance(rng) else 1 for n in shape)
        called = torch.add if operation == "add" else torch.mul
        return Trial(operation, (drawn(rng, shape), drawn(rng, other)), {}, called)

    return trial


def flatten(rng: Rng, torch: Any) -> Trial:
    shape = (batch(rng), *some(rng, int(rng.integers(1, 5)), 1, 4))
    start = int(rng.integers(0, len(shape)))
    end = int(rng.integers(start, len(shape)))
    options = {"start_dim": start, "end_dim": end}
    return Trial("flatten", (drawn(rng, shape),), options, lambda x: torch.flatten(x, start, end))


def linear(operation: str) -> Any:
    def trial(rng: Rng, torch: Any) -> Trial:
        inputs, outputs = size(rng, 1, 6), size(rng, 1, 6)
        before = (batch(rng),) if operation == "linear" else (batch(rng), size(rng, 1, 4))
        arrays = drawn(rng, (*before, inputs)), drawn(rng, (inputs, outputs)), drawn(rng, (outputs,))
        return Trial(operation, arrays, {}, lambda x, w, b: torch.nn.functional.linear(x, w.T, b))

    return trial


# ---------------------------------------------------------------------- attention and look-ups


def attention(rng: Rng, torch: Any) -> Trial:
    heads, samples, t, s = size(rng, 1, 3), max(1, batch(rng)), size(rng, 1, 5), size(rng, 1, 5)
    features, others = heads * size(rng, 1, 4), heads * size(rng, 1, 4)
    mask: Any = None
    shape = ((t, s), (samples, t, s), (samples, heads, t, s))[int(rng.integers(0, 3))]
    if chance(rng):
        mask = rng.random(shape) < 0.6  # of some places nobody is left
    elif chance(rng):
        mask = np.where(rng.random(shape) < 0.3, -np.inf, rng.normal(size=shape))
    scale = float(rng.choice([0.1, 1.0, 2.0])) if chance(rng) else None

    def theirs(*three: Any) -> Any:
        q, k, v = (a.unflatten(2, (heads, -1)).transpose(1, 2) for a in three)
        around = None if mask is None else torch.tensor(mask[:, None] if mask.ndim == 3 else mask)
        if around is not None and around.dtype != torch.bool:
            around = around.to(q.dtype)
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, around, scale=scale)
        return y.transpose(1, 2).flatten(2)

    shapes = (samples, t, features), (samples, s, features), (samples, s, others)
    options = {"heads": heads, "mask": mask, "scale": scale}
    return Trial("attention", tuple(rng.normal(size=shape) for shape in shapes), options, theirs)


def embedding(rng: Rng, torch: Any) -> Trial:
    count, features = size(rng, 1, 6), size(rng, 1, 4)
    x = rng.integers(0, count, (batch(rng), *some(rng, int(rng.integers(0, 3)), 1, 9)))
    padding = int(rng.integers(0, count)) if chance(rng) else None
    table = drawn(rng, (count, features))
    if padding is not None:
        table[padding] = 0  # what PyTorch's module starts from and keeps: there the row itself is looked up
    return Trial(
        "embedding",
        (x, table),
        {"padding_index": padding},
        lambda x, table: torch.nn.functional.embedding(x, table, padding),
    )


# ---------------------------------------------------------------------- losses


def reduction_of(rng: Rng) -> str:
    return str(rng.choice(["mean", "sum", "none"]))


def of_alike(operation: str, named: str, more: Callable[[Rng], tuple[dict[str, Any], dict[str, Any]]]) -> Any:
    """A loss whose target has the prediction's shape."""

    def trial(rng: Rng, torch: Any) -> Trial:
        shape, reduction = some(rng, int(rng.integers(1, 4)), 1, 5), reduction_of(rng)
        ours, other = more(rng)
        target = rng.random(shape) if operation == "binary_cross_entropy" else drawn(rng, shape)
        called, given = getattr(torch.nn.functional, named), torch.tensor(target)
        given_options = {k: torch.tensor(v, dtype=torch.float64) if k == "pos_weight" else v for k, v in other.items()}
        return Trial(
            operation,
            (drawn(rng, shape),),
            {"target": target, "reduction": reduction, **ours},
            lambda p: called(p, given.to(p.dtype), reduction=reduction, **given_options),
        )

    return trial


def wide(rng: Rng) -> tuple[dict[str, Any], dict[str, Any]]:
    width = float(rng.choice([0.1, 1.0, 5.0]))
    return {"width": width}, {"delta": width}


def weighed(rng: Rng) -> tuple[dict[str, Any], dict[str, Any]]:
    weight = float(rng.choice([0.2, 1.0, 4.0]))
    return {"weight": weight}, {"pos_weight": weight}


def softmax_cross_entropy(rng: Rng, torch: Any) -> Trial:
    samples, classes, reduction = size(rng, 1, 6), size(rng, 1, 6), reduction_of(rng)
    weights = rng.uniform(0.2, 3, classes) if chance(rng) else None
    smoothing = float(rng.choice([0.0, 0.1, 0.9]))
    ignored: Any = None
    if rng.random() < 0.7:
        target: Any = rng.integers(0, classes, samples)
        if chance(rng):
            ignored = int(rng.choice([-100, -1, 0, classes - 1]))
            target[rng.random(samples) < 0.5] = ignored
            if reduction == "mean" and (target == ignored).all():  # PyTorch: NaN; here an error
                reduction = "sum"
    else:
        target = rng.dirichlet(np.ones(classes), samples)
    given = torch.tensor(target)
    options = {"reduction": reduction, "label_smoothing": smoothing}

    def theirs(p: Any) -> Any:
        w = None if weights is None else torch.tensor(weights).to(p.dtype)
        t = given.to(p.dtype) if given.is_floating_point() else given
        return torch.nn.functional.cross_entropy(p, t, w, ignore_index=-100 if ignored is None else ignored, **options)

    return Trial(
        "softmax_cross_entropy",
        (drawn(rng, (samples, classes)),),
        {"target": target, "weights": weights, "ignored": ignored, "smoothing": smoothing, "reduction": reduction},
        theirs,
    )


def nothing(rng: Rng) -> tuple[dict[str, Any], dict[str, Any]]:
    return {}, {}


TRIALS: dict[str, Callable[[Rng, Any], Trial]] = {
    "convolution": convolution,
    "transposed_convolution": transposed_convolution,
    "max_pooling": max_pooling,
    "average_pooling": average_pooling,
    "lp_pooling": lp_pooling,
    "adaptive average": adaptive,
    "resampling": resampling,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "group_norm": group_norm,
    "weight_norm": weight_norm,
    "relu": elementwise("relu", "relu"),
    "leaky_relu": elementwise("leaky_relu", "leaky_relu", leaky),
    "prelu": prelu,
    "elu": elementwise("elu", "elu", deep),
    "selu": elementwise("selu", "selu"),
    "gelu": elementwise("gelu", "gelu", two_ways),
    "silu": elementwise("silu", "silu"),
    "hard_swish": elementwise("hard_swish", "hardswish"),
    "soft_relu": elementwise("soft_relu", "softplus", lambda rng: ({}, {"threshold": 700})),
    "sigmoid": elementwise("sigmoid", "sigmoid"),
    "tanh": elementwise("tanh", "tanh"),
    "softmax": along_an_axis("softmax"),
    "log_softmax": along_an_axis("log_softmax"),
    "maxout": maxout,
    "dropout": dropout,
    "pad": pad,
    "pixel_shuffle": pixel_shuffle,
    "concatenation": concatenation,
    "add": of_two("add"),
    "multiply": of_two("multiply"),
    "flatten": flatten,
    "linear": linear("linear"),
    "projection": linear("projection"),
    "attention": attention,
    "embedding": embedding,
    "mean_squared_error": of_alike("mean_squared_error", "mse_loss", nothing),
    "mean_absolute_error": of_alike("mean_absolute_error", "l1_loss", nothing),
    "huber": of_alike("huber", "huber_loss", wide),
    "binary_cross_entropy": of_alike("binary_cross_entropy", "binary_cross_entropy_with_logits", weighed),
    "softmax_cross_entropy": softmax_cross_entropy,
}
