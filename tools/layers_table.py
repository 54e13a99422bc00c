"""Writes docs/layers-table.md: every operation of `manual`, with what is known of it elsewhere.

    python tools/layers_table.py

The classes, the numbers of the equations and the files are read off the code; the rest stands in `ELSEWHERE`. A test
holds the page to what this writes.
"""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from manual import Layer
from manual.loss import Loss

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "layers-table.md"
NUMBERED = re.compile(r"^ {4,}(\S.*?) {2,}\((\d+)\)$", re.MULTILINE)


class Elsewhere(NamedTuple):
    """An operation in other libraries, and the project's conventions."""

    onnx: str
    torch: str
    jax: str
    kinks: str = ""
    exact: bool = False  # whether the first case can be judged exactly, where float64 does not round
    engines: str = "one"


ELSEWHERE: dict[str, Elsewhere] = {
    "convolution": Elsewhere(
        "Conv", "conv1d, conv2d, conv3d", "lax.conv_general_dilated", exact=True,
        engines="definition, gemm, pointwise, small, winograd, transform (along one axis or three by planes)",
    ),
    "transposed_convolution": Elsewhere(
        "ConvTranspose", "conv_transpose1d, conv_transpose2d, conv_transpose3d",
        "lax.conv_transpose (transpose_kernel=True)", exact=True, engines="definition, folding and columns",
    ),
    "linear": Elsewhere("Gemm", "linear", "lax.dot_general", exact=True),
    "projection": Elsewhere("MatMul, Add", "linear", "lax.dot_general"),
    "flatten": Elsewhere("Flatten", "flatten", "lax.collapse", exact=True),
    "max_pooling": Elsewhere(
        "MaxPool, GlobalMaxPool", "max_pool1d, 2d, 3d", "lax.reduce_window",
        "the first maximum in row-major order takes all; padding never wins", True,
        "definition, sheets",
    ),
    "average_pooling": Elsewhere("AveragePool", "avg_pool1d, 2d, 3d", "lax.reduce_window"),
    "lp_pooling": Elsewhere("LpPool", "lp_pool1d, 2d, 3d", "lax.reduce_window", "a window of zeros gives 0"),
    "resampling": Elsewhere(
        "GlobalAveragePool, Resize", "adaptive_avg_pool2d, interpolate (nearest, nearest-exact, bilinear)",
        "image.resize",
    ),
    "standardization": Elsewhere("MeanVarianceNormalization", "layer_norm", "nn.standardize"),
    "batch_norm": Elsewhere("BatchNormalization", "batch_norm", "none"),
    "layer_norm": Elsewhere("LayerNormalization", "layer_norm", "none"),
    "group_norm": Elsewhere("GroupNormalization, InstanceNormalization", "group_norm, instance_norm", "none"),
    "rms_norm": Elsewhere("RMSNormalization", "rms_norm", "none"),
    "weight_norm": Elsewhere("none", "nn.utils.parametrizations.weight_norm", "none", "no direction may be 0"),
    "relu": Elsewhere("Relu", "relu", "nn.relu", "slope 0 at 0", True),
    "leaky_relu": Elsewhere("LeakyRelu", "leaky_relu", "none: nn.leaky_relu says 1 at 0", "the share's slope at 0"),
    "prelu": Elsewhere("PRelu", "prelu", "none", "the share's slope at 0", True),
    "elu": Elsewhere("Elu", "elu", "nn.elu", "the depth's slope at 0"),
    "selu": Elsewhere("Selu", "selu", "nn.selu", "the lower slope at 0"),
    "gelu": Elsewhere("Gelu", "gelu", "nn.gelu"),
    "silu": Elsewhere("Swish", "silu", "nn.silu"),
    "hard_swish": Elsewhere(
        "HardSwish", "hardswish", "none: nn.hard_swish says half at ±3", "the straight side's slope at ±3", True
    ),
    "soft_relu": Elsewhere("Softplus", "softplus", "nn.softplus"),
    "sigmoid": Elsewhere("Sigmoid", "sigmoid", "nn.sigmoid"),
    "tanh": Elsewhere("Tanh", "tanh", "nn.tanh"),
    "linear_activation": Elsewhere("Identity", "nn.Identity", "none", exact=True),
    "softmax": Elsewhere("Softmax", "softmax", "nn.softmax"),
    "log_softmax": Elsewhere("LogSoftmax", "log_softmax", "nn.log_softmax"),
    "maxout": Elsewhere("none", "none", "lax.reduce_window", "the first maximum takes all", True),
    "softmax_cross_entropy": Elsewhere("SoftmaxCrossEntropyLoss", "cross_entropy", "nn.log_softmax"),
    "binary_cross_entropy": Elsewhere("none", "binary_cross_entropy_with_logits", "nn.log_sigmoid"),
    "mean_squared_error": Elsewhere("none", "mse_loss", "none"),
    "mean_absolute_error": Elsewhere("none", "l1_loss", "numpy.abs", "slope 0 at 0"),
    "huber": Elsewhere("none", "huber_loss", "none"),
    "add": Elsewhere("Add", "add", "lax.add", exact=True),
    "multiply": Elsewhere("Mul", "mul", "lax.mul"),
    "concatenation": Elsewhere("Concat", "cat", "lax.concatenate", exact=True),
    "dropout": Elsewhere("Dropout", "dropout", "none", "the mask is a function of the seed", True),
    "pad": Elsewhere("Pad", "pad", "lax.pad, numpy.pad", exact=True),
    "pixel_shuffle": Elsewhere("DepthToSpace, SpaceToDepth", "pixel_shuffle, pixel_unshuffle", "none", exact=True),
    "embedding": Elsewhere("Gather", "embedding", "numpy.take", "the padding index gives zeros", True),
    "attention": Elsewhere(
        "Attention", "scaled_dot_product_attention", "nn.dot_product_attention",
        "a place that may ask nobody gives zeros",
    ),
}  # fmt: skip


