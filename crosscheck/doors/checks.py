"""The doors: the ways to say what is under check, one engine behind them.

All lead to one `Operation` and from there to `judge`: `check` for plain functions, `check_operation` for
a forward and backward pair with saved values, `check_layer` for a layer or a network, `check_gradient` for a function
to one number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from crosscheck.doors.afterwards import added, told_by_output
from crosscheck.doors.between import between
from crosscheck.doors.charts import charts_of, through
from crosscheck.doors.door import door
from crosscheck.doors.functions import structure_of, structured
from crosscheck.doors.halves import formats_of
from crosscheck.doors.layers import Ways, from_layer
from crosscheck.doors.modules import from_module
from crosscheck.doors.scalars import from_scalar
from crosscheck.doors.sets import charts_on, names_of_sets
from crosscheck.doors.structure import Structure
from crosscheck.evidence.result import Result
from crosscheck.judge import judge
from crosscheck.manner import manner_of
from crosscheck.operation import Operation


@door
def check(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Mapping[str, Any],
    reference: Callable[..., Any] | None = None,
    *,
    grad_output: Any = None,
    wrt: tuple[str, ...] | None = None,
    convention: str | None = None,
    seed: int = 0,
    diagnose: bool = True,
    budget: float | None = None,
    accuracy: float | Mapping[str, float] | None = None,
    fixed: Mapping[str, Any] | None = None,
    on: Mapping[str, Callable[[Any], Any]] | None = None,
    directions: int | None = None,
    entries: int | None = None,
    name: str | None = None,
) -> Result:
    """Check a hand-derived backward pass given as plain functions.

    Args:
        forward: `forward(**inputs) -> y`, NumPy. y is one array, or several in a tuple, list, dictionary, named tuple,
            dataclass or another pytree of JAX, nested as one likes; what is no float in it is not compared.
        backward: `backward(grad_output, **inputs) -> {name: gradient}`, NumPy, or a tuple in the order of its own
            arguments. `grad_output` has the structure of y,
            with None where y has no floats; a gradient has the structure of its input, and may be None, which is judged
            as zero and said. Of one input, it may return the gradient alone. Beside the inputs' it may return the
            gradients at points that `crosscheck.tap` marks, in the order in which it derives them: then the first wrong
            one is named.
        inputs: arrays by name, float64, float32, float16, bfloat16 or complex, or nested values of arrays; the report
            names their leaves, `params.w` or `state[0]`. Floats and complex numbers stay plain numbers. What is no
            float (integers, strings, booleans, None) is passed on and not differentiated. What is not differentiated
            may be infinite (a mask of -∞): name the others in `wrt`.
        reference: `reference(**inputs) -> y`, the same forward in jax.numpy, which is independent of it. None:
            the forward itself is recorded, where it can be, and finite differences judge alone where not.
        grad_output: the cotangent, in the structure and shapes of y. None: drawn at random (never ones).
        wrt: the inputs to differentiate, or leaves of them; None: every floating one.
        convention: what the gradient of a real loss L with respect to a complex z = a + ib is, and the cotangent of a
            complex output: "pytorch", ∂L/∂a + i ∂L/∂b, or "jax", its conjugate. Nothing complex needs none.
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
        name: of the check, on its page and in `to_dict()`. None: that of the function.

    Returns:
        A `Result`, true if every gradient agrees.

    Raises:
        TypeError, ValueError: the inputs or what the functions returned have the wrong type or shape; the sentence says
            what. An exception from the user's own code passes through.
    """
    marked = between(forward, backward, inputs, reference, convention)
    if marked is not None:
        forward, backward, reference, inputs = marked.forward, marked.backward, marked.reference, marked.inputs
        wrt = marked.wrt(wrt)
    structure = structure_of(forward, inputs, convention)
    formats = formats_of(inputs)

    def posed(structure: Structure) -> Operation:
        operation = structured(structure, backward, reference, wrt=wrt, name=name, fixed=fixed, formats=formats)
        charts = {**charts_of(operation, fixed), **charts_on(operation, on, fixed)}
        manner = replace(
            manner_of(operation.wrt, accuracy, directions, entries),
            charted=bool(charts),
            on=names_of_sets(on),
            still=frozenset() if marked is None else marked.still(operation.wrt),
        )
        return through(replace(operation, manner=manner), charts)

    operation, v = posed(structure), structure.flat_cotangent(grad_output)
    result = judge(operation, grad_output=v, seed=seed, diagnose=diagnose, budget=budget)

    def again(other: Any, structure: Structure) -> Result:
        other = v if other is None else other
        return judge(posed(structure), grad_output=other, seed=seed, diagnose=False, exact=False, progress=False)

    result = added(result, structure, again if diagnose and budget is None else None)
    return result if marked is None else marked.told(result)


@door
def check_operation(
    operation: Any,
    inputs: Mapping[str, Any],
    reference: Callable[..., Any] | None = None,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    outputs: int | None = None,
    grad_output: Any = None,
    wrt: tuple[str, ...] | None = None,
    seed: int = 0,
    budget: float | None = None,
    accuracy: float | Mapping[str, float] | None = None,
    name: str | None = None,
) -> Result:
    """Check a pair `forward(*arrays, **hyper) -> (y, saved)`, `backward(grad_output, saved) -> gradients`.

    A module of `manual` qualifies, and so does any object with the two functions, a class with static ones, a tuple of
    them. Where forward's first argument is called `ctx`, both are handed one object instead to keep what is saved, as
    PyTorch does it. `reference(**inputs, **hyper) -> y`. Several outputs, `(h, c, saved)`, have a gradient each:
    `backward(dh, dc, saved)`, or `backward((dh, dc), saved)`; where backward has none of the last of them, `outputs`
    says how many it has. See `check` for the rest.
    """
    adapted = from_module(operation, inputs, reference, hyperparameters=hyperparameters, wrt=wrt, outputs=outputs)
    adapted = replace(adapted, manner=manner_of(adapted.wrt, accuracy), name=name or adapted.name)
    return judged_by_output(adapted, grad_output, seed, True, budget)


@door
def check_layer(
    layer: Any,
    x: Any,
    reference: Callable[..., Any] | None = None,
    *,
    parameters: Mapping[str, str] | None = None,
    constants: tuple[str, ...] = (),
    forward: str | None = None,
    backward: str | None = None,
    forward_args: tuple[Any, ...] = (),
    forward_kwargs: Mapping[str, Any] | None = None,
    backward_args: tuple[Any, ...] = (),
    backward_kwargs: Mapping[str, Any] | None = None,
    returns: tuple[str, ...] | None = None,
    rate: str | None = None,
    per_sample: bool = False,
    loss: bool | str = False,
    state: tuple[str, ...] = (),
    reset: str | None = None,
    outputs: int | None = None,
    step: str | None = None,
    grad_output: Any = None,
    seed: int = 0,
    diagnose: bool = True,
    budget: float | None = None,
    accuracy: float | Mapping[str, float] | None = None,
    name: str | None = None,
) -> Result:
    """Check a layer or a network: its input's gradient as `x`, its parameters' by their names.

    What moves the output and whose gradient is not found fails the check, by its name. The report says what was found.

    Args:
        layer: with a forward and a backward, and parameters that it holds anywhere: `W` and `dW`, `params` and `grads`,
            objects with `data` and `grad`, layers in a list, ... The judge works on a deep copy.
        x: the input, in the layer's dtype; a tuple, or a dictionary for keywords, of a forward of several; a list of
            arrays where forward takes one. Integers, as an embedding takes them, have no gradient.
        reference: `reference(x, **parameters) -> y` in jax.numpy, which is independent of the forward. With `state` it
            returns `(y, {name: what it becomes})`.
        parameters: {"W": "dW"}, where they are not found; a path is spelled "layers.0.W".
        constants: arrays that move the output and are not differentiated (running statistics in evaluation).
        forward, backward: the names of the methods, where they have others.
        forward_args, forward_kwargs: what forward takes beside the input.
        backward_args, backward_kwargs: what backward takes beside the gradient.
        returns: the names of the gradients that backward returns, in order, where that is not clear.
        rate: the learning rate of a backward, or a step, that updates the parameters: the name of its argument or of
            an attribute.
        per_sample: the layer takes one sample, and x is a batch of them.
        loss: the layer ends in a loss: its backward takes no gradient, or 1. "sum" or "mean" where forward returns a
            number for each sample, and backward is the derivative of their sum or mean.
        state: arrays that forward changes, to be compared with the reference's.
        reset: a method to be called before every forward, where a layer keeps what came before and none is found.
        outputs: how many of what forward returns are outputs, the first so many, where backward takes no gradient of
            the others (attention weights) or where a cache looks like an output.
        step: the method that updates the parameters after a backward that shows no gradient, where it has no usual
            name (`step`, `update`, `apply_gradients`, ...): the gradients are read from its step. What it takes beside
            the rate is given in `backward_kwargs`.
        grad_output, seed, diagnose, budget, accuracy, name: as in `check`.
    """
    ways = Ways(
        parameters,
        constants,
        forward,
        backward,
        forward_args,
        forward_kwargs or {},
        backward_args,
        backward_kwargs or {},
        returns,
        rate,
        per_sample,
        loss,
        state,
        reset,
        outputs,
        step,
    )
    operation = from_layer(layer, x, reference, ways)
    operation = replace(operation, manner=manner_of(operation.wrt, accuracy), name=name or operation.name)
    return judged_by_output(operation, grad_output, seed, diagnose, budget)


def judged_by_output(operation: Operation, grad_output: Any, seed: int, diagnose: bool, budget: float | None) -> Result:
    """The judge's result; where there are several outputs, `grad_output` is nested as they are, and a wrong gradient is
    followed through each."""
    layout = None if operation.layout is None else operation.layout()
    v = grad_output
    if layout is not None and grad_output is not None:
        v = Structure(operation.output, {}).flat_by(grad_output, layout)
    result = judge(operation, grad_output=v, seed=seed, diagnose=diagnose, budget=budget)

    def again(other: Any) -> Result:
        return judge(operation, grad_output=other, seed=seed, diagnose=False, exact=False, progress=False)

    return told_by_output(result, layout, again if diagnose and budget is None else None)


@door
def check_gradient(
    f: Callable[..., Any],
    grad: Callable[..., Any] | bool,
    x0: Any,
    args: Any = (),
    reference: Callable[..., Any] | None = None,
    *,
    seed: int = 0,
    diagnose: bool = True,
    budget: float | None = None,
    name: str | None = None,
) -> Result:
    """Check the gradient of a function to one number, as SciPy's minimizers take them.

    Args:
        f: `f(x, *args) -> number`, NumPy.
        grad: `grad(x, *args) -> array` of x's shape; True for an f that returns `(value, gradient)`.
        x0: the point; numbers in a list are float64, as SciPy reads them. It may be a dictionary or a list of arrays
            (the parameters of a network): then the gradients are nested as it is, or under keys like `dW` for `W`.
        args: passed on to both, and to the reference.
        reference: `reference(x, *args) -> number`, the same function in jax.numpy. None: `f` itself is recorded.
        seed, diagnose, budget, name: as in `check`.
    """
    operation = from_scalar(f, grad, x0, args, reference)
    operation = replace(operation, name=name or operation.name)
    return judge(operation, seed=seed, diagnose=diagnose, budget=budget)
