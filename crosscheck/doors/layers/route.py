"""How one layer is made to answer: put the values in, run forward and backward, take the gradients from where they are.

A route is made once (`discovery`) and followed at every call. The layer that it works on is a private copy. Mostly that
stays the same object from call to call, as it would in training, so that what it remembers by mistake shows; a layer
whose forward reads what it wrote the last time, or whose backward changes the parameters, starts every time as given.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crosscheck.doors.layers.declared import Declared
from crosscheck.doors.layers.outputs import NOTHING, Handed
from crosscheck.doors.layers.places import Held, Path, at, private, put
from crosscheck.doors.layers.returned import Key, flattened, shaped
from crosscheck.doors.layers.steps import Notebook, StandIn, StepRead, exact_rate, from_step, is_optimizer, stand_in
from crosscheck.doors.layers.ways import Calling, during
from crosscheck.operation import Array, Arrays

# A learning rate for a backward that must have one, as people use it: what backward does after the update with the new
# parameters shows.
ORDINARY_RATE = 2.0**-6


@dataclass(frozen=True)
class Route:
    """Where everything of a layer is.

    Args:
        calling: its methods.
        base: the private copy that others are made of.
        held: the parameters that are judged, by name.
        declared: the layer's own naming of its parameters, where it has one; then `held` is empty.
        left: where gradients are left, by name; inputs among them.
        returned: where gradients stand in what backward returns, by name.
        stepped: parameters whose gradient is read from the step that backward makes, and how.
        neutral: numbers that a step depends on and nothing else does, and what is put there while it is read.
        optimizers: the places of objects that are called with gradients.
        noted: parameters whose gradient such an object is handed.
        asked: the learning rate that backward cannot be called without, an argument; None where there is none.
        rate: the argument, or the places, of the learning rate by which steps are read.
        zeroed: whether the places of gradients are set to zero before each backward.
        totals: where the layer keeps what it returns, by name, if that adds up over calls.
        anew: whether every call starts from the layer as it was given.
        aside: whether backward is run on a copy that is thrown away.
        reset: the method that is called before every forward; None where none is.
    """

    calling: Calling
    base: Any
    held: Mapping[str, Held] = field(default_factory=dict)
    declared: Declared | None = None
    left: Mapping[str, Path] = field(default_factory=dict)
    returned: Mapping[str, Key] = field(default_factory=dict)
    stepped: Mapping[str, StepRead] = field(default_factory=dict)
    neutral: Mapping[Path, Any] = field(default_factory=dict)
    optimizers: tuple[Path, ...] = ()
    noted: tuple[str, ...] = ()
    asked: str | None = None
    rate: str | tuple[Path, ...] | None = None
    zeroed: bool = False
    totals: Mapping[str, Path] = field(default_factory=dict)
    anew: bool = False
    aside: bool = False
    reset: str | None = None

    def load(self, layer: Any, values: Arrays) -> None:
        """Put the parameters' values into a layer, which begins anew."""
        if self.reset is not None:
            with during(f"{self.reset} of {self.calling.title}"):
                getattr(layer, self.reset)()
        if self.declared is not None:
            self.declared.assign(layer, {k: a for k, a in values.items() if k not in self.calling.inputs})
        for name, place in self.held.items():
            place.put(layer, values[name])

    def forward(self, layer: Any, values: Arrays) -> Any:
        self.load(layer, values)
        return self.calling.run(layer, values)[0]

    def gradients(self, layer: Any, grad_output: Array, values: Arrays) -> dict[str, Any]:
        """Every gradient that the route knows of, of the parameters in their shapes."""
        found = self.as_they_come(layer, grad_output, values)
        return {k: g if k in self.calling.inputs else shaped(g, values[k]) for k, g in found.items()}

    def as_they_come(self, layer: Any, grad_output: Array, values: Arrays) -> dict[str, Any]:
        steps = self.steps(layer, grad_output, values) if self.stepped else {}
        self.load(layer, values)
        _, handed = self.calling.run(layer, values)
        if self.aside:
            layer = private(layer)
        answer, book = self.back(layer, grad_output, handed)
        found, noted = {**self.taken(layer, answer), **steps}, book.gradients()
        for name in self.noted:
            if name not in noted:
                raise ValueError(f"backward of {self.calling.title} handed no gradient of {name} to its optimizer")
            found[name] = noted[name]
        if self.calling.ways.loss:
            found = {k: np.asarray(g) * grad_output for k, g in found.items()}
        return found

    def steps(self, layer: Any, grad_output: Array, values: Arrays) -> dict[str, Any]:
        """The gradients that are read from steps, each by backwards of its own that are for nothing else."""
        found: dict[str, Any] = {}
        runs: dict[float, dict[str, Any]] = {}

        def moved(scale: float) -> dict[str, Any]:
            if scale not in runs:
                runs[scale] = self.step(private(layer), grad_output * scale, values)
            return runs[scale]

        for name, way in self.stepped.items():
            found[name] = moved(way.scale)[name] / way.scale
            if way.apart:
                found[name] = (moved(way.scale)[name] - moved(0.0)[name]) / way.scale
        return found

    def step(self, layer: Any, grad_output: Array, values: Arrays, size: float = 1.0) -> dict[str, Any]:
        """What one backward at an exact rate, times `size`, takes from each parameter, in units of that rate."""
        for path, value in self.neutral.items():
            put(layer, path, copy_of(value) if isinstance(value, np.ndarray) else value)
        self.load(layer, values)
        _, handed = self.calling.run(layer, values)
        layer = private(layer)  # the values are the caller's, and are written to
        before = {name: copy_of(self.held[name].value(layer)) for name in self.stepped}
        # As the layer was given: its code may cast to float32 what is widened here.
        dtypes = [np.asarray(self.held[name].value(self.base)).dtype for name in self.stepped]
        rate = exact_rate(min(dtypes, key=lambda d: d.itemsize)) * size
        places = () if self.rate is None or isinstance(self.rate, str) else self.rate
        for path in places:
            put(layer, path, rate)
        self.back(layer, grad_output, handed, {self.rate: rate} if isinstance(self.rate, str) else NOTHING)
        return {name: from_step(a, self.held[name].value(layer), rate) for name, a in before.items()}

    def back(
        self, layer: Any, grad_output: Array, handed: Handed, rate: Mapping[str, float] = NOTHING
    ) -> tuple[Any, Notebook]:
        """One backward: what it returned, and what optimizers were handed."""
        if self.zeroed:
            for path in (*self.left.values(), *self.totals.values()):
                zero(layer, path)
        book = Notebook(layer, self.held)
        stand_in(layer, list(self.optimizers), book)
        calling = self.calling.handing(lambda a: StandIn(book, copy.deepcopy(a)) if is_optimizer(a) else a)
        extra = {self.asked: ORDINARY_RATE, **rate} if self.asked is not None else rate
        answer = calling.back(layer, grad_output, handed, extra)
        book.settle(layer, self.held)
        return answer, book

    def taken(self, layer: Any, answer: Any) -> dict[str, Any]:
        """The gradients that one backward returned or left."""
        flat, found, who = flattened(answer), {}, f"backward of {self.calling.title}"
        for name, key in self.returned.items():
            if key not in flat:
                raise ValueError(f"{who} returned no gradient of {name} this time")
            found[name] = copy_of(flat[key]) if name in self.totals else flat[key]
        for name, path in self.left.items():
            if name not in found:
                # A copy: whoever reads a layer's attribute does so before the next call.
                found[name] = copy_of(read(layer, path, f"{who} left no gradient of {name}"))
        if self.declared is not None:
            found |= self.declared.gradients(layer)
        return found