def layers(operation: str) -> list[str]:
    """The classes of an operation's file that a user makes."""
    module = import_module(f"manual.{operation}")
    found = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    return [c.__name__ for c in found if issubclass(c, (Layer, Loss))]


def numbers(operation: str) -> tuple[str, str, str]:
    """The numbers of the forward equation, of the tangent, and of the gradients (a loss's second derivatives too)."""
    text = (ROOT / "manual" / f"{operation}.py").read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(text), clean=False) or ""
    lines = [(line, number) for line, number in NUMBERED.findall(docstring)]
    tangents, gradients = (
        [f"({number})" for line, number in lines if line.startswith(begins)]
        for begins in (("Ẏ", "L̇"), ("∂L/∂", "∂²L/∂"))
    )
    return f"({lines[0][1]})", ", ".join(tangents), ", ".join(gradients)


HEADING = (
    "file and twin | layers | forward | tangent | gradients | witnesses | engines | ONNX | "
    "PyTorch (torch.nn.functional) | JAX (jax.) | at ties and kinks"
)


def row(operation: str) -> str:
    known = ELSEWHERE[operation]
    forward, tangent, gradients = numbers(operation)
    classes = ", ".join(f"`{name}`" for name in layers(operation)) or "inside `SelfAttention`"
    file = f"[{operation}](../manual/{operation}.py), [twin](../reference/{operation}.py)"
    witnesses = "A, D, C, E" if known.exact else "A, D, C"
    cells = (
        file,
        classes,
        forward,
        tangent,
        gradients,
        witnesses,
        known.engines,
        known.onnx,
        known.torch,
        known.jax,
        known.kinks,
    )
    return " | ".join(cells)


def page() -> str:
    """The whole page."""
    count = HEADING.count("|") + 1
    lines = [
        "# The layers",
        "",
        f"The {len(ELSEWHERE)} operations of `manual/`, each derived in its file and written again in its twin.",
        "Forward, tangent and gradients (of a loss, its second derivatives too) are the numbers of the equations in",
        "the file's docstring; the lines of code carry them. [Forward mode](forward-mode.md) says how the tangents",
        "are checked.",
        "",
        "Witnesses beside the hand-derived gradient: A autodiff of the twin, D finite differences, C the complex step",
        "(in the laws of the operations), E an exact run at points where float64 does not round, for the first case",
        "of the table. PyTorch is asked about every layer, 200 random configurations each, forward and all gradients",
        "(`make proofs`, where it is installed); ONNX's own node tests run through them, too ([onnx.md](onnx.md)).",
        "",
        "This page is written by `python tools/layers_table.py`; a test holds it to the code.",
        "",
        f"| {HEADING} |",
        f"|{'---|' * count}",
        *(f"| {row(operation)} |" for operation in ELSEWHERE),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
