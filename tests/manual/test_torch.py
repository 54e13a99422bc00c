"""PyTorch as an oracle that no one here wrote: 200 random configurations of every layer, forward and all gradients.

The configurations are drawn from the layers' spaces; both sides compute in float64. Two right computations of these
small sums differ by some units in the last place of the largest number that took part; `UNITS` of it are allowed,
thousands of times less than any mistake would be.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import manual
from crosscheck.lecture.layer_row import LayerRow
from crosscheck.lecture.nonzero import nonzero
from crosscheck.lecture.rows import LOSSES, ROWS, LossRow
from crosscheck.lecture.spaces import drawn, space_of, space_of_loss
from manual import Layer

torch = pytest.importorskip("torch")
functional: Any = torch.nn.functional

pytestmark = pytest.mark.proof

CONFIGURATIONS = 200
UNITS = 2.0**12

Oracle = Callable[[Layer, Any, dict[str, Any], dict[str, Any]], Any]


def one_stage(layer: Layer) -> dict[str, Any]:
    return dict(layer.stages()[-1].hyperparameters)


def axes_norm(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    mean, variance = x.mean(h["axes"], keepdim=True), x.var(h["axes"], unbiased=False, keepdim=True)
    return (x - mean) / torch.sqrt(variance + h["eps"])


def batch_norm(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    mean, variance = (torch.tensor(a) for a in layer.named_state().values())
    args = (p["scales"], p["biases"], h["training"], h["momentum"], h["eps"])
    y = functional.batch_norm(x, mean, variance, *args)
    # The state is compared, too: PyTorch writes it in place.
    layer.expected = {"running_mean": mean.numpy(), "running_variance": variance.numpy()}
    return y


def residual(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    past = functional.conv2d(x, p["1.filters"], p["1.biases"]) if "1.filters" in p else x
    return functional.conv2d(x, p["0.filters"], p["0.biases"], padding=1) + past


def concatenated(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    parts = [functional.conv2d(x, p["0.filters"], p["0.biases"], padding=1), torch.relu(x)]
    return torch.cat([*parts, x] if len(layer.stages()[-1].reads) == 3 else parts, h["axis"])


def normed_weights(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    if len(layer.stages()[0].parameters) == 2 and x.ndim == 4:
        weights = torch._weight_norm(p["directions"], p["lengths"].reshape(-1, 1, 1, 1), 0)
        return functional.conv2d(x, weights, p["biases"])
    y = functional.linear(x, torch._weight_norm(p["directions"].T, p["lengths"][:, None], 0), p["biases"])
    return torch.relu(y) if layer.stages()[-1].operation == "relu" else y


def maxout(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    split = x.reshape(len(x), -1, h["pieces"], *x.shape[2:])
    return split.gather(2, split.argmax(2, keepdim=True)).squeeze(2)


def around(x: Any, padding: Any, value: float) -> Any:
    return functional.pad(x, [n for side in reversed(padding) for n in side], value=value)


def of_axes(name: str, x: Any) -> Any:
    """PyTorch's function for as many axes as there are."""
    return getattr(functional, f"{name}{x.ndim - 2}d")


