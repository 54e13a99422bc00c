"""How a layer is called: the names of its two methods, what it takes beside the input, what it keeps for backward."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from crosscheck.doors.layers.methods import method_name, method_of, positional, switched_off
from crosscheck.doors.layers.outputs import CACHES, NOTHING, ONE, Handed, Outputs, named_as_gradient
from crosscheck.doors.trees import leaves, rebuilt
from crosscheck.operation import Array, Arrays, array_of, checked_inputs

FORWARD = ("forward", "__call__", "forward_pass", "forward_prop", "forward_propagation", "feed_forward", "fprop")
FORWARD += ("feedforward", "forward_propagate", "forwardpass")
BACKWARD = ("backward", "backward_pass", "backward_prop", "backward_propagation", "backpropagation", "backprop")
BACKWARD += (
    "bprop",
    "back",
    "backpropagate",
    "back_propagate",
    "back_propagation",
    "backward_propagate",
    "backwardpass",
)
RATES = ("learning_rate", "lr", "rate", "eta", "step_size", "learn_rate", "alpha", "l_rate")
OPTIMIZERS = ("optimizer", "optim", "optimiser", "opt")
# What a backward calls the output of forward that it takes.
OUTPUTS = ("y", "out", "output", "outputs", "y_out", "output_data", "activations", "activation")


# How one loss is made of those of the samples.
TOTALS = {"sum": np.sum, "mean": np.mean}


class Passed(Enum):
    """How forward takes its inputs."""

    ONE_BY_ONE = "forward(x, y)"
    BY_KEYWORD = "forward(x=x, y=y)"
    AS_LIST = "forward([x, y])"


@dataclass(frozen=True)
class Ways:
    """What the caller says of a layer beside the layer; everything that is not said is found.

    Args:
        parameters: {parameter: its gradient}, by their paths.
        constants: arrays that move the output and are no parameters.
        forward, backward: the names of the methods.
        forward_args, forward_kwargs, backward_args, backward_kwargs: passed after the input, or the gradient.
        returns: the names of the gradients that backward returns, in order.
        rate: the name of the learning rate, an attribute or an argument of backward.
        per_sample: the layer takes one sample; x is a batch of them.
        loss: the layer ends in a loss, whose backward takes no gradient, or leaves it out of the answer; "sum" or
            "mean": the loss is that of the numbers that forward returns.
        state: arrays that forward changes and that are compared with what the reference says they become.
        reset: the name of a method that is called before every forward.
        outputs: how many of what forward returns are outputs that backward takes the gradients of.
        step: the name of a method that is called after backward, and updates the parameters.
    """

    parameters: Mapping[str, str] | None = None
    constants: tuple[str, ...] = ()
    forward: str | None = None
    backward: str | None = None
    forward_args: tuple[Any, ...] = ()
    forward_kwargs: Mapping[str, Any] = field(default_factory=dict)
    backward_args: tuple[Any, ...] = ()
    backward_kwargs: Mapping[str, Any] = field(default_factory=dict)
    returns: tuple[str, ...] | None = None
    rate: str | None = None
    per_sample: bool = False
    loss: bool | str = False
    state: tuple[str, ...] = ()
    reset: str | None = None
    outputs: int | None = None
    step: str | None = None


class Applying(NamedTuple):
    """The method that updates a layer's parameters after a backward that does not.

    Args:
        name: of the method.
        takes: the names of its arguments.
        required: those that have no default.
    """

    name: str
    takes: tuple[str, ...]
    required: tuple[str, ...]


@dataclass(frozen=True)
class Calling:
    """The calls of one layer.

    Args:
        title: its class's name.
        inputs: the names of the inputs, in the order of forward.
        passed: how they are: one by one, by keyword, or in one list.
        forward, backward: the names of the methods.
        takes: the names of the positional arguments of backward; None where Python does not know.
        required: those of its arguments that have no default, and are not given.
        slots: those of its arguments that take what comes of forward: gradients, a cache; None where nobody knows.
        ways: what the caller said.
        nested: the inputs in the structure in which forward takes them, by its arguments.
        reading: what of that which forward returns are outputs.
        step: the method that is called after backward, where there is one.
        asks: the arguments of backward that are inputs of forward, by their numbers, or its output, None, or what it
            leaves in an attribute.
        leaves: the attribute that forward leaves its output in, where it returns nothing.
    """

    title: str
    inputs: tuple[str, ...]
    passed: Passed
    forward: str
    backward: str
    takes: tuple[str, ...] | None
    required: tuple[str, ...]
    slots: tuple[str, ...] | None
    ways: Ways
    nested: Mapping[str, Any] = field(default_factory=dict)
    reading: Outputs = ONE
    step: Applying | None = None
    asks: Mapping[str, int | str | None] = field(default_factory=dict)
    leaves: str | None = None

    @property
    def updater(self) -> str:
        """What updates the parameters, in words."""
        return f"{self.step.name if self.step is not None else 'backward'} of {self.title}"

    def run(self, layer: Any, values: Arrays) -> tuple[Any, Handed]:
        """The output, or one vector of several; and what backward is handed beside the gradient."""
        returned = self.returned(layer, values)
        y, handed = self.reading.split(returned)
        y = self.loss_of(y)
        if not self.asks:
            return y, handed
        given = list(self.arguments(values).values())
        known = {
            k: getattr(layer, i) if isinstance(i, str) else given[i] for k, i in self.asks.items() if i is not None
        }
        return y, handed._replace(known={k: known.get(k, returned) for k in self.asks})

    def loss_of(self, y: Any) -> Any:
        """One number of those that a loss returns for each sample, where the caller says which."""
        return TOTALS[self.ways.loss](y) if isinstance(self.ways.loss, str) else y

    def returned(self, layer: Any, values: Arrays) -> Any:
        """What forward returns, or leaves."""
        with during(f"{self.forward} of {self.title}"):
            returned = self.forwards(layer, values)
        return returned if self.leaves is None else getattr(layer, self.leaves).copy()

    def arguments(self, values: Arrays) -> dict[str, Any]:
        """What forward is given, by name."""
        if self.nested:
            return {k: rebuilt(a, lambda leaf, _: values[leaf], k) for k, a in self.nested.items()}
        return {k: values[k] for k in self.inputs}

    def forwards(self, layer: Any, values: Arrays) -> Any:
        ways, named = self.ways, self.arguments(values)
        method, given = method_of(layer, self.forward), list(named.values())
        if self.passed is Passed.BY_KEYWORD:
            return method(*ways.forward_args, **named, **ways.forward_kwargs)
        if self.passed is Passed.AS_LIST:
            return method(given, *ways.forward_args, **ways.forward_kwargs)
        return method(*given, *ways.forward_args, **ways.forward_kwargs)

    def back(self, layer: Any, grad_output: Array, handed: Handed, extra: Mapping[str, Any] = NOTHING) -> Any:
        """What backward returns; of a loss that leaves the gradient out, for the gradient 1."""
        of_step = self.of_step(extra)
        with during(f"{self.backward} of {self.title}", lambda: self.hint(layer)):
            answer = self.backwards(layer, grad_output, handed, {k: v for k, v in extra.items() if k not in of_step})
            answer = tuple(answer) if isinstance(answer, Iterator) else answer  # yield dx; yield dw
        if self.step is not None:
            with during(f"{self.step.name} of {self.title}"):
                getattr(layer, self.step.name)(**of_step)
        return answer

    def hint(self, layer: Any) -> str:
        """What may be why backward does not run: forward was not told to keep anything for it."""
        off = [k for k in switched_off(method_of(layer, self.forward)) if k not in self.ways.forward_kwargs]
        return f"forward was called with {off[0]}=False; perhaps forward_kwargs={{{off[0]!r}: True}}" if off else ""

    def of_step(self, extra: Mapping[str, Any]) -> dict[str, Any]:
        """What goes to the step and not to backward: what it takes of what the caller gives, and the rate."""
        if self.step is None:
            return {}
        given = {**self.ways.backward_kwargs, **extra}
        return {k: v for k, v in given.items() if k in self.step.takes and k not in (self.takes or ())}

    def backwards(self, layer: Any, grad_output: Array, handed: Handed, extra: Mapping[str, Any]) -> Any:
        ways, method = self.ways, method_of(layer, self.backward)
        of_step = self.of_step({})
        keywords = {k: v for k, v in {**ways.backward_kwargs, **extra}.items() if k not in of_step}
        # A loss whose only arguments are the rate and what forward takes takes no gradient either.
        if self.takes == () or (ways.loss and self.takes and set(self.takes) <= {*extra, *handed.known}):
            return method(*ways.backward_args, **handed.known, **keywords)
        gradients = [np.ones_like(grad_output)[()]] if ways.loss else self.reading.arguments(grad_output, handed)
        if self.takes and self.takes[0] in handed.known:
            # backward(x, grad): all by name.
            rest = [k for k in self.takes if k not in (*handed.known, *keywords)]
            found = zip(rest, [*gradients, *handed.cache, *ways.backward_args], strict=False)
            return method(**handed.known, **dict(found), **keywords)
        keywords |= handed.known
        first = [*gradients, *handed.cache]
        if handed.cache and self.takes is not None and self.takes[0] in CACHES:
            first = [*handed.cache, *gradients]
        args = list(ways.backward_args)
        for name in extra:
            place = self.takes.index(name) - len(first) if self.takes and name in self.takes else -1
            if 0 <= place < len(args):
                args[place] = keywords.pop(name)
        return method(*first, *args, **keywords)

    def handing(self, other: Callable[[Any], Any]) -> Calling:
        """The same with other objects among what backward takes beside the gradient."""
        ways = self.ways
        args = tuple(map(other, ways.backward_args))
        keywords = {k: other(v) for k, v in ways.backward_kwargs.items()}
        return replace(self, ways=replace(ways, backward_args=args, backward_kwargs=keywords))


@contextmanager
def during(call: str, hint: Callable[[], str] = str) -> Generator[None]:
    """Whatever the user's code raises keeps its traceback, and has a note that says in which call it was."""
    try:
        yield
    except Exception as error:
        more = hint()
        note = f"while calling {call}" + (f" ({more})" if more else "")
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        raise


