"""The layers beyond the lecture's: a row each, from which their spaces, their cases and the laws of their files follow.

A row says how to make the layer, what it may be configured to, the simplest first, and which points of that have a name
in the case table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import manual
from crosscheck.lecture.convolution_rows import CONVOLUTIONS
from crosscheck.lecture.layer_row import Choices, LayerRow, Rng, Shape
from manual import ConvolutionalLayer, Layer

PLANES: tuple[Shape, ...] = ((1, 1, 2, 2), (2, 3, 4, 3), (3, 2, 3, 5))
ANY: tuple[Shape, ...] = ((3,), (3, 5), (2, 3, 2, 4))


def same(rng: Rng, channels: int) -> ConvolutionalLayer:
    """A convolution that keeps the shape of images."""
    return ConvolutionalLayer(channels, channels, 3, padding=1, rng=rng)


def excitation(channels: int, rng: Rng) -> Layer:
    """A gate per channel: the mean, two small convolutions, a sigmoid."""
    return manual.LayeredNeuralNetwork(
        [
            manual.GlobalAveragePooling(),
            ConvolutionalLayer(channels, 2, 1, activation=manual.TanhActivation, rng=rng),
            ConvolutionalLayer(2, channels, 1, activation=manual.SigmoidActivation, rng=rng),
        ]
    )


def channels(point: Choices) -> int:
    return point["shape"][1]


def windows_fit(point: Choices) -> bool:
    """Whether every window fits, and covers an entry."""
    size = point["shape"][2:]
    given = [point["window"], point["padding"], point["dilation"], point["stride"]]
    if any(isinstance(w, tuple) and len(w) != len(size) for w in given):
        return False
    window, padding, dilation, _ = (w if isinstance(w, tuple) else (w,) * len(size) for w in given)
    for n, k, p, d in zip(size, window, padding, dilation, strict=True):
        before, after = p if isinstance(p, tuple) else (p, p)
        if d * (k - 1) + 1 > n + before + after or max(before, after) > k // 2 or (d > 1 and (before or after)):
            return False
        if d > 1 and point["ceil"]:
            return False
    return True


def pooling(kind: str, point: Choices) -> Callable[..., Layer]:
    """The pooling layer for sequences, images or volumes."""
    return getattr(manual, kind + {3: "1d", 4: "", 5: "3d"}[len(point["shape"])])


PADDINGS: dict[str, Callable[[Any], Layer]] = {
    "zeros": manual.ZeroPadding,
    "constant": lambda sides: manual.ZeroPadding(sides, 1.5),
    "reflect": manual.ReflectionPadding,
    "edge": manual.ReplicationPadding,
    "wrap": manual.CircularPadding,
}

POOLED: tuple[Shape, ...] = ((1, 1, 3, 3), (2, 2, 5, 4), (1, 3, 4, 7), (2, 3, 7), (1, 2, 3, 4, 5))
WINDOWS: dict[str, tuple[Any, ...]] = {
    "window": (1, 2, 3, (3, 2)),
    "stride": (2, 1, (2, 3)),
    "padding": (0, 1, ((1, 0), (0, 1))),
    "dilation": (1, 2),
    "ceil": (False, True),
}

ROWS: tuple[LayerRow, ...] = (
    *CONVOLUTIONS,
    # ------------------------------------------------------------------ branches
    LayerRow(
        "add",
        lambda rng, p: manual.Residual(
            same(rng, channels(p)), ConvolutionalLayer(channels(p), channels(p), 1, rng=rng) if p["shortcut"] else None
        ),
        PLANES,
        {"x + convolution": {}, "1×1 convolution + 3×3 convolution": {"shortcut": True}},
        {"shortcut": (False, True)},
    ),
    LayerRow(
        "concatenation",
        lambda rng, p: manual.Concat([same(rng, channels(p)), manual.ReLUActivation()], p["axis"], passed=p["passed"]),
        PLANES,
        {"convolution, ReLU": {}, "and the input, along rows": {"axis": 2, "passed": True}},
        {"axis": (1, 2, -1), "passed": (False, True)},
    ),
    LayerRow(
        "multiply",
        lambda rng, p: manual.Gate(excitation(channels(p), rng), same(rng, channels(p)) if p["body"] else None),
        PLANES,
        {"squeeze and excitation": {}, "after a convolution": {"body": True}},
        {"body": (False, True)},
        values=("normal", "ties", "zeros"),
    ),
    # ------------------------------------------------------------------ shape and flow
    LayerRow(
        "dropout",
        lambda rng, p: in_mode(manual.Dropout(p["rate"], seed=7), p["training"], rng),
        ANY,
        {"half, training": {}, "evaluation": {"training": False}, "a fifth": {"rate": 0.2}},
        {"rate": (0.5, 0.2), "training": (True, False)},
    ),
    LayerRow(
        "pad",
        lambda rng, p: PADDINGS[p["mode"]](p["sides"]),
        PLANES,
        {
            "zeros, 1": {},
            "reflection, per side": {"mode": "reflect", "sides": ((1, 2), (0, 2))},
            "cropped at the right": {"sides": ((0, 1), (1, -1))},
            "a constant, per side": {"mode": "constant", "sides": ((1, 2), (0, 2))},
            "the border again": {"mode": "edge", "sides": ((1, 2), (0, 2))},
            "the other side again": {"mode": "wrap", "sides": ((1, 2), (0, 2))},
        },
        {"sides": (1, ((1, 2), (0, 2)), ((0, 1), (1, -1))), "mode": ("zeros", "constant", "reflect", "edge", "wrap")},
        lambda p: p["mode"] != "reflect" or p["sides"] == 1 or min(p["shape"][2:]) > 2,
    ),
    LayerRow(
        "pixel_shuffle",
        lambda rng, p: (manual.PixelUnshuffle if p["inverse"] else manual.PixelShuffle)(p["scale"], p["depth_first"]),
        ((1, 4, 1, 1), (2, 4, 3, 2), (1, 8, 2, 3), (2, 2, 4, 6)),
        {
            "scale 2": {},
            "scale 2, blocks first": {"depth_first": True, "shape": (1, 8, 2, 3)},
            "the inverse": {"inverse": True, "shape": (2, 2, 4, 6)},
            "the inverse, blocks first": {"inverse": True, "depth_first": True, "shape": (2, 2, 4, 6)},
        },
        {"scale": (2, 1), "depth_first": (False, True), "inverse": (False, True)},
        lambda p: not any(n % p["scale"] for n in (p["shape"][2:] if p["inverse"] else (channels(p) // p["scale"],))),
    ),
    # ------------------------------------------------------------------ attention
    LayerRow(
        "embedding",
        lambda rng, p: manual.Embedding(p["count"], p["features"], p["padding"], rng=rng),
        ((1,), (2, 5), (2, 2, 3)),
        {"4 rows of 3, some again": {}, "a padding index": {"padding": 1}},
        {"count": (4, 1, 7), "features": (3, 1), "padding": (None, 1)},
        lambda p: p["padding"] is None or p["count"] > 1,
        values=("normal",),
        indices=lambda p: p["count"],
    ),
    LayerRow(
        "projection",
        lambda rng, p: manual.SelfAttention(p["shape"][2], rng=rng),
        ((1, 2, 2), (2, 3, 4)),
        {"as attention uses it": {}},
        {},
        values=("normal",),
    ),
    LayerRow(
        "attention",
        lambda rng, p: manual.SelfAttention(
            p["shape"][2], p["heads"], causal=p["causal"], places=p["shape"][1], scale=p["scale"], rng=rng
        ),
        ((1, 2, 2), (2, 3, 4), (1, 4, 6)),
        {
            "one head": {},
            "2 heads, causal": {"heads": 2, "causal": True},
            "scale 0.1": {"heads": 2, "scale": 0.1},
        },
        {"heads": (1, 2), "causal": (False, True), "scale": (None, 0.1)},
        values=("normal",),
    ),
    # ------------------------------------------------------------------ normalization
    LayerRow(
        "standardization",
        lambda rng, p: manual.Standardization(p["axes"], p["eps"]),
        PLANES,
        {"per sample and position": {}, "over images": {"axes": (2, 3)}, "eps 0.1": {"eps": 0.1}},
        {"axes": ((1,), (2, 3), (0, -1)), "eps": (1e-5, 0.1)},
        lambda p: all(np.prod([p["shape"][a] for a in axes]) > 1 for axes in [p["axes"]]),
        values=("normal", "offset"),
    ),
    LayerRow(
        "batch_norm",
        lambda rng, p: in_mode(manual.BatchNorm(channels(p), p["momentum"], p["eps"]), p["training"], rng),
        ((4, 1), (3, 2, 2, 4), (3, 4, 5)),
        {"training, 2 channels": {}, "evaluation": {"training": False}, "vectors": {"shape": (4, 3)}},
        {"training": (True, False), "momentum": (0.1, 0.5), "eps": (1e-5, 0.1)},
        values=("normal", "offset"),
    ),
    LayerRow(
        "layer_norm",
        lambda rng, p: manual.LayerNorm(p["shape"][-p["axes"] :], p["eps"]),
        PLANES,
        {"last axis": {}, "last three axes": {"axes": 3}, "eps 0.1": {"eps": 0.1}},
        {"axes": (1, 3), "eps": (1e-5, 0.1)},
        values=("normal", "offset"),
    ),
    LayerRow(
        "group_norm",
        lambda rng, p: manual.GroupNorm(p["groups"] or channels(p), channels(p), p["eps"]),
        ((2, 4, 3), (2, 4, 3, 2), (1, 2, 5)),
        {"2 groups": {"groups": 2}, "instance": {"groups": 0}, "one group": {}},
        {"groups": (1, 2, 0), "eps": (1e-5, 0.1)},
        values=("normal", "offset"),
    ),
    LayerRow(
        "rms_norm",
        lambda rng, p: manual.RMSNorm(p["shape"][-p["axes"] :], p["eps"]),
        PLANES,
        {"last axis": {}, "last two axes": {"axes": 2}},
        {"axes": (1, 2), "eps": (1e-5, 0.1)},
        values=("normal", "offset"),
    ),
    LayerRow(
        "weight_norm",
        lambda rng, p: manual.WeightNorm(
            ConvolutionalLayer(p["shape"][1], 3, 2, rng=rng)
            if len(p["shape"]) == 4
            else manual.FullyConnectedLayer(p["shape"][1], 3, p["activation"], rng=rng)
        ),
        ((2, 3), (3, 4), (2, 2, 4, 3)),
        {"linear 4→3": {}, "with ReLU": {"activation": manual.ReLUActivation}, "convolution": {"shape": (2, 2, 4, 3)}},
        {"activation": (None, manual.ReLUActivation)},
    ),
    # ------------------------------------------------------------------ pooling and resampling
    LayerRow(
        "max_pooling",
        lambda rng, p: (
            pooling("MaxPoolingLayer", p)(
                p["window"], p["stride"], p["padding"], dilation=p["dilation"], ceil=p["ceil"]
            )
            if p["window"]
            else manual.GlobalMaxPooling()
        ),
        POOLED,
        {
            "3×3, stride 2, padding 1": {"window": 3, "padding": 1},
            "2×2, dilation 2, stride 1": {"window": 2, "dilation": 2, "stride": 1},
            "2×2, stride 2, ceil": {"window": 2, "ceil": True},
            "3×2, padding per side, ceil": {"window": (3, 2), "padding": ((1, 0), (0, 1)), "ceil": True},
            "sequences, 3, padding 1, ceil": {"shape": (2, 3, 7), "window": 3, "padding": 1, "ceil": True},
            "volumes, 2×3×2": {"shape": (1, 2, 3, 4, 5), "window": (2, 3, 2), "stride": 1},
            "volumes, 2×2×2, dilation (1, 2, 3)": {
                "shape": (1, 2, 3, 4, 5),
                "window": 2,
                "stride": 1,
                "dilation": (1, 2, 3),
            },
            "the whole of every image": {"window": 0},
        },
        WINDOWS,
        windows_fit,
    ),
    LayerRow(
        "average_pooling",
        lambda rng, p: pooling("AveragePoolingLayer", p)(
            p["window"], p["stride"], p["padding"], dilation=p["dilation"], ceil=p["ceil"], counting=p["counting"]
        ),
        POOLED,
        {
            "2×2": {"window": 2},
            "3×3, padding 1, counting it": {"window": 3, "padding": 1},
            "3×3, padding 1, ceil, not counting": {"window": 3, "padding": 1, "ceil": True, "counting": False},
            "2×2, dilation 2, stride 1": {"window": 2, "dilation": 2, "stride": 1},
            "2×2, ceil": {"window": 2, "ceil": True},
            "sequences, 3, padding 1": {"shape": (2, 3, 7), "window": 3, "padding": 1, "counting": False},
            "volumes, 2×3×2, ceil": {"shape": (1, 2, 3, 4, 5), "window": (2, 3, 2), "ceil": True},
        },
        {**WINDOWS, "counting": (True, False)},
        windows_fit,
    ),
    LayerRow(
        "lp_pooling",
        lambda rng, p: pooling("LpPoolingLayer", p)(
            p["window"], p["order"], p["stride"], p["padding"], dilation=p["dilation"], ceil=p["ceil"]
        ),
        POOLED,
        {
            "2×2, order 2": {"window": 2},
            "3×3, stride 2, order 3, padding 1": {"window": 3, "order": 3.0, "padding": 1},
            "2×2, dilation 2, order 2": {"window": 2, "dilation": 2, "stride": 1},
            "2×2, ceil, order 3": {"window": 2, "ceil": True, "order": 3.0},
            "sequences, 3, order 3": {"shape": (2, 3, 7), "window": 3, "order": 3.0},
            "volumes, 2×3×2, order 2": {"shape": (1, 2, 3, 4, 5), "window": (2, 3, 2), "stride": 1},
        },
        {
            "window": (1, 2, 3),
            "order": (2.0, 3.0, 1.0),
            "stride": (2, 1),
            "padding": (0, 1),
            "dilation": (1, 2),
            "ceil": (False, True),
        },
        windows_fit,
        values=("normal",),
    ),
    LayerRow(
        "resampling",
        lambda rng, p: (
            manual.AdaptiveAveragePooling(p["size"])
            if p["rule"] == "average"
            else manual.Upsampling(
                p["size"], p["rule"], placing=p["placing"], rounding=p["rounding"], antialias=p["antialias"]
            )
        ),
        POOLED,
        {
            "adaptive average to 3×2": {"size": (3, 2)},
            "global average": {"size": (1, 1)},
            "nearest, to 8×9": {"size": (8, 9), "rule": "nearest"},
            "bilinear, to 8×9": {"size": (8, 9), "rule": "bilinear"},
            "bilinear by corners, to 8×9": {"size": (8, 9), "rule": "bilinear", "placing": "corners"},
            "bilinear by given lines, to 3×2": {
                "size": (3, 2),
                "rule": "bilinear",
                "placing": ((0.3, 1.1), (-0.4, 2.5)),
            },
            "bilinear antialiased, to 3×2": {"size": (3, 2), "rule": "bilinear", "antialias": True},
            "nearest by origins, down": {
                "size": (8, 9),
                "rule": "nearest",
                "placing": "origins",
                "rounding": "down",
            },
        },
        {
            "size": ((1, 1), (3, 2), (8, 9)),
            "rule": ("average", "nearest", "bilinear"),
            "placing": ("centres", "corners", "origins", ((0.3, 1.1), (-0.4, 2.5))),
            "rounding": ("half up", "half down", "up", "down"),
            "antialias": (False, True),
        },
        lambda p: len(p["shape"]) == 4,
    ),
    # ------------------------------------------------------------------ activations
    LayerRow(
        "leaky_relu", lambda rng, p: manual.LeakyReLU(p["share"]), ANY, {"share 0.01": {}}, {"share": (0.01, 0.3)}
    ),
    LayerRow("elu", lambda rng, p: manual.ELU(p["depth"]), ANY, {"depth 1": {}}, {"depth": (1.0, 0.5)}),
    LayerRow("selu", lambda rng, p: manual.SELU(), ANY, {"3×5": {}}),
    LayerRow("silu", lambda rng, p: manual.SiLU(), ANY, {"3×5": {}}),
    LayerRow("hard_swish", lambda rng, p: manual.HardSwish(), ANY, {"3×5": {}}),
    LayerRow(
        "gelu",
        lambda rng, p: manual.GELU(p["by_tanh"]),
        ANY,
        {"exact": {}, "by tanh": {"by_tanh": True}},
        {"by_tanh": (False, True)},
    ),
    LayerRow(
        "softmax",
        lambda rng, p: manual.Softmax(p["axis"]),
        ANY,
        {"last axis": {}, "axis 0": {"axis": 0}},
        {"axis": (-1, 0)},
    ),
    LayerRow(
        "log_softmax",
        lambda rng, p: manual.LogSoftmax(p["axis"]),
        ANY,
        {"last axis": {}, "axis 0": {"axis": 0}},
        {"axis": (-1, 0)},
    ),
    LayerRow(
        "maxout",
        lambda rng, p: manual.Maxout(p["pieces"]),
        ((1, 2), (3, 4), (2, 4, 3, 2)),
        {"pieces of 2": {}},
        {"pieces": (2, 1)},
    ),
    LayerRow(
        "prelu",
        lambda rng, p: manual.PReLU(channels(p) if p["each"] else None),
        PLANES,
        {"one share": {}, "a share per channel": {"each": True}, "vectors": {"each": True, "shape": (4, 3)}},
        {"each": (False, True)},
    ),
)


@dataclass(frozen=True)
class LossRow:
    """One loss.

    Args:
        operation: the file of `manual` that the row is about.
        make: point -> the loss.
        target: (rng, point) -> what the prediction is compared with.
        cases: by name: the choices of a point.
        choices: of each dimension, the simplest first; "shape" is that of the prediction.
        valid: which points exist.
    """

    operation: str
    make: Callable[[Choices], Any]
    target: Callable[[Rng, Choices], Any]
    cases: Mapping[str, Choices]
    choices: Mapping[str, tuple[Any, ...]]
    valid: Callable[[Choices], bool] = lambda point: True

    def point(self, name: str) -> Choices:
        """A named point."""
        return {**{k: c[0] for k, c in self.choices.items()}, **self.cases[name]}


def alike(rng: Rng, point: Choices) -> Any:
    return rng.normal(size=point["shape"])


def labels_of(rng: Rng, point: Choices) -> Any:
    """Labels, the first of which counts, or probabilities."""
    samples, classes = point["shape"]
    if point["labels"]:
        found = rng.integers(0, classes, samples)
        found[0] = classes - 1
        return found
    return rng.dirichlet(np.ones(classes), samples)


REDUCTIONS = ("mean", "sum", "none")
SHAPES: tuple[Shape, ...] = ((4, 3), (1, 1), (2, 3, 5))

LOSSES: tuple[LossRow, ...] = (
    LossRow(
        "mean_absolute_error",
        lambda p: manual.MeanAbsoluteError(p["reduction"]),
        alike,
        {"4×3": {}, "sum": {"reduction": "sum"}},
        {"shape": SHAPES, "reduction": REDUCTIONS},
    ),
    LossRow(
        "huber",
        lambda p: manual.Huber(p["width"], p["reduction"]),
        alike,
        {"4×3": {}, "width 0.5, each": {"width": 0.5, "reduction": "none"}},
        {"shape": SHAPES, "width": (1.0, 0.5), "reduction": REDUCTIONS},
    ),
    LossRow(
        "binary_cross_entropy",
        lambda p: manual.BinaryCrossEntropy(p["weight"], p["reduction"]),
        lambda rng, p: rng.integers(0, 2, p["shape"]).astype(float) if p["hard"] else rng.random(p["shape"]),
        {"4×3": {}, "weight 3, sum, probabilities": {"weight": 3.0, "reduction": "sum", "hard": False}},
        {"shape": SHAPES, "hard": (True, False), "weight": (1.0, 3.0), "reduction": REDUCTIONS},
    ),
    LossRow(
        "softmax_cross_entropy",
        lambda p: manual.SoftmaxCrossEntropy(
            (0.5 + np.arange(p["shape"][1])) if p["weighted"] else None,
            0 if p["ignoring"] else None,
            p["smoothing"],
            p["reduction"],
        ),
        labels_of,
        {
            "class weights": {"weighted": True},
            "an ignored label, smoothing": {"ignoring": True, "smoothing": 0.1},
            "weights, smoothing, probabilities, sum": {
                "weighted": True,
                "smoothing": 0.2,
                "labels": False,
                "reduction": "sum",
            },
            "each": {"reduction": "none"},
        },
        {
            "shape": ((5, 4), (2, 2), (3, 6)),
            "labels": (True, False),
            "weighted": (False, True),
            "ignoring": (False, True),
            "smoothing": (0.0, 0.1, 0.2),
            "reduction": REDUCTIONS,
        },
        lambda p: p["labels"] or not p["ignoring"],
    ),
)


def in_mode(layer: Layer, training: bool, rng: Rng) -> Layer:
    """A layer with a state off its start, training or not."""
    for name, array in layer.named_state().items():
        if array.dtype.kind == "f":
            setattr(layer, name, array + rng.uniform(0.2, 0.8, array.shape))
    layer.training = training
    return layer
