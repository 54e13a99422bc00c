"""The doors: three ways to say what is under check, one engine behind them.

All lead to one `Operation` and from there to `judge`: `check` for plain functions, `check_operation` for
a forward and backward pair with saved values, `check_layer` for a layer or a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from crosscheck.doors.charts import charts_of, through
from crosscheck.doors.functions import from_functions
from crosscheck.doors.layers import from_layer
from crosscheck.doors.modules import from_module
from crosscheck.doors.sets import charts_on, in_words
from crosscheck.evidence.result import Result
from crosscheck.judge import judge
from crosscheck.manner import manner_of


def check(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Mapping[str, Any],
    reference: Callable[..., Any] | None = None,
    *,
    grad_output: Any = None,
    wrt: tuple[str, ...] | None = None,
    seed: int = 0,
    diagnose: bool = True,
    budget: float | None = None,
    accuracy: float | Mapping[str, float] | None = None,
    fixed: Mapping[str, Any] | None = None,
    on: Mapping[str, Callable[[Any], Any]] | None = None,
    directions: int | None = None,
    entries: int | None = None,
) -> Result:
    """Check a hand-derived backward pass given as plain functions.

    Args:
        forward: `forward(**inputs) -> y`, NumPy.
        backward: `backward(grad_output, **inputs) -> {name: gradient}`, NumPy.
        inputs: arrays by name, float64 or float32; integer arrays are passed on and not differentiated. What is not
            differentiated may be infinite (a mask of -∞): name the others in `wrt`.
        reference: `reference(**inputs) -> y`, the same forward in jax.numpy, which is independent of it. None:
            the forward itself is recorded, where it can be, and finite differences judge alone where not.
        grad_output: the cotangent, of y's shape. None: drawn at random (never ones).
        wrt: the inputs to differentiate; None: every floating one.
        seed: of the random cotangent.
        diagnose: whether a wrong gradient's reason is looked for, which takes longer than the verdict.
        budget: seconds. What is not done by then is left out and named; it may leave a verdict undecided, and never
            turns agree into disagree or back. A call of the functions, or a compilation, is not interrupted. None: no
            limit, and the clock is not read.
        accuracy: how good the functions are by design (a solver that stops at 1e-9, a continuous adjoint): the share of
            the largest entry of its array by which every entry may be off. A number, for the forward and all gradients;
            or `{"forward": 1e-9, "gradient": 1e-6}`, where the name of an input stands for its gradient alone. It
            enters the allowance, and is said. Mistakes are then told as shares of the largest entry, too: where one of
            a thousandth could hide, the gradient is undecided. Without a reference the forward's own derivative, as it
            stops, is what is compared: how far that is from the gradient is the gradient's accuracy.
        fixed: `{name: boolean array}`: the entries of a differentiated input that are constants of the problem. They
            are never moved, no gradient is judged there, and they may be infinite (the log of a zero probability).
        on: `{name: set}`: inputs that stay on a set: `crosscheck.symmetric`, `spd`, `rotation`, `simplex`, `unit`, or a
            retraction of your own, a smooth function of an array onto the set that leaves its points where they are (in
            operators and methods that NumPy and JAX both have). The code never sees a point off the set, and gradients
            are compared as functionals on its tangents: what they say across it is a convention.
        directions, entries: one of them, where the inputs are too large to difference the forward at every entry:
            difference it along so many random directions, which a wrong gradient escapes with probability 1/2 each; or
            at so many random entries of each input, and two directions for the rest. The report says with what
            probability a mistake is missed. What a reference says, it says of every entry all the same.

    Returns:
        A `Result`, true if every gradient agrees.

    Raises:
        TypeError, ValueError: the inputs or what the functions returned have the wrong type or shape; the sentence says
            what. An exception from the user's own code passes through.
    """
    operation = from_functions(forward, backward, inputs, reference, wrt=wrt, fixed=fixed)
    charts = {**charts_of(operation, fixed), **charts_on(operation, on, fixed)}
    manner = replace(manner_of(operation.wrt, accuracy, directions, entries), charted=bool(charts), on=in_words(on))
    operation = through(replace(operation, manner=manner), charts)
    return judge(operation, grad_output=grad_output, seed=seed, diagnose=diagnose, budget=budget)


def check_operation(
    operation: Any,
    inputs: Mapping[str, Any],
    reference: Callable[..., Any] | None = None,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    grad_output: Any = None,
    wrt: tuple[str, ...] | None = None,
    seed: int = 0,
    budget: float | None = None,
    accuracy: float | Mapping[str, float] | None = None,
) -> Result:
    """Check a pair `forward(*arrays, **hyper) -> (y, saved)`, `backward(grad_output, saved) -> gradients`.

    A module of `manual` qualifies, and so does any object with the two functions. `reference(**inputs, **hyper) -> y`.
    See `check` for the rest.
    """
    adapted = from_module(operation, inputs, reference, hyperparameters=hyperparameters, wrt=wrt)
    adapted = replace(adapted, manner=manner_of(adapted.wrt, accuracy))
    return judge(adapted, grad_output=grad_output, seed=seed, budget=budget)


def check_layer(
    layer: Any,
    x: Any,
    reference: Callable[..., Any] | None = None,
    *,
    grad_output: Any = None,
    seed: int = 0,
    budget: float | None = None,
    accuracy: float | Mapping[str, float] | None = None,
) -> Result:
    """Check a layer or a network: its input's gradient as `x`, its parameters' by their names.

    Args:
        layer: `forward(x)`, `backward(grad_output)`, and parameters and gradients by name or as flat vectors. The judge
            works on a deep copy.
        x: the input, in the layer's dtype.
        reference: `reference(x, **parameters) -> y` in jax.numpy, for a layer that is not ours.
        grad_output, seed, budget, accuracy: as in `check`.
    """
    operation = from_layer(layer, x, reference)
    operation = replace(operation, manner=manner_of(operation.wrt, accuracy))
    return judge(operation, grad_output=grad_output, seed=seed, budget=budget)