def calling(
    layer: Any, inputs: tuple[str, ...], passed: Passed, ways: Ways, nested: Mapping[str, Any] = NOTHING
) -> Calling:
    """The methods of a layer by their names, given or usual.

    Raises:
        TypeError: it has none.
    """
    title = type(layer).__name__
    forward = method_name(layer, "forward", ways.forward, FORWARD)
    backward = method_name(layer, "backward", ways.backward, BACKWARD)
    if positional(method_of(layer, forward)) == () and not ways.forward_kwargs and passed is not Passed.BY_KEYWORD:
        raise TypeError(
            f"{forward} of {title} takes no input; hand over an object whose forward takes one, puts it where {title} "
            "reads it, and returns the output, and whose backward does so with the gradient"
        )
    takes = positional(method_of(layer, backward))
    if takes is not None:
        takes = tuple(k for k in takes if k not in ways.backward_kwargs)
    if ways.reset is not None:
        method_name(layer, "reset", ways.reset, ())
    needed = required(method_of(layer, backward), ways)
    step = None if ways.step is None else step_of(layer, method_name(layer, "step", ways.step, ()))
    asks = asked_for(positional(method_of(layer, forward)), takes, needed, len(nested or inputs), bool(ways.loss))
    gradient = [k for k in takes or () if k not in asks][:1]
    needed = tuple(k for k in needed if k not in (*asks, *gradient))
    open_slots = slots(takes, needed, ways)
    open_slots = None if open_slots is None else tuple(k for k in open_slots if k not in asks)
    return Calling(
        title, inputs, passed, forward, backward, takes, needed, open_slots, ways, nested, step=step, asks=asks
    )


