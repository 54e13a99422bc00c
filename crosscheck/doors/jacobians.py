"""A hand-derived Jacobian, dense or sparse, judged entry by entry (`rows`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from crosscheck.doors.door import door
from crosscheck.doors.numbers import number_like
from crosscheck.doors.rows import entries, explained, picked, picked_in_jax, reworded, told_of_matrix
from crosscheck.evidence.estimate import HAND
from crosscheck.evidence.pair import compare
from crosscheck.evidence.reason import Diagnosis
from crosscheck.evidence.result import Result
from crosscheck.judge import judge
from crosscheck.operation import Array, Arrays, Operation, as_array, checked_inputs

JACOBIAN = "jacobian"
FEW = 3  # wrong entries of a matrix that are named
MOST_ENTRIES = 2**16  # of a Jacobian; each is an entry of a gradient, and each row a point of its own


@door
def check_jacobian(
    f: Callable[..., Any],
    jacobian: Callable[..., Any],
    x: Any,
    reference: Callable[..., Any] | None = None,
    *,
    args: tuple[Any, ...] = (),
    seed: int = 0,
    diagnose: bool = True,
    budget: float | None = None,
    name: str | None = None,
) -> Result:
    """Check a hand-derived Jacobian, every entry for itself.

    Args:
        f: `f(x, *args) -> y`, NumPy, of any shapes.
        jacobian: `jacobian(x, *args)` -> the array of ∂y/∂x of shape y.shape + x.shape; or a sparse matrix or array of
            SciPy, of shape (y.size, x.size), whose pattern is judged, too: a derivative that is not zero outside of the
            pattern is wrong, and named.
        x: the point, float64 or float32.
        reference: `reference(x, *args) -> y`, the same function in jax.numpy. None: f is recorded, where it can be.
        args: passed on to all three.
        seed, diagnose, budget, name: as in `check`.

    Returns:
        A `Result` with the one gradient "jacobian", whose entries are those of the Jacobian, the rows times random
        weights. Of more than 2^16 entries it is judged by the sum of its rows times random weights, in which every
        entry stands: a wrong one shows at its place in x, and two hide one another with probability 0.

    Raises:
        TypeError, ValueError: x or what a function returned has the wrong type or shape.
    """
    for argument, function in (("f", f), ("jacobian", jacobian)):
        called(argument, function)
    point = checked_inputs({"x": x}, ("x",))[0]["x"]
    y = as_array(f(number_like(x, point.copy()), *args), title(f), "one array")
    matrix = Matrix(jacobian, x, args, y.shape, point.shape)
    if y.size * point.size > MOST_ENTRIES:
        operation = of_sums(f, matrix, x, reference, args, JACOBIAN)
        operation = replace(operation, name=name or operation.name)
        return reworded(judge(operation, seed=seed, diagnose=diagnose, budget=budget), words(JACOBIAN, "Jacobian"))
    matrix(point)
    operation = of_rows(f, matrix, x, reference, args, JACOBIAN)
    operation = replace(operation, name=name or operation.name)
    result = judge(operation, seed=seed, diagnose=diagnose, budget=budget)
    result = matrix.told(without_rows(result, JACOBIAN), JACOBIAN)
    result = explained(result, JACOBIAN, of_matrix(result, matrix, JACOBIAN))
    result = replace(result, weights={JACOBIAN: weights_of(result, matrix)})
    return reworded(result, words(JACOBIAN, "Jacobian"))


def words(name: str, title: str) -> dict[str, str]:
    """What the judge says of a gradient, said of a matrix."""
    return {
        f"the gradient of {name}": f"the {title}",
        f"d/d {name}": title,
        f"argument {name}": "argument x",
        "(sample ": "(output ",
        ", feature ": ", input ",
    }


# What may have been done to a right matrix of second derivatives, or to a square one, and how it is undone.
CHANGED: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "transposed": ("transposed", np.transpose),
    "triangle": ("one triangle of a symmetric matrix: the other is zero", lambda a: a + a.T - np.diag(np.diag(a))),
    "twice": ("twice the right one off the diagonal", lambda a: (a + np.diag(np.diag(a))) / 2),
    "half": ("half the right one off the diagonal", lambda a: 2 * a - np.diag(np.diag(a))),
    "diagonal": ("half the right one on the diagonal", lambda a: a + np.diag(np.diag(a))),
}


def of_matrix(result: Result, matrix: Matrix, name: str) -> Diagnosis | None:
    """Why a matrix is wrong, where it is its pattern, or what happens to square ones."""
    gradient, sizes = result.gradients[name], matrix.sizes
    hand, truth = gradient.estimates.get(HAND), gradient.estimates.get(gradient.decided.truth)
    if hand is None or truth is None or hand.value.shape != truth.value.shape:
        return None
    if not compare(hand, truth, result.evidence.t).disagree.any():
        return None
    if matrix.pattern is not None:
        left_out = gradient.mismatched.reshape(sizes) & ~matrix.pattern
        if left_out.any():
            sentence = f"the pattern leaves out {entries(left_out)}, where the derivative is not zero"
            places = [[int(i) for i in at] for at in np.argwhere(left_out)]
            return Diagnosis("pattern", sentence, {"entries": places})
    v = weights_of(result, matrix).reshape(-1, 1)
    square = sizes[0] == sizes[1] and gradient.decided.truth != HAND and bool(v.all())
    returned = hand.value.reshape(sizes) / v if square else hand.value
    for kind, (sentence, undo) in CHANGED.items() if square else ():
        undone = replace(hand, value=(v * undo(returned)).reshape(hand.value.shape))
        if compare(undone, truth, result.evidence.t).agree.all():
            return Diagnosis(kind, f"the gradient of {name} is {sentence}", {})
    wrong = gradient.mismatched.reshape(sizes)
    if not result.reasons.diagnoses.get(name) and 0 < wrong.sum() <= FEW < wrong.size:
        return Diagnosis("localized", f"the gradient of {name} is wrong at {entries(wrong)} only", {})
    return None


def without_rows(result: Result, name: str) -> Result:
    """The result without reasons that name one of the judge's own slices, by which it takes the rows."""
    diagnoses = dict(result.reasons.diagnoses)
    diagnoses[name] = tuple(d for d in diagnoses.get(name, ()) if "slice (number" not in d.explanation)
    return replace(result, reasons=replace(result.reasons, diagnoses=diagnoses))


