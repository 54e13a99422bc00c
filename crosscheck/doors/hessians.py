"""A hand-derived Hessian: the gradient against its function, and the Hessian entry by entry against the gradient.

    y = [f(x)  g(X₁)₁ … g(Xₙ)ₙ]                                                                     (1)

is one function of x, whose derivative is the gradient, and of a point for every entry of the gradient, whose derivative
is the Hessian (`rows`). That a Hessian is symmetric is not assumed: each of its entries is judged, and one that is
right below the diagonal and not above is wrong there.

The derivative of a gradient that is wrong says nothing of the Hessian. Where one is, g is the gradient of the recorded
f instead; where f cannot be recorded, nothing is said of the Hessian.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from crosscheck.deadline import Deadline, checked_budget
from crosscheck.doors.door import door
from crosscheck.doors.jacobians import (
    MOST_ENTRIES,
    Matrix,
    called,
    of_matrix,
    of_rows,
    of_sums,
    title,
    weights_of,
    without_rows,
    words,
)
from crosscheck.doors.numbers import number_like
from crosscheck.doors.recordings import recorded, value_and_gradient
from crosscheck.doors.rows import explained, reworded
from crosscheck.evidence.pair import Pairs
from crosscheck.evidence.result import Result
from crosscheck.judge import judge
from crosscheck.operation import Array, Arrays, Operation, as_array, checked_inputs
from crosscheck.recorder.operations import RECORDED
from crosscheck.traces.precision import double_precision

GRADIENT, HESSIAN = "gradient", "hessian"
UNTOLD = "it is held against the derivative of the gradient, which is wrong; give reference=, f in jax.numpy"


@door
def check_hessian(
    f: Callable[..., Any],
    grad: Callable[..., Any],
    hess: Callable[..., Any],
    x0: Any,
    args: tuple[Any, ...] = (),
    reference: Callable[..., Any] | None = None,
    *,
    seed: int = 0,
    diagnose: bool = True,
    budget: float | None = None,
    name: str | None = None,
) -> Result:
    """Check a hand-derived gradient and Hessian of a scalar function, as `scipy.optimize.minimize` takes them.

    Args:
        f: `f(x, *args) -> number`, NumPy.
        grad: `grad(x, *args)` -> the gradient, of the shape of x.
        hess: `hess(x, *args)` -> the Hessian, of shape x.shape + x.shape; or a sparse matrix or array of SciPy, of
            shape (x.size, x.size), whose pattern is judged, too.
        x0: the point, float64 or float32.
        args: passed on to all.
        reference: `reference(x, *args) -> number`, the same function in jax.numpy. None: f and the gradient are
            recorded, where they can be. The Hessian is held against the derivative of the gradient; of the recorded f
            where the gradient is wrong.
        seed, diagnose, budget, name: as in `check`.

    Returns:
        A `Result` with two gradients: "gradient", times a random weight, and "hessian", whose entries are those of the
        Hessian, the rows times random weights. Of more than 2^16 entries it is judged by the sum of its rows times
        random weights, as a large Jacobian is: a wrong one shows at its column, and two hide one another with
        probability 0.

    Raises:
        TypeError, ValueError: x0 or what a function returned has the wrong type or shape.
    """
    for argument, function in (("f", f), ("grad", grad), ("hess", hess)):
        called(argument, function)
    point = checked_inputs({"x0": x0}, ("x0",))[0]["x0"]
    scalar(f, f(number_like(x0, point.copy()), *args))
    g = as_array(grad(number_like(x0, point.copy()), *args), title(grad), "one array")
    if g.shape != point.shape:
        raise ValueError(f"{title(grad)} returns shape {g.shape}; x0 has shape {point.shape}")
    matrix = Matrix(hess, x0, args, point.shape, point.shape)
    whole = point.size**2 <= MOST_ENTRIES
    if whole:
        matrix(point)
    deadline = Deadline(checked_budget(budget))

    def judged(reference: Callable[..., Any] | None, slope: Callable[..., Any], *, diagnose: bool) -> Result:
        operation = operation_of(f, grad, slope, matrix, x0, reference, args, whole)
        operation = replace(operation, name=name or operation.name)
        return judge(operation, seed=seed, diagnose=diagnose, budget=deadline.left)

    # Against what the Hessian is held the gradient's verdict says: only then a reason is worth its time.
    result = judged(reference, grad, diagnose=diagnose and reference is not None)
    wrong = reference is None and result.gradients[GRADIENT].verdict == "disagree"
    known = recorded_if_can_be(f, x0, point, args) if wrong else None
    if known is not None:
        result = judged(known, slope_of(known, args), diagnose=diagnose)
        result = replace(result, evidence=replace(result.evidence, source=RECORDED))
    elif reference is None and diagnose and not result:
        result = judged(None, grad, diagnose=True)
    if wrong and known is None:
        result = untold(result)
    weights = {GRADIENT: result.evidence.cotangent[:1].reshape(())}
    if whole:
        result = matrix.told(without_rows(result, HESSIAN), HESSIAN, GRADIENT)
        result = explained(result, HESSIAN, of_matrix(result, matrix, HESSIAN))
        weights[HESSIAN] = weights_of(result, matrix)
    result = replace(result, weights=weights)
    return reworded(result, words(HESSIAN, "Hessian") | words(GRADIENT, "gradient"))


def recorded_if_can_be(
    f: Callable[..., Any], x0: Any, point: Array, args: tuple[Any, ...]
) -> Callable[..., Any] | None:
    try:
        return recorded(f, x0, point, args)
    except ValueError:
        return None


def slope_of(known: Callable[..., Any], args: tuple[Any, ...]) -> Callable[..., Array]:
    """The gradient of a function in JAX, as a function of arrays."""
    compiled = import_module("jax").jit(value_and_gradient(known, args))

    def slope(x: Any, *_: Any) -> Array:
        with double_precision():
            return np.asarray(compiled(np.asarray(x))[1], np.asarray(x).dtype)

    return slope


def untold(result: Result) -> Result:
    """The result with nothing said of the Hessian: it was held against the derivative of a wrong gradient."""
    decided = result.decision.gradients[HESSIAN]
    nothing = np.zeros_like(decided.mismatched)
    told = replace(decided, verdict="undecided", pairs=Pairs(), mismatched=nothing, undecided=~nothing, power=None)
    told = replace(told, remarks=(UNTOLD,))
    decision = replace(result.decision, gradients={**result.decision.gradients, HESSIAN: told})
    diagnoses = {k: found for k, found in result.reasons.diagnoses.items() if k != HESSIAN}
    return replace(result, decision=decision, reasons=replace(result.reasons, diagnoses=diagnoses))


def scalar(f: Callable[..., Any], y: Any) -> None:
    array = as_array(y, title(f), "one number")
    if array.size != 1:
        raise ValueError(f"{title(f)} returns shape {array.shape}; it must return one number")


def operation_of(
    f: Callable[..., Any],
    grad: Callable[..., Any],
    slope: Callable[..., Any],
    matrix: Matrix,
    x0: Any,
    reference: Callable[..., Any] | None,
    args: tuple[Any, ...],
    whole: bool,
) -> Operation:
    """(1), with a point for every entry of the gradient, or one for all; `slope` is g."""

    def gradient_of_reference(x: Any, *args: Any) -> Any:
        jax, known = import_module("jax"), reference
        assert known is not None
        return jax.grad(lambda x: jax.numpy.reshape(known(x, *args), ()))(x)

    made = of_rows if whole else of_sums
    rows = made(slope, matrix, x0, None if reference is None else gradient_of_reference, args, HESSIAN)
    rows_forward, rows_reference = rows.forward, rows.reference

    def forward(values: Arrays) -> Any:
        y = f(number_like(x0, values[GRADIENT]), *args)
        return np.concatenate([np.reshape(y, (1,)), np.reshape(rows_forward(values), (-1,))])

    def backward(v: Array, values: Arrays) -> Arrays:
        g = grad(number_like(x0, values[GRADIENT]), *args)
        return {GRADIENT: np.asarray(v[0] * np.asarray(g)), **rows.backward(v[1:], values)}

    def referred(**values: Any) -> Any:
        jnp = import_module("jax.numpy")
        assert reference is not None
        assert rows_reference is not None
        y = jnp.reshape(reference(values[GRADIENT], *args), (1,))
        return jnp.concatenate([y, jnp.ravel(rows_reference(**{HESSIAN: values[HESSIAN]}))])

    inputs = {GRADIENT: np.array(x0), **rows.inputs}
    known = None if reference is None else referred
    return replace(
        rows, name=title(f), forward=forward, backward=backward, inputs=inputs, wrt=tuple(inputs), reference=known
    )
