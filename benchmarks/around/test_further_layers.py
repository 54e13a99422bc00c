"""The layers beyond the lecture's, beside jitted JAX and PyTorch, forward and backward together.

Convolutions and the embedding are given integers, whose sums are exact: everyone must be equal to the last bit. The
others round, everyone on a way of its own (`benchmarks.layer_passes.UNITS`).
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import jax
import numpy as np
import pytest

from benchmarks.contenders import DTYPES, TORCH, Field, torch
from benchmarks.layer_passes import Work, contest

IMAGE = (8, 64, 56, 56)
WORDS = (64, 128, 256)
F: Any = None if torch is None else torch.nn.functional


def work(operation: str, theirs: Any, *shapes: tuple[int, ...], flops: int = 0, **options: Any) -> Work:
    """An operation at these shapes; options: its hyper-parameters, and whether its arrays hold integers."""
    integers = options.pop("integers", False)
    ours, reference = import_module(f"manual.{operation}"), import_module(f"reference.{operation}")
    return Work(
        lambda *arrays: ours.forward(*arrays, **options)[:2],
        ours.backward,
        lambda *arrays: first(reference.forward(*arrays, **options)),
        None if torch is None else theirs,
        shapes,
        flops=flops,
        integers=integers,
        rounds=not integers,
    )


def first(y: Any) -> jax.Array:
    """The output of an operation that carries a state behind it."""
    return y[0] if isinstance(y, tuple) else y


def convolution(x: tuple[int, ...], filters: tuple[int, ...], flops: int, **options: Any) -> Work:
    """Along as many axes as x has."""

    def theirs(*arrays: Any) -> Any:
        return getattr(F, f"conv{len(x) - 2}d")(*arrays, **options)

    return work("convolution", theirs, x, filters, filters[:1], flops=flops, integers=True, **options)


def transposed(x: tuple[int, ...], filters: tuple[int, ...], **options: Any) -> Work:
    """The same, transposed."""

    def theirs(*arrays: Any) -> Any:
        return getattr(F, f"conv_transpose{len(x) - 2}d")(*arrays, **options)

    flops = 6 * int(np.prod(x)) * int(np.prod(filters[1:]))
    return work("transposed_convolution", theirs, x, filters, filters[1:2], flops=flops, integers=True, **options)


def lookup(count: int, features: int, places: tuple[int, int]) -> Work:
    """Rows of a table that come again."""
    ours, reference = import_module("manual.embedding"), import_module("reference.embedding")
    indices = np.random.default_rng(1).integers(0, count, places)
    theirs = None if torch is None else torch.from_numpy(indices)
    return Work(
        lambda table: ours.forward(indices, table),
        lambda g, saved: ours.backward(g, saved)[1:],
        lambda table: reference.forward(indices, table),
        None if torch is None else lambda table: F.embedding(theirs, table),
        ((count, features),),
        integers=True,
    )


def attend(q: Any, k: Any, v: Any) -> Any:
    """With 8 heads."""
    heads = (a.unflatten(2, (8, -1)).transpose(1, 2) for a in (q, k, v))
    return F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)


def batch_norm() -> Work:
    """In training."""
    statistics: dict[str, Any] = {"running_mean": np.zeros(64), "running_variance": np.ones(64)}

    def theirs(x: Any, scales: Any, biases: Any) -> Any:
        return F.batch_norm(x, None, None, scales, biases, training=True)

    return work("batch_norm", theirs, IMAGE, (64,), (64,), **statistics)


def cross_entropy(samples: int, classes: int) -> Work:
    """Of labels; the gradient that arrives is one number."""
    ours, reference = import_module("manual.softmax_cross_entropy"), import_module("reference.softmax_cross_entropy")
    target = np.random.default_rng(1).integers(0, classes, samples)
    theirs = None if torch is None else torch.from_numpy(target)
    return Work(
        lambda x: ours.forward(x, target=target, reduction="none"),
        ours.backward,
        lambda x: reference.forward(x, target=target, reduction="none"),
        None if torch is None else lambda x: F.cross_entropy(x, theirs, reduction="none"),
        ((samples, classes),),
        rounds=True,
    )


def dropout() -> Work:
    """Everyone draws its own mask, so the rate is one at which nothing is dropped; the draw is made all the same."""
    seed = {"seed": np.array([3], np.uint64), "rate": 1e-9}
    return work("dropout", lambda x: F.dropout(x, 1e-9), IMAGE, **seed)


def elementwise(operation: str, theirs: Callable[[Any], Any], **options: Any) -> Work:
    """An activation of images."""
    return work(operation, theirs, IMAGE, **options)._replace(copies=4)


WORKS = {
    "convolution 1-D 16×64×1024 → 64, 5": convolution(
        (16, 64, 1024), (64, 64, 5), 6 * 16 * 1024 * 64 * 64 * 5, padding=(2,)
    ),
    "convolution 3-D 2×16×16×28×28 → 32, 3×3×3": convolution(
        (2, 16, 16, 28, 28), (32, 16, 3, 3, 3), 6 * 2 * 16 * 28 * 28 * 32 * 16 * 27, padding=(1, 1, 1)
    ),
    "transposed 8×64×28×28 → 32, 2×2, stride 2": transposed((8, 64, 28, 28), (64, 32, 2, 2), stride=(2, 2)),
    "transposed 8×64×16×16 → 32, 4×4, stride 2": transposed(
        (8, 64, 16, 16), (64, 32, 4, 4), stride=(2, 2), padding=(1, 1)
    ),
    "transposed 3-D 2×32×8×14×14 → 16, 2×2×2, stride 2": transposed(
        (2, 32, 8, 14, 14), (32, 16, 2, 2, 2), stride=(2, 2, 2)
    ),
    "embedding of 8192 places, 10000 rows of 256": lookup(10_000, 256, (64, 128)),
    "batch norm (8, 64, 56, 56)": batch_norm(),
    "group norm (8, 64, 56, 56), 8 groups": work(
        "group_norm", lambda x, s, b: F.group_norm(x, 8, s, b), IMAGE, (64,), (64,), groups=8
    ),
    "layer norm (64, 128, 256)": work(
        "layer_norm", lambda x, s, b: F.layer_norm(x, (256,), s, b), WORDS, (256,), (256,)
    ),
    "RMS norm (64, 128, 256)": work("rms_norm", lambda x, s: F.rms_norm(x, (256,), s, 1e-5), WORDS, (256,)),
    "GELU (8, 64, 56, 56)": elementwise("gelu", lambda x: F.gelu(x)),
    "SiLU (8, 64, 56, 56)": elementwise("silu", lambda x: F.silu(x)),
    "ELU (8, 64, 56, 56)": elementwise("elu", lambda x: F.elu(x)),
    "leaky ReLU (8, 64, 56, 56)": elementwise("leaky_relu", lambda x: F.leaky_relu(x)),
    "SELU (8, 64, 56, 56)": elementwise("selu", lambda x: F.selu(x)),
    "hard swish (8, 64, 56, 56)": elementwise("hard_swish", lambda x: F.hardswish(x)),
    "soft ReLU (8, 64, 56, 56)": elementwise("soft_relu", lambda x: F.softplus(x, threshold=700)),
    "dropout (8, 64, 56, 56)": dropout(),
    "instance norm (8, 64, 56, 56)": work(
        "group_norm", lambda x, s, b: F.instance_norm(x, weight=s, bias=b), IMAGE, (64,), (64,), groups=64
    ),
    "log-softmax (64, 128, 256)": work("log_softmax", lambda x: F.log_softmax(x, -1), WORDS),
    "cross-entropy of 1024 samples, 1000 classes": cross_entropy(1024, 1000),
    "softmax (64, 128, 256)": work("softmax", lambda x: F.softmax(x, -1), WORDS),
    "average pooling 56×56, 2×2": work("average_pooling", lambda x: F.avg_pool2d(x, 2), IMAGE, pool_size=(2, 2)),
    "average pooling 56×56, 3×3, padding 1": work(
        "average_pooling",
        lambda x: F.avg_pool2d(x, 3, 2, 1),
        IMAGE,
        pool_size=(3, 3),
        stride=(2, 2),
        padding=(1, 1),
    ),
    "max pooling 56×56, 3×3 stride 2, padding 1": work(
        "max_pooling", lambda x: F.max_pool2d(x, 3, 2, 1), IMAGE, pool_size=(3, 3), stride=(2, 2), padding=(1, 1)
    ),
    "L² pooling 56×56, 2×2": work("lp_pooling", lambda x: F.lp_pool2d(x, 2, 2), IMAGE, pool_size=(2, 2)),
    "global average 56×56": work(
        "resampling", lambda x: F.adaptive_avg_pool2d(x, 1), IMAGE, size=(1, 1), rule="average"
    ),
    "nearest to 112×112": work(
        "resampling", lambda x: F.interpolate(x, (112, 112)), IMAGE, size=(112, 112), rule="nearest"
    ),
    "bilinear to 112×112": work(
        "resampling", lambda x: F.interpolate(x, (112, 112), mode="bilinear"), IMAGE, size=(112, 112), rule="bilinear"
    ),
    "attention (8, 128, 256), 8 heads": work("attention", attend, *((8, 128, 256),) * 3, heads=8),
}


@pytest.fixture
def field(validated, layer: str, dtype: str) -> Field:
    return validated(lambda names: contest(WORKS[layer], dtype, names))


@pytest.mark.parametrize("contender", ["manual", "jax", TORCH, "copy"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", WORKS)
def test_layer(field: Field, in_turns) -> None:
    in_turns()