def weights_of(result: Result, matrix: Matrix) -> Array:
    """What the rows of the matrix were multiplied by, of the shape of y and as many axes of 1 as x has."""
    v = result.evidence.cotangent.ravel()[-matrix.sizes[0] :]
    return v.reshape(matrix.y_shape + (1,) * len(matrix.x_shape))


def called(argument: str, function: Any) -> None:
    if not callable(function):
        raise TypeError(f"{argument} is a {type(function).__name__}; it must be a function")


class Matrix:
    """A user's matrix of derivatives as an array (y.size, x.size); its pattern at the last point, where it is sparse.

    Args:
        function: `function(x, *args)`.
        x: as the user gave it.
        y_shape, x_shape: of the function's output and of the point.
    """

    __slots__ = ("args", "function", "pattern", "x", "x_shape", "y_shape")

    def __init__(
        self,
        function: Callable[..., Any],
        x: Any,
        args: tuple[Any, ...],
        y_shape: tuple[int, ...],
        x_shape: tuple[int, ...],
    ) -> None:
        self.function, self.x, self.args = function, x, args
        self.y_shape, self.x_shape = y_shape, x_shape
        self.pattern: Array | None = None

    @property
    def sizes(self) -> tuple[int, int]:
        """Of y and of x."""
        return int(np.prod(self.y_shape)), int(np.prod(self.x_shape))

    def told(self, result: Result, *names: str) -> Result:
        """The result whose reasons speak of this matrix."""
        plain = len(self.y_shape) == len(self.x_shape) == 1
        return told_of_matrix(result, names, self.sizes[0], plain=plain)

    def summed(self, v: Array, point: Array) -> Array:
        """The sum of the rows, each times its weight; a sparse matrix is not made a dense one."""
        flat = self.sizes
        returned = self.function(number_like(self.x, point), *self.args)
        if callable(getattr(returned, "tocoo", None)) and tuple(returned.shape) == flat:
            return np.reshape(np.ravel(v) @ returned, self.x_shape)
        return np.reshape(np.ravel(v) @ self.flattened(returned), self.x_shape)

    def __call__(self, point: Array) -> Array:
        return self.flattened(self.function(number_like(self.x, point), *self.args))

    def flattened(self, returned: Any) -> Array:
        """What the function returned, of shape (y.size, x.size)."""
        flat = self.sizes
        if callable(getattr(returned, "tocoo", None)):
            if tuple(returned.shape) != flat:
                raise ValueError(f"{title(self.function)} returns a sparse {returned.shape}; y and x have sizes {flat}")
            stored = returned.tocoo()
            if self.pattern is None:
                self.pattern = np.zeros(flat, bool)
                self.pattern[stored.row, stored.col] = True
            return np.asarray(returned.toarray())
        found = as_array(returned, title(self.function), "one array, or a sparse one of SciPy")
        wanted = self.y_shape + self.x_shape
        if found.shape not in (wanted, flat):
            raise ValueError(f"{title(self.function)} returns shape {found.shape}; y.shape + x.shape is {wanted}")
        return found.reshape(flat)