def samples(route: Route, layer: Any, grad_output: Array, values: Arrays) -> dict[str, Any]:
    """The gradients of a layer for one sample, of a batch: of the input one by one, of the parameters their sum."""
    inputs = route.calling.inputs
    each = [
        {k: copy_of(g) for k, g in route.gradients(layer, g, {**values, **{k: values[k][i] for k in inputs}}).items()}
        for i, g in enumerate(grad_output)
    ]
    return {k: np.stack([one[k] for one in each]) if k in inputs else sum(one[k] for one in each) for k in each[0]}


def copies(gradients: Mapping[str, Any]) -> Arrays:
    return {k: np.array(g) for k, g in gradients.items()}


def copy_of(a: Any) -> Any:
    """An array of its own, recorded where it is (`numpy.array` would ask for plain numbers)."""
    return a.copy() if isinstance(a, np.ndarray) else np.array(a)


def read(layer: Any, path: Path, missing: str) -> Any:
    try:
        value = at(layer, path)
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise ValueError(missing) from error
    if value is None:
        raise ValueError(missing)
    return value


def zero(layer: Any, path: Path) -> None:
    """Zeros in the place of a gradient, if there is one yet."""
    try:
        value = at(layer, path)
    except (AttributeError, KeyError, IndexError, TypeError):
        return
    if isinstance(value, np.ndarray):
        value[...] = 0.0
    elif value is not None:
        put(layer, path, type(value)(0.0))