def asked_for(
    forward: tuple[str, ...] | None, takes: tuple[str, ...] | None, needed: tuple[str, ...], count: int, loss: bool
) -> dict[str, int | str | None]:
    """The arguments that backward has beside the gradient and that are called as forward's are, or as its output is."""
    if takes is None:
        return {}
    inputs = {name: i for i, name in enumerate((forward or ())[:count])}
    if loss and takes and set(takes) <= inputs.keys():
        return {k: inputs[k] for k in takes}  # backward(prediction, target)
    if len(takes) > 1 and takes[0] in inputs and any(map(named_as_gradient, takes[1:])):
        return {k: i for k, i in inputs.items() if k in takes}  # backward(x, grad)
    known: dict[str, int | str | None] = {**inputs, **dict.fromkeys(k for k in OUTPUTS if k not in inputs)}
    return {k: known[k] for k in needed if k in known}


def step_of(layer: Any, name: str) -> Applying:
    takes = positional(getattr(layer, name)) or ()
    parameters = inspect.signature(getattr(layer, name)).parameters if takes else {}
    return Applying(name, takes, tuple(k for k in takes if parameters[k].default is inspect.Parameter.empty))


def slots(takes: tuple[str, ...] | None, needed: tuple[str, ...], ways: Ways) -> tuple[str, ...] | None:
    """The arguments of backward that take gradients and a cache: without those that the caller gives, learning rates,
    and options that have a default."""
    if takes is None:
        return None
    rates = {ways.rate, *RATES, *OPTIMIZERS}
    found = [
        name
        for i, name in enumerate(takes)
        if name not in rates and (i == 0 or name in needed or named_as_gradient(name) or name in CACHES)
    ]
    given = [name for name in takes if name not in rates][1:][-len(ways.backward_args) :] if ways.backward_args else []
    return tuple(name for name in found if name not in given)


