"""Hand-derived products of a Hessian with a vector: the tangent of the gradient (`tangents`).

    x  →  (f(x), g(x))          along p          (⟨g(x), p⟩, H(x) p)                                (1)

Where no gradient is given by hand, it is that of the reference, or of the recorded f.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from crosscheck.doors.door import door
from crosscheck.doors.hessians import scalar
from crosscheck.doors.jacobians import called, title
from crosscheck.doors.numbers import number_like
from crosscheck.doors.recordings import recorded, value_and_gradient
from crosscheck.doors.rows import reworded
from crosscheck.doors.tangents import check_jvp
from crosscheck.evidence.result import Result
from crosscheck.operation import Array, as_array, checked_inputs
from crosscheck.recorder.operations import RECORDED
from crosscheck.traces.precision import double_precision


@door
def check_hvp(
    f: Callable[..., Any],
    hvp: Callable[..., Any],
    x: Any,
    args: tuple[Any, ...] = (),
    reference: Callable[..., Any] | None = None,
    *,
    grad: Callable[..., Any] | None = None,
    seed: int = 0,
    diagnose: bool = True,
    budget: float | None = None,
    name: str | None = None,
) -> Result:
    """Check a hand-derived product of a Hessian with a vector, as `scipy.optimize.minimize` takes it.

    Args:
        f: `f(x, *args) -> number`, NumPy.
        hvp: `hvp(x, p, *args)` -> H(x) p, of the shape of x.
        x: the point, float64 or float32.
        args: passed on to all.
        reference: `reference(x, *args) -> number`, the same function in jax.numpy. None: f is recorded.
        grad: `grad(x, *args)` -> the gradient by hand, of the shape of x. None: that of the reference.
        seed, diagnose, budget, name: as in `check`.

    Returns:
        A `Result` with the one gradient "x": for two directions p, the entries of (⟨∇f, p⟩, H p) times random weights.

    Raises:
        TypeError, ValueError: x or what a function returned has the wrong type or shape; or there is neither a gradient
            nor a reference, and f cannot be recorded.
    """
    for argument, function in (("f", f), ("hvp", hvp)):
        called(argument, function)
    point = checked_inputs({"x": x}, ("x",))[0]["x"]
    scalar(f, f(number_like(x, point.copy()), *args))
    source = ""
    if reference is None and grad is None:
        reference, source = recorded(f, x, point, args), RECORDED
    known = reference
    of_reference = None if known is None else value_and_gradient(known, args)

    def gradient(x: Any) -> Array:
        if grad is not None:
            return as_array(grad(x, *args), title(grad), "one array")
        assert compiled is not None
        with double_precision():
            return np.asarray(compiled(np.asarray(x))[1], np.asarray(x).dtype)

    compiled = None if of_reference is None else import_module("jax").jit(of_reference)

    def forward(x: Any) -> Any:
        return np.reshape(f(x, *args), ()), gradient(x)

    def tangent(tangents: Any, x: Any) -> Any:
        p = tangents["x"]
        return np.sum(gradient(x) * p), as_array(hvp(x, p, *args), title(hvp), "one array")

    forward.__name__ = title(f)
    result = check_jvp(forward, tangent, {"x": x}, of_reference, seed=seed, diagnose=diagnose, budget=budget, name=name)
    if source:
        result = replace(result, evidence=replace(result.evidence, source=source))
    return reworded(result, {"the tangent along x": "H p", "tangent along x": "(⟨∇f, p⟩, H p)"})
