"""PyTorch as an oracle a second time: configurations that no space of ours describes, in both precisions.

PyTorch computes in float64 from the very numbers that ours gets, in float32 too. Two right computations may differ by
`UNITS` units roundoff of the largest term that took part, thousands of times less than any mistake would be: the terms
are products of what was given, or stand in PyTorch's results. Where PyTorch's number is NaN or infinite, so is ours.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.manual.torch_trials import TRIALS, Trial  # noqa: E402

pytestmark = [pytest.mark.proof, pytest.mark.filterwarnings("ignore:Using padding='same'")]

COUNT = 200
UNITS = 2.0**12
DTYPES = ("float64", "float32")


def in_dtype(trial: Trial, dtype: str) -> tuple[np.ndarray, ...]:
    return tuple(a.astype(dtype) if a.dtype.kind == "f" else a for a in trial.arrays)


def theirs_of(trial: Trial, arrays: Any, g: Any) -> list[np.ndarray]:
    """PyTorch's output and gradients, computed in float64."""
    leaves = [torch.tensor(a.astype(np.float64) if a.dtype.kind == "f" else a) for a in arrays]
    moving = [leaf.requires_grad_() for leaf in leaves if leaf.is_floating_point()]
    y = trial.theirs(*leaves)
    gradients = torch.autograd.grad(y, moving, torch.tensor(np.asarray(g, np.float64)).reshape(y.shape))
    return [y.detach().numpy(), *(one.numpy() for one in gradients)]


def compare(what: str, ours: Any, theirs: np.ndarray, largest: float, dtype: str) -> None:
    ours = np.asarray(ours)
    assert ours.shape == theirs.shape, (what, ours.shape, theirs.shape)
    assert ours.dtype == dtype, (what, ours.dtype)
    finite = np.isfinite(theirs)
    np.testing.assert_array_equal(ours[~finite], theirs[~finite].astype(dtype), err_msg=what)
    allowed = UNITS * np.finfo(dtype).eps / 2 * max(largest, float(np.max(np.abs(theirs[finite]), initial=0.0)))
    off = float(np.max(np.abs(ours[finite] - theirs[finite]), initial=0.0))
    assert off <= allowed, (what, off, allowed)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TRIALS)
def test_pytorch_agrees_at_configurations_drawn_anew(name: str, dtype: str) -> None:
    rng = np.random.default_rng(zlib.crc32(f"{name} {dtype} drawn anew".encode()))
    for number in range(COUNT):
        trial = TRIALS[name](rng, torch)
        arrays = in_dtype(trial, dtype)
        statistics = {k: v.astype(dtype) for k, v in trial.options.items() if k.startswith("running")}
        y, saved, *state = trial.module.forward(*arrays, **{**trial.options, **statistics})
        g = rng.normal(size=np.shape(y)).astype(dtype)
        gradients = trial.module.backward(g if g.ndim else g[()], saved)
        y_theirs, *others = theirs_of(trial, arrays, g)
        shown = {k: v for k, v in trial.options.items() if np.size(v) < 9}
        said = f"{name} {number}: {[a.shape for a in arrays]} {shown}"
        largest = float(np.prod([np.max(np.abs(a), initial=1.0) for a in (*arrays, g)]))
        compare(f"{said}: y", y, y_theirs, largest, dtype)
        floating = [one for a, one in zip(arrays, gradients, strict=True) if a.dtype.kind == "f"]
        for position, (mine, other) in enumerate(zip(floating, others, strict=True)):
            compare(f"{said}: gradient {position}", mine, other, largest, dtype)
        for mine, other in zip(state[0] if state and trial.state else (), trial.state, strict=True):
            compare(f"{said}: state", np.asarray(mine), other.numpy(), largest, dtype)


def test_max_pooling_hands_infinities_ties_and_one_nan_to_the_same_entry() -> None:
    rng = np.random.default_rng(3)
    for _ in range(COUNT):
        trial = TRIALS["max_pooling"](rng, torch)
        (x,) = trial.arrays
        x = rng.choice([0.0, 1.0, -np.inf, np.inf], x.shape)
        if rng.random() < 0.5:
            x.flat[rng.integers(x.size)] = np.nan  # of several in a window ours is the first, PyTorch's the last
        y, saved = trial.module.forward(x, **trial.options)
        g = rng.normal(size=y.shape)
        (grad_x,) = trial.module.backward(g, saved)
        y_theirs, grad_theirs = theirs_of(trial, (x,), g)
        np.testing.assert_array_equal(y, y_theirs, err_msg=str(trial.options))
        compare(f"{x.shape} {trial.options}", grad_x, grad_theirs, float(np.max(np.abs(g))), "float64")


def test_all_labels_ignored_cost_nothing_in_a_sum_as_in_pytorch() -> None:
    module, p = TRIALS["softmax_cross_entropy"](np.random.default_rng(0), torch).module, np.full((3, 2), 1e4)
    for reduction in ("sum", "none"):
        options = {"target": np.full(3, 7), "ignored": 7, "reduction": reduction}
        loss, saved = module.forward(p, **options)
        theirs = torch.nn.functional.cross_entropy(
            torch.tensor(p), torch.full((3,), 7), ignore_index=7, reduction=reduction
        )
        np.testing.assert_array_equal(loss, theirs.numpy())
        (gradient,) = module.backward(np.ones(np.shape(loss)), saved)
        np.testing.assert_array_equal(gradient, np.zeros((3, 2)))


def test_a_slightly_wrong_gradient_is_seen() -> None:
    trial = TRIALS["layer_norm"](np.random.default_rng(4), torch)
    y, saved = trial.module.forward(*trial.arrays, **trial.options)
    g = np.random.default_rng(5).normal(size=y.shape)
    gradients = trial.module.backward(g, saved)
    _, *theirs = theirs_of(trial, trial.arrays, g)
    largest = float(np.prod([np.max(np.abs(a), initial=1.0) for a in (*trial.arrays, g)]))
    compare("biases", gradients[2], theirs[2], largest, "float64")
    with pytest.raises(AssertionError):
        compare("biases", gradients[2] + 1e-6 * largest, theirs[2], largest, "float64")