def of_rows(
    f: Callable[..., Any],
    matrix: Matrix,
    x: Any,
    reference: Callable[..., Any] | None,
    args: tuple[Any, ...],
    name: str,
) -> Operation:
    """f and its Jacobian as a function of one point for each output."""
    y_shape, x_shape = matrix.y_shape, matrix.x_shape
    size = int(np.prod(y_shape))
    point = np.asarray(x)

    def outputs(at: Any) -> Any:
        return np.reshape(f(number_like(x, at), *args), (-1,))

    def lead(rows: Any) -> tuple[int, ...]:
        shape = tuple(np.shape(rows))
        return shape[: len(shape) - len(x_shape)]

    def by_row(rows: Any) -> Any:
        return rows.reshape((int(np.prod(lead(rows))), *np.shape(rows)[len(lead(rows)) :]))

    def forward(values: Arrays) -> Any:
        rows = values[name]
        found = picked(outputs, by_row(rows), size)
        return np.zeros(lead(rows), rows.dtype) if found is None else np.reshape(found, lead(rows))

    def backward(v: Array, values: Arrays) -> Arrays:
        rows = values[name]
        found = picked(matrix, by_row(rows), size)
        if found is None:
            return {name: np.zeros(rows.shape, rows.dtype)}
        return {name: (v.reshape(-1, 1) * found).reshape(rows.shape)}

    def referred(**values: Any) -> Any:
        rows, known, jnp = values[name], reference, import_module("jax.numpy")
        assert known is not None
        return jnp.reshape(picked_in_jax(lambda at: jnp.ravel(known(at, *args)), by_row(rows)), lead(rows))

    rows = {name: np.broadcast_to(point, y_shape + x_shape).copy()}
    return Operation(title(f), forward, backward, rows, (name,), None if reference is None else referred)


def of_sums(
    f: Callable[..., Any],
    matrix: Matrix,
    x: Any,
    reference: Callable[..., Any] | None,
    args: tuple[Any, ...],
    name: str,
) -> Operation:
    """f as it is, whose gradient is the sum of the matrix's rows times the cotangent."""

    def forward(values: Arrays) -> Any:
        return f(number_like(x, values[name]), *args)

    def backward(v: Array, values: Arrays) -> Arrays:
        return {name: matrix.summed(v, values[name])}

    def referred(**values: Any) -> Any:
        assert reference is not None
        return reference(values[name], *args)

    known = None if reference is None else referred
    return Operation(title(f), forward, backward, {name: np.array(x)}, (name,), known)


def title(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)
