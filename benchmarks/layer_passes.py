"""A layer forward and back, by us, jitted JAX and PyTorch: validated, and then ready to be timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.contenders import LARGEST, Array, Field, Pass, compare, jax_both, torch

# What two right computations of these layers may be apart, in units roundoff of the largest entry, as in
# tests/manual/test_torch.py: thousands of times less than any mistake would be.
UNITS = 2.0**12


class Work(NamedTuple):
    """One layer at one size, by the three."""

    ours: Callable[..., tuple[Array, Any]]  # forward
    backward: Callable[[Array, Any], tuple[Array, ...]]
    reference: Callable[..., Any]
    torch: Callable[..., Any] | None
    shapes: tuple[tuple[int, ...], ...]
    copies: int = 0  # arrays of the output's size that a pass at least reads or writes, where that is all it does
    flops: int = 0
    integers: bool = False
    allowed: tuple[float, ...] = ()  # distance of each result from JAX, in units roundoff; none: equal
    rounds: bool = False  # whether everyone rounds on a way of its own: then within `UNITS` of a result's largest entry


def contest(work: Work, dtype: str, names: Sequence[str]) -> Field:
    """Forward and backward by us ("manual"), "jax", "torch", and a "copy" of the output: what the machine allows."""
    rng = np.random.default_rng(0)

    def draw(shape: tuple[int, ...], integers: bool) -> Array:
        if integers:
            return rng.integers(-LARGEST, LARGEST, shape, endpoint=True).astype(dtype)
        return rng.standard_normal(shape).astype(dtype)

    arrays = [draw(shape, work.integers) for shape in work.shapes]
    output = work.ours(*arrays)[0]
    g = draw(output.shape, True)

    def ours() -> tuple[Array, ...]:
        y, saved = work.ours(*arrays)
        return y, *work.backward(g, saved)

    passes: dict[str, Pass] = {"manual": ours, "jax": jax_both(work.reference, g, arrays)}
    if work.torch is not None:
        passes["torch"] = torch_both(work.torch, g, arrays)
    exact = passes["jax"]()
    unit = float(np.finfo(dtype).eps) / 2
    allowed = [units * unit for units in work.allowed] or None
    if work.rounds:
        allowed = [UNITS * unit * max(1.0, float(np.max(np.abs(one)))) for one in exact]
    found = Field(dtype, facts={"copies": work.copies})
    for name, call in passes.items():
        compare(name, call(), exact, allowed)
        if name in names:
            found.enter(name, call, work.flops)
    if "copy" in names:
        found.enter("copy", lambda: (output.copy(),))  # into new memory, as all results are
    return found


def torch_both(forward: Callable[..., Any], g: Array, arrays: Sequence[Array]) -> Pass:
    leaves = [torch.from_numpy(array).requires_grad_() for array in arrays]
    gradient = torch.from_numpy(g)

    def both() -> tuple[Any, ...]:
        y = forward(*leaves)
        return y.detach(), *torch.autograd.grad(y, leaves, gradient)

    return both
