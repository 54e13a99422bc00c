"""The planted mistakes: a row each, with the kind that should be named."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crosscheck.lecture.planted.beyond import planted_beyond
from crosscheck.lecture.planted.changes import (
    Wrong,
    all_but_last,
    argument,
    axes_sum,
    border,
    cotangent,
    every_second_column,
    first,
    half_precision,
    ones,
    only_channel,
    promoted,
    result,
    rolled,
    single_entry,
    to_single,
)
from crosscheck.lecture.planted.convolutions import planted_convolutions
from crosscheck.lecture.planted.healthy import (
    Healthy,
    batch_dense,
    conv,
    conv_relu,
    cross_entropy,
    dense,
    even_batch,
    flat,
    mse,
    network,
    overlapping,
    padded,
    pool,
    relu,
    same_relu,
    sigmoid,
    single,
    soft,
    square,
    square_dense,
    strided,
    tanh,
    wide_pool,
)
from crosscheck.lecture.planted.options import planted_options
from crosscheck.lecture.planted.passes import (
    elementwise,
    in_network,
    logistic,
    masked,
    one_hot,
    softmax,
    swapped_winner,
    windows,
    winner,
)
from crosscheck.lecture.planted.state import accumulates, buffers, dice, memo, stale, writes_cotangent, writes_input
from crosscheck.lecture.planted.tangents import planted_tangents
from crosscheck.operation import Operation


@dataclass(frozen=True)
class Mutant:
    """One planted mistake."""

    name: str
    kind: str
    healthy: Healthy
    wrong: Wrong
    also: tuple[str, ...] = ()  # other kinds that are true of it, too

    def operation(self, seed: int) -> Operation:
        base = self.healthy(np.random.default_rng(seed))
        return replace(base, backward=self.wrong(base))


def tangent_mutants() -> list[Mutant]:
    """Those in tangents, which other checkers of gradients are not asked about."""
    return [Mutant(*planted) for planted in planted_tangents()]


def all_mutants() -> list[Mutant]:
    """All of them."""
    rows: list[Mutant] = []

    def add(name: str, kind: str, healthy: Healthy, wrong: Any, *also: str) -> None:
        rows.append(Mutant(name, kind, healthy, wrong, also))

    for name in ("x", "filters", "biases"):
        add(f"convolution: {name} negated", "sign", conv, result(name, np.negative))
    add("convolution: filters divided by the batch", "scaled", conv, result("filters", lambda a: a / 4))
    add("convolution: biases averaged over the batch", "scaled", conv, result("biases", lambda a: a / 4))
    add("convolution: biases averaged over positions", "scaled", conv, result("biases", lambda a: a / 24))
    add("convolution: filters doubled", "scaled", conv, result("filters", lambda a: 2 * a))
    add("convolution: x divided by the kernel area", "scaled", conv, result("x", lambda a: a / 6))
    add("convolution: x scaled by 1 + 1e-9", "scaled", conv, result("x", lambda a: a * (1 + 1e-9)), "precision")
    add(
        "convolution: x with filters not flipped",
        "flipped",
        conv,
        argument("filters", lambda w: w[:, :, ::-1, ::-1], "x"),
    )
    add("convolution: filters flipped", "flipped", conv, result("filters", lambda a: a[:, :, ::-1, ::-1]))
    add("convolution: filters flipped along rows", "flipped", conv, result("filters", lambda a: a[:, :, ::-1]))
    add("convolution: x mirrored", "flipped", conv, result("x", lambda a: a[..., ::-1]))
    add("convolution: batch reversed", "flipped", conv, result("x", lambda a: a[::-1]))
    add(
        "convolution: kernel rows and columns swapped",
        "transposed",
        square,
        result("filters", lambda a: a.swapaxes(2, 3)),
    )
    add("convolution: filter channels swapped", "transposed", square, result("filters", lambda a: a.swapaxes(0, 1)))
    add(
        "convolution: x by filters with channels swapped",
        "transposed",
        square,
        argument("filters", lambda w: w.swapaxes(0, 1), "x"),
    )
    add("convolution: filters in Fortran order", "permuted", conv, result("filters", lambda a: a.T.reshape(a.shape)))
    add("convolution: x one row off", "shifted", conv, result("x", rolled(2)))
    add("convolution: x one column off", "shifted", conv, result("x", rolled(3)))
    add("convolution: padding cropped one off", "shifted", padded, result("x", lambda a: np.roll(a, (1, 1), (2, 3))))
    add("convolution: biases summed over channels", "summed", even_batch, axes_sum(1, 2, 3))
    add("convolution: x is zero", "zero", conv, result("x", np.zeros_like))
    add("convolution: filters are zero", "zero", conv, result("filters", np.zeros_like))
    add("convolution: computed at float32", "precision", conv, half_precision)
    add("convolution: filters stored at float32", "precision", conv, result("filters", to_single))
    add("convolution: x's border left out", "border", padded, result("x", border), "localized")
    add("convolution: G's border left out", "border", padded, cotangent(lambda g, _: border(g.copy())), "localized")
    add("convolution: biases of the first image", "batch", conv, cotangent(first, "biases"))
    add("convolution: filters of the first image", "batch", conv, cotangent(first, "filters"))
    add("convolution: last image left out", "batch", conv, cotangent(all_but_last, "filters"))
    add("convolution: G taken as ones", "ignores-upstream", conv, cotangent(ones))
    add("convolution: biases ignore G", "ignores-upstream", conv, cotangent(ones, "biases"))
    add("convolution: one entry of the filters", "localized", conv, result("filters", single_entry))
    add("convolution: one filter's gradient lost", "localized", conv, result("filters", only_channel(0, 2)))
    add("convolution: one input channel lost", "localized", conv, result("x", only_channel(1, 1)))
    add("convolution: every second column lost", "localized", strided, result("x", every_second_column), "border")
    add("convolution: grad_output halved in place", "mutated-argument", conv, writes_cotangent)
    add("convolution: x written to", "mutated-argument", conv, writes_input)
    add("convolution: gradients accumulate", "accumulates", conv, accumulates)
    add("convolution: one buffer for every call", "aliased", conv, buffers)
    add("convolution: random factor", "nondeterministic", conv, dice)
    add("convolution: x of the first call", "stale", conv, stale)
    add("convolution: the first answer for ever", "stale", conv, memo)
    add("convolution: biases as a column", "shape", conv, result("biases", lambda a: a[:, None]))
    add("convolution: filters flat", "shape", conv, result("filters", np.ravel))
    add("convolution: float32 promoted", "dtype", single, promoted)

    add("convolution and ReLU: mask forgotten", "missing-mask", conv_relu, masked(lambda z, v, g: np.ones_like(z)))
    for name in ("x", "filters", "biases"):
        forgotten = masked(lambda z, v, g: np.ones_like(z), name)
        # The biases' gradient without its mask is also G summed over the batch and positions.
        also = ("summed",) if name == "biases" else ()
        add(f"convolution and ReLU: mask forgotten for {name}", "missing-mask", conv_relu, forgotten, *also)
    add("convolution and ReLU: mask inverted", "wrong-mask", conv_relu, masked(lambda z, v, g: z <= 0))
    add("convolution and ReLU: mask of the input", "wrong-mask", same_relu, masked(lambda z, v, g: v["x"] > 0))
    add("convolution and ReLU: mask of G", "wrong-mask", conv_relu, masked(lambda z, v, g: g > 0))

    add("pool: G spread over the window", "spread", pool, windows(lambda e: np.full(e.shape, 0.25), (2, 2), (2, 2)))
    add("pool: G to every entry", "spread", pool, windows(lambda e: np.ones(e.shape), (2, 2), (2, 2)))
    add("pool: to the minimum", "wrong-winner", pool, windows(lambda e: winner(e, e.argmin(-1)), (2, 2), (2, 2)))
    add("pool: row and column swapped", "wrong-winner", pool, windows(swapped_winner, (2, 2), (2, 2)))
    add(
        "pool: to the window's first entry",
        "wrong-winner",
        wide_pool,
        windows(lambda e: winner(e, np.zeros(e.shape[:-1], int)), (2, 3), (2, 3)),
        "localized",
    )
    add(
        "pool: overlaps overwritten",
        "overwritten",
        overlapping,
        windows(lambda e: winner(e, e.argmax(-1)), (3, 3), (1, 1), overwrite=True),
    )
    add("pool: negated", "sign", overlapping, result("x", np.negative))
    add("pool: divided by the window", "scaled", wide_pool, result("x", lambda a: a / 6))
    add("pool: G taken as ones", "ignores-upstream", overlapping, cotangent(ones))
    add("pool: one channel lost", "localized", overlapping, result("x", only_channel(1, 0)))

    add("linear: weights not transposed", "transposed", square_dense, argument("weights", lambda w: w.T, "x"))
    add("linear: weights' gradient transposed", "transposed", square_dense, result("weights", lambda a: a.T))
    add("linear: weights' gradient reshaped", "permuted", dense, result("weights", lambda a: a.T.reshape(a.shape)))
    add("linear: biases averaged", "scaled", dense, result("biases", lambda a: a / 4))
    add("linear: weights averaged", "scaled", dense, result("weights", lambda a: a / 4))
    add("linear: biases summed over outputs", "summed", batch_dense, axes_sum(1))
    add("linear: weights of the first sample", "batch", dense, cotangent(first, "weights"))
    add("linear: x negated", "sign", dense, result("x", np.negative))
    add("linear: G taken as ones", "ignores-upstream", dense, cotangent(ones, "weights"))
    add("linear: biases one off", "shifted", dense, result("biases", rolled(0)))

    add(
        "flatten: read by columns",
        "permuted",
        flat,
        result("x", lambda a: a.reshape(a.shape, order="C").T.reshape(a.shape)),
    )
    add("flatten: batch reversed", "flipped", flat, result("x", lambda a: a[::-1]))
    add("flatten: doubled", "scaled", flat, result("x", lambda a: 2 * a))

    add("relu: mask forgotten", "missing-mask", relu, elementwise(np.ones_like))
    add("relu: mask inverted", "wrong-mask", relu, elementwise(lambda x: x <= 0))
    add("relu: mask of G", "wrong-mask", relu, cotangent(lambda g, v: np.where(g > 0, g, 0)))
    add("relu: negated", "sign", relu, result("x", np.negative))
    add("sigmoid: derivative forgotten", "missing-terms", sigmoid, elementwise(np.ones_like))
    add("sigmoid: 1 - y forgotten", "missing-terms", sigmoid, elementwise(logistic), "wrong-derivative")
    add("tanh: derivative forgotten", "missing-terms", tanh, elementwise(np.ones_like))
    add("tanh: negated", "sign", tanh, result("x", np.negative))
    add("soft ReLU: derivative forgotten", "missing-terms", soft, elementwise(np.ones_like))
    add("soft ReLU: doubled", "scaled", soft, result("x", lambda a: 2 * a))

    add("mean squared error: factor 2 forgotten", "scaled", mse, result("prediction", lambda a: a / 2))
    add("mean squared error: mean forgotten", "scaled", mse, result("prediction", lambda a: a * 15))
    add("mean squared error: mean over the batch only", "scaled", mse, result("prediction", lambda a: a * 3))
    add("mean squared error: target minus prediction", "sign", mse, result("prediction", np.negative))
    add(
        "mean squared error: G forgotten",
        "ignores-upstream",
        mse,
        lambda base: lambda g, v: base.backward(np.ones_like(g), v),
    )
    add("cross-entropy: mean forgotten", "scaled", cross_entropy, result("prediction", lambda a: a * 5))
    add("cross-entropy: negated", "sign", cross_entropy, result("prediction", np.negative))
    add(
        "cross-entropy: labels not subtracted",
        "missing-terms",
        cross_entropy,
        lambda base: lambda g, v: {"prediction": g * softmax(v["prediction"]) / 5},
    )
    add(
        "cross-entropy: softmax forgotten",
        "missing-terms",
        cross_entropy,
        lambda base: lambda g, v: {"prediction": -g * one_hot(v) / 5},
    )
    add(
        "cross-entropy: G forgotten",
        "ignores-upstream",
        cross_entropy,
        lambda base: lambda g, v: base.backward(np.ones_like(g), v),
    )

    add("network: first filters negated", "sign", network, result("0.filters", np.negative))
    add("network: dense weights averaged", "scaled", network, result("3.weights", lambda a: a / 7))
    add("network: last biases doubled", "scaled", network, result("4.biases", lambda a: 2 * a))
    add("network: first filters get nothing", "zero", network, result("0.filters", np.zeros_like))
    add("network: first filters flipped", "flipped", network, result("0.filters", lambda a: a[:, :, ::-1, ::-1]))
    add(
        "network: the flow stops before the dense layer",
        "zero",
        network,
        in_network(lambda g, l, v: np.zeros_like(g), 3),
    )
    add("network: the flow negated at the pool", "sign", network, in_network(lambda g, l, v: -g, 1))
    add("network: gradients accumulate", "accumulates", network, accumulates)
    for name, kind, healthy, wrong in (*planted_beyond(), *planted_convolutions(), *planted_options()):
        add(name, kind, healthy, wrong)
    return rows