def max_pooled(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    axes = x.ndim - 2
    if h["pool_size"] is None:
        return of_axes("adaptive_max_pool", x)(x, 1)
    padding, dilation, ceil = h.get("padding", ((0, 0),) * axes), h.get("dilation", 1), h.get("ceil", False)
    even = tuple(a for a, b in padding if a == b)
    if (
        len(even) < axes
    ):  # PyTorch pads both sides alike, and would begin a last window in padding that it does not know
        x, even = around(x, padding, -np.inf), (0,) * axes
    y = of_axes("max_pool", x)(x, h["pool_size"], h["stride"], even, dilation, ceil)
    return y[tuple(map(slice, layer.shape))]  # type: ignore[attr-defined]


def averaged(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    even = tuple(a for a, b in h["padding"] if a == b)
    if len(even) == x.ndim - 2 and set(h["dilation"]) == {1}:
        options = {"ceil_mode": h["ceil"], "count_include_pad": h["counting"]}
        return of_axes("avg_pool", x)(x, h["pool_size"], h["stride"], even, **options)
    return by_windows(x, h, lambda entries, counted: entries.sum(-1) / counted)


def by_windows(x: Any, h: dict[str, Any], value: Callable[[Any, int], Any]) -> Any:
    """What PyTorch does not have: of every window one by one, from its entries and how many places count."""
    sizes = (h["pool_size"], h["stride"], h["padding"], h["dilation"], h["ceil"])
    along = manual.windows.axes(tuple(x.shape[2:]), *sizes)
    found = []
    for at in np.ndindex(*(axis.windows for axis in along)):
        places = [axis.places[n] for axis, n in zip(along, at, strict=True)]
        counts = [
            (axis.padded if h.get("counting", True) else axis.inside)[n].sum()
            for axis, n in zip(along, at, strict=True)
        ]
        inside = [torch.tensor(p[(p >= 0) & (p < axis.entries)]) for p, axis in zip(places, along, strict=True)]
        entries = x
        for number, of_axis in enumerate(inside):
            entries = entries.index_select(2 + number, of_axis)
        found.append(value(entries.flatten(2), int(np.prod(counts))))
    return torch.stack(found, -1).unflatten(-1, [axis.windows for axis in along])


def lp_pooled(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    if set(h["dilation"]) != {1} or h["ceil"]:
        return by_windows(x, h, lambda entries, _: (entries.abs() ** h["order"]).sum(-1) ** (1 / h["order"]))
    powers = around(x.abs() ** h["order"], h["padding"], 0.0)
    return (of_axes("avg_pool", x)(powers, h["pool_size"], h["stride"]) * np.prod(h["pool_size"])) ** (1 / h["order"])


def resampled(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    if h["rule"] == "average":
        return functional.adaptive_avg_pool2d(x, h["size"])
    way = (h["rule"], h["placing"])
    if way == ("nearest", "centres") and h["rounding"] == "half up":
        return functional.interpolate(x, h["size"], mode="nearest-exact")
    if way == ("nearest", "origins") and h["rounding"] == "down":
        return functional.interpolate(x, h["size"], mode="nearest")
    if way in (("bilinear", "centres"), ("bilinear", "corners")) and not h["antialias"]:
        return functional.interpolate(x, h["size"], mode="bilinear", align_corners=h["placing"] == "corners")
    # What PyTorch does not have: the shares of the entries one by one.
    for axis, count in zip((2, 3), h["size"], strict=True):
        lines = [by_shares(x, axis, h, line, count) for line in range(count)]
        x = torch.stack(lines, axis)
    return x


def by_shares(x: Any, axis: int, h: dict[str, Any], line: int, count: int) -> Any:
    """One line of an image of another size."""
    n = x.shape[axis]
    step = (n - 1) / max(count - 1, 1) if h["placing"] == "corners" else n / count
    first = (step - 1) / 2 if h["placing"] == "centres" else 0.0
    if isinstance(h["placing"], tuple):
        first, step = h["placing"][axis - 2]
    place = first + step * line
    if h["rule"] == "nearest":
        place = round(place * 2**40) / 2**40  # ties are ties
        rounded = {"half up": np.floor(place + 0.5), "half down": np.ceil(place - 0.5)}
        rounded |= {"up": np.ceil(place), "down": np.floor(place)}
        return x.select(axis, int(np.clip(rounded[h["rounding"]], 0, n - 1)))
    reach = max(step, 1) if h["antialias"] else 1.0
    shares = {m: max(0.0, 1 - abs(m - place) / reach) for m in range(int(place - reach) - 1, int(place + reach) + 2)}
    return sum(s / sum(shares.values()) * x.select(axis, min(max(m, 0), n - 1)) for m, s in shares.items() if s)


def gated(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    body = functional.conv2d(x, p["1.filters"], p["1.biases"], padding=1) if "1.filters" in p else x
    mean = body.mean((2, 3), keepdim=True)
    hidden = torch.tanh(functional.conv2d(mean, p["0.1.filters"], p["0.1.biases"]))
    return body * torch.sigmoid(functional.conv2d(hidden, p["0.2.filters"], p["0.2.biases"]))


def dropped(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    if not h["training"]:
        return x
    kept = manual.dropout.drawn(layer.named_state()["seed"], x.numel(), h["rate"])
    return x * torch.tensor(kept.reshape(x.shape)) / (1 - h["rate"])


def padded(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    (top, bottom), (left, right) = h["sides"]
    mode = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}.get(h["mode"])
    if mode:
        around = (max(left, 0), max(right, 0), max(top, 0), max(bottom, 0))
        x = functional.pad(x, around, mode=mode)
        left, right, top, bottom = (min(n, 0) for n in (left, right, top, bottom))
    return functional.pad(x, (left, right, top, bottom), value=h["value"])


def shuffled(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    s = h["scale"]
    if h["inverse"]:
        y = functional.pixel_unshuffle(x, s)
        return y.unflatten(1, (-1, s * s)).transpose(1, 2).flatten(1, 2) if h["depth_first"] else y
    x = x.unflatten(1, (s * s, -1)).transpose(1, 2).flatten(1, 2) if h["depth_first"] else x
    return functional.pixel_shuffle(x, s)


def attended(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    heads = layer.heads  # type: ignore[attr-defined]
    mask = None if layer.mask is None else torch.tensor(layer.mask)  # type: ignore[attr-defined]

    def projection(name: str, a: Any) -> Any:
        return functional.linear(a, p[f"{name}_weights"].T, p[f"{name}_biases"])

    q, k, v = (projection(n, x).unflatten(2, (heads, -1)).transpose(1, 2) for n in ("queries", "keys", "values"))
    y = functional.scaled_dot_product_attention(q, k, v, mask, scale=layer.scale).transpose(1, 2).flatten(2)  # type: ignore[attr-defined]
    return projection("output", y)


def convolved(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    kernel, padding = p["filters"].shape[2:], h["padding"]
    if padding == "same":  # PyTorch has it at stride 1 alone
        padding = manual.kernels.extents.same_sides(tuple(x.shape[2:]), tuple(kernel), h["stride"], h["dilation"])
    sides = [(side, side) if isinstance(side, int) else side for side in padding]
    x = functional.pad(x, [n for side in reversed(sides) for n in side])
    called = getattr(functional, f"conv{len(kernel)}d")
    return called(x, p["filters"], p["biases"], h["stride"], 0, h["dilation"], h["groups"])


def spread(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    called = getattr(functional, f"conv_transpose{x.ndim - 2}d")
    stride, dilation, more = h["stride"], h["dilation"], h["output_padding"]
    # PyTorch crops both sides alike: what is cropped more at one is cut off behind it.
    y = called(x, p["filters"], p["biases"], stride, 0, more, h["groups"], dilation)
    within = (slice(before, n - after) for (before, after), n in zip(h["padding"], y.shape[2:], strict=True))
    return y[(slice(None), slice(None), *within)]


def looked_up(layer: Layer, x: Any, p: dict[str, Any], h: dict[str, Any]) -> Any:
    y = functional.embedding(x, p["table"], h["padding_index"])
    # PyTorch gives the padding's row, which it holds at 0 by never moving it.
    return y if h["padding_index"] is None else y * (x != h["padding_index"])[..., None]


ORACLES: dict[str, Oracle] = {
    "embedding": looked_up,
    "transposed_convolution": spread,
    "convolution": convolved,
    "multiply": gated,
    "dropout": dropped,
    "pad": padded,
    "pixel_shuffle": shuffled,
    "projection": attended,
    "attention": attended,
    "max_pooling": max_pooled,
    "average_pooling": averaged,
    "lp_pooling": lp_pooled,
    "resampling": resampled,
    "add": residual,
    "concatenation": concatenated,
    "standardization": axes_norm,
    "batch_norm": batch_norm,
    "layer_norm": lambda layer, x, p, h: functional.layer_norm(
        x, p["scales"].shape, p["scales"], p["biases"], h["eps"]
    ),
    "group_norm": lambda layer, x, p, h: functional.group_norm(x, h["groups"], p["scales"], p["biases"], h["eps"]),
    "rms_norm": lambda layer, x, p, h: functional.rms_norm(x, p["scales"].shape, p["scales"], h["eps"]),
    "weight_norm": normed_weights,
    "prelu": lambda layer, x, p, h: functional.prelu(x, p["shares"]),
    "leaky_relu": lambda layer, x, p, h: functional.leaky_relu(x, h["share"]),
    "elu": lambda layer, x, p, h: functional.elu(x, h["depth"]),
    "selu": lambda layer, x, p, h: functional.selu(x),
    "silu": lambda layer, x, p, h: functional.silu(x),
    "hard_swish": lambda layer, x, p, h: functional.hardswish(x),
    "gelu": lambda layer, x, p, h: functional.gelu(x, approximate="tanh" if h["by_tanh"] else "none"),
    "softmax": lambda layer, x, p, h: functional.softmax(x, h["axis"]),
    "log_softmax": lambda layer, x, p, h: functional.log_softmax(x, h["axis"]),
    "maxout": maxout,
}


def close(name: str, ours: Any, theirs: Any, size: float) -> None:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, name
    off = float(np.max(np.abs(ours - theirs), initial=0.0))
    assert off <= UNITS * 2.0**-53 * max(size, float(np.max(np.abs(theirs), initial=0.0))), (name, off)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.operation)
def test_pytorch_agrees(row: LayerRow) -> None:
    oracle, space = ORACLES[row.operation], space_of(row)
    rng = np.random.default_rng(zlib.crc32(row.operation.encode()))
    for _ in range(CONFIGURATIONS):
        point = space.draw(rng)
        layer = nonzero(row.make(rng, point), rng)
        x = drawn(point["values"], point["shape"], rng) if row.indices is None else row.input(point, rng)
        tensors = {k: torch.tensor(a, requires_grad=True) for k, a in layer.named_parameters().items()}
        at = torch.tensor(x, requires_grad=row.indices is None)
        layer.shape = layer.predict(x).shape
        theirs = oracle(layer, at, tensors, one_stage(layer))
        y = layer.forward(x)
        g = rng.normal(size=y.shape)
        grad_x = layer.backward(g)
        theirs.backward(torch.tensor(g))
        size = max(1.0, float(np.max(np.abs(x))), float(np.max(np.abs(y), initial=0.0)))
        close(f"{point}: y", y, theirs.detach(), size)
        for name, array in getattr(layer, "expected", {}).items():
            close(f"{point}: {name}", layer.named_state()[name], array, size)
        grad_size = max(size, float(np.max(np.abs(grad_x), initial=0.0)) * size)
        close(f"{point}: x", grad_x, np.zeros(x.shape) if at.grad is None else at.grad, grad_size)
        for name, gradient in layer.named_gradients().items():
            close(f"{point}: {name}", gradient, tensors[name].grad, grad_size * x.size)


def entropy(prediction: Any, target: Any, h: dict[str, Any]) -> Any:
    weights = None if h["weights"] is None else torch.tensor(h["weights"])
    ignored = -100 if h["ignored"] is None else h["ignored"]
    options = {"reduction": h["reduction"], "label_smoothing": h["smoothing"]}
    return functional.cross_entropy(prediction, target, weights, ignore_index=ignored, **options)


LOSS_ORACLES: dict[str, Callable[[Any, Any, dict[str, Any]], Any]] = {
    "mean_absolute_error": lambda p, t, h: functional.l1_loss(p, t, reduction=h["reduction"]),
    "huber": lambda p, t, h: functional.huber_loss(p, t, reduction=h["reduction"], delta=h["width"]),
    "binary_cross_entropy": lambda p, t, h: functional.binary_cross_entropy_with_logits(
        p, t, reduction=h["reduction"], pos_weight=torch.tensor(h["weight"])
    ),
    "softmax_cross_entropy": entropy,
}


@pytest.mark.parametrize("row", LOSSES, ids=lambda row: row.operation)
def test_pytorch_agrees_on_losses(row: LossRow) -> None:
    rng, space = np.random.default_rng(zlib.crc32(row.operation.encode())), space_of_loss(row)
    for _ in range(CONFIGURATIONS):
        point = space.draw(rng)
        loss, target, x = row.make(point), row.target(rng, point), drawn(point["values"], point["shape"], rng)
        at = torch.tensor(x, requires_grad=True)
        theirs = LOSS_ORACLES[row.operation](at, torch.tensor(target), loss.hyperparameters)
        ours = loss.forward(x, target)
        g = rng.normal(size=np.shape(ours))
        theirs.backward(torch.tensor(g))
        size = max(1.0, float(np.max(np.abs(x))))
        close(f"{point}: loss", ours, theirs.detach(), size * x.size)
        close(f"{point}: prediction", loss.gradient(x, target, g), at.grad, size)


@pytest.mark.parametrize("row", LOSSES, ids=lambda row: row.operation)
def test_a_loss_is_finite_at_ten_thousand(row: LossRow) -> None:
    rng = np.random.default_rng(0)
    for name in row.cases:
        point = row.point(name)
        for sign in (-1e4, 1e4):
            x = np.full(point["shape"], sign) * rng.choice([-1, 1], point["shape"])
            loss, target = row.make(point), row.target(rng, point)
            assert np.isfinite(loss.forward(x, target)).all()
            assert np.isfinite(loss.gradient(x, target)).all()