def required(method: Callable[..., Any], ways: Ways) -> tuple[str, ...]:
    """The arguments, beside the gradient, that a call cannot leave out; those that are given by position come first."""
    try:
        parameters = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):
        return ()
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    beyond = [*named[1 + len(ways.backward_args) :]]
    return tuple(p.name for p in beyond if p.default is p.empty and p.name not in ways.backward_kwargs)


# ---------------------------------------------------------------------- inputs


def given_inputs(layer: Any, x: Any, ways: Ways) -> tuple[Arrays, tuple[str, ...], Passed, Mapping[str, Any]]:
    """The inputs by name, those that are differentiated, how forward takes them, and as what, where they are nested.

    Raises:
        TypeError: x is no array, nor a tuple, list or dictionary of arrays.
    """
    rule = "it must be an array, or a tuple or a dictionary of arrays for a forward of several inputs"
    if isinstance(x, dict):
        if not x or not all(isinstance(k, str) for k in x):
            raise TypeError(f"x is a dictionary with the keys {list(x)}; they must be the names of forward's arguments")
        named = dict(x)
    elif isinstance(x, tuple) and not hasattr(x, "dtype"):
        method = method_of(layer, method_name(layer, "forward", ways.forward, FORWARD))
        names = positional(method) or ()
        names = names if len(names) >= len(x) else tuple(f"x{i}" for i in range(len(x)))
        named = dict(zip(names, x, strict=False))
        if not x:
            raise ValueError(f"x is an empty tuple; {rule}")
    elif isinstance(x, list) and x and all(isinstance(a, np.ndarray) for a in x):
        named = {f"x{i}": a for i, a in enumerate(x)}
    else:
        named = {"x": x}
    nested: Mapping[str, Any] = NOTHING
    if isinstance(x, (tuple, dict)) and any(map(of_arrays, named.values())):
        nested, named = named, {name: leaf for k, a in named.items() for name, leaf in leaves(a, k)}
    for k, a in named.items():
        if a is None or isinstance(a, (list, set, str, bytes)) or not (hasattr(a, "__array__") or np.isscalar(a)):
            raise TypeError(f"{k} is {'None' if a is None else f'a {type(a).__name__}'}; {rule}")
    floating = tuple(k for k, a in named.items() if np.asarray(a).dtype.kind == "f")
    # Indices alone (an embedding) are no input to differentiate; the layer's parameters are.
    inputs = checked_inputs(named, floating)[0] if floating else {k: array_of(k, a) for k, a in named.items()}
    for k, a in inputs.items():
        if a.dtype.kind not in "fiub":
            raise TypeError(f"{k} has dtype {a.dtype}; it must be float32 or float64, or integers for indices")
    passed = Passed.BY_KEYWORD if isinstance(x, dict) else Passed.AS_LIST if isinstance(x, list) else Passed.ONE_BY_ONE
    return inputs, floating, passed, nested


def of_arrays(a: Any) -> bool:
    """Whether it is a nested value of arrays: a state (h, c)."""
    return isinstance(a, (tuple, list, dict)) and bool(a) and all(hasattr(leaf, "__array__") for _, leaf in leaves(a))


def checked_ways(ways: Ways) -> Ways:
    """What a caller said of a layer, in the types that it must have.

    Raises:
        TypeError: it has others; the sentence names the argument.
    """
    lists = ("constants", "forward_args", "backward_args", "returns", "state")
    said = {name: getattr(ways, name) for name in lists if getattr(ways, name) is not None}
    for name, value in said.items():
        if not isinstance(value, (tuple, list)):
            said[name] = (value,)
    for name in ("forward_kwargs", "backward_kwargs"):
        value = getattr(ways, name)
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} is a {type(value).__name__}; it must be a dictionary of arguments by name")
    if ways.rate is not None and not isinstance(ways.rate, str):
        raise TypeError(
            f"rate is {ways.rate!r}; it must be the name of the learning rate, an attribute or an argument of backward"
        )
    if not isinstance(ways.loss, bool) and ways.loss not in TOTALS:
        raise TypeError(
            f"loss is {ways.loss!r}; it must be True or False, or how one number is made of those of the samples: "
            '"sum" or "mean"'
        )
    if ways.outputs is not None and (type(ways.outputs) is not int or ways.outputs < 1):
        raise TypeError(
            f"outputs is {ways.outputs!r}; it must be how many of what forward returns backward takes the gradients of"
        )
    return replace(ways, **{name: tuple(value) for name, value in said.items()})
