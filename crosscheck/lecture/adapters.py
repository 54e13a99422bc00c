"""Our own layers as operations: with their reference, a forward that is quick to evaluate again, and their bounds."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import reference.network
from crosscheck.doors.layers import Ways, adapter, any_layer, from_layer, identical
from crosscheck.judge import judge
from crosscheck.lecture.configurations import layers_otherwise
from crosscheck.operation import OUTPUT, Array, Arrays, Notice, Operation, wide
from manual import Layer, kernels
from manual.kernels import axes
from manual.program import INPUT, Step, run_forward, wired
from manual.steps import bound


@adapter.register
def our_layer(layer: Layer, x: Any, reference: Callable[..., Any] | None = None) -> Operation:
    """A layer or network of `manual`; `reference` replaces its twin.

    What the layer carries from call to call (`named_state`) is given to every call as it is now, and what it becomes
    is compared with what the twin says.
    """
    twin_or_given = twin(layer) if reference is None else reference
    state = tuple(layer.named_state())
    operation = any_layer(layer, x, twin_or_given, Ways(constants=places(layer)))
    if state and reference is None and twin_or_given is not None:  # a layer inside may have none
        operation = replace(operation, remarks=(*operation.remarks, *carried_on(layer, operation)))
    rerun = Rerun.of(layer)
    return replace(
        operation,
        widen=lambda: from_layer(layer.astype(np.float64), wide(np.asarray(x)), reference),
        moving_forward=None if rerun is None else rerun.forward,
        own_bounds=None if rerun is None else rerun.own_bounds,
        configurations=None if rerun is None or reference is not None else lambda: configurations(layer),
    )


def configurations(layer: Layer) -> dict[str, Callable[..., Any]]:
    """What else the layer could have been configured to."""
    return layers_otherwise(described(layer), {name: np.array(array) for name, array in layer.named_state().items()})


class Rerun:
    """The forward of our own layers as the program that it is, for witnesses that evaluate it many times.

    It takes complex numbers, and it keeps what every stage gave: stages that read nothing that changed are not run
    again.
    """

    def __init__(self, layer: Layer) -> None:
        self.stages, self.state = layer.stages(), dict(layer.named_state())
        self.last: dict[str, tuple[list[Array], list[Array], Array]] = {}  # by the value's name: read, held, given
        self.x: Array | None = None

    @classmethod
    def of(cls, layer: Layer) -> Rerun | None:
        """The program of a layer that runs its stages; None where one inside brings passes of its own."""
        return cls(layer) if layer.runs_its_stages else None

    def forward(self, values: Arrays) -> Array:
        with kernels.use("exact"):  # an engine that mixes entries would make every output depend on every input
            return self.run(values)

    def run(self, values: Arrays) -> Array:
        x = values[INPUT]
        if self.x is None or not identical(self.x, x):
            self.x = np.array(x, copy=True)
        steps = bound(self.stages, {**self.state, **values}, options=False)
        return run_forward([self.remembering(step) for step in steps], self.x).y

    def remembering(self, step: Step) -> Step:
        """The step, which gives again what it gave if it reads the same values and holds the same parameters."""

        def forward(*inputs: Array) -> tuple[Array, Any, Arrays]:
            read, held, given = self.last.get(step.writes, ([], [], None))
            parameters = list(step.parameters.values())
            if given is not None and all(map(same, read, inputs)) and all(map(identical, held, parameters)):
                return given, None, {}
            y, _, _ = step.forward(*inputs)
            self.last[step.writes] = (list(inputs), [np.array(a, copy=True) for a in parameters], y)
            return y, None, {}

        return step._replace(forward=forward)

    def own_bounds(self, values: Arrays, grad_output: Array) -> Arrays | None:
        """The bound of the engine that computes a single convolution, where that engine mixes entries.

        With a ReLU after it the bound passes through unchanged; behind any other step it would have to be carried on.
        """
        first, *rest = bound(self.stages, {**self.state, **values})
        if first.operation != "convolution" or any(s.operation not in ("relu", "linear_activation") for s in rest):
            return None
        y, passed, _ = run_forward([first, *rest], values[INPUT])
        kernel = passed[0][1].kernel
        if axes.is_exact(kernel):
            return None
        g = grad_output.astype(y.dtype)
        for step, kept in reversed(passed[1:]):  # a chain, since each reads one value
            (g,), _ = step.backward(g, kept)
        gradients = axes.gradient_bounds(g, kernel, kernels.probable)
        named = dict(zip((INPUT, *first.parameters), gradients, strict=True))
        return {**named, OUTPUT: axes.output_bound(kernel, kernels.probable)}


def same(a: Array, b: Array) -> bool:
    return a is b


def places(layer: Layer, before: str = "") -> tuple[str, ...]:
    """Where a layer, and layers inside it, hold floating state: attributes, as a caller would write them."""
    inside = getattr(layer, "layers", ())
    found = [place for n, inner in enumerate(inside) for place in places(inner, f"{before}layers.{n}.")]
    floating = [name for name in layer.state_names if getattr(layer, name).dtype.kind == "f"]
    return (*(f"{before}{name}" for name in floating), *found)


def carried_on(layer: Layer, operation: Operation) -> Iterator[Notice]:
    """What forward makes of each state, compared with what the twin says of it: an output that has no gradient."""
    program, state = described(layer), {k: np.array(a) for k, a in layer.named_state().items()}

    def output(name: str, dtype: Any) -> Operation:
        def forward(values: Arrays) -> Array:
            ours = copy.deepcopy(layer.astype(dtype))
            ours.parameters = np.concatenate([values[k].ravel() for k in ours.named_parameters()] or [np.zeros(0)])
            ours.forward(values[INPUT])
            return ours.named_state()[name]

        def becomes(x: Any, **parameters: Any) -> Any:
            return reference.network.carried(x, {**state, **parameters}, stages=program)[1][name]

        def backward(grad_output: Array, values: Arrays) -> Arrays:
            return {k: np.zeros_like(values[k]) for k in operation.wrt}

        def wider() -> Operation:
            return output(name, np.float64)

        return Operation(f"{operation.name}.{name}", forward, backward, operation.inputs, operation.wrt, becomes, wider)

    for name, array in state.items():
        if array.dtype.kind != "f":
            continue  # a seed: what it leads to is compared with the output
        result = judge(output(name, layer.dtype), differences=False, exact=False, diagnose=False, progress=False)
        for pair in (result.evidence.forward, result.evidence.forward_single):
            if pair is not None and pair.disagree.any():
                sentence = (
                    f"{name} after forward of {operation.name} differs from the reference's at "
                    f"{int(pair.disagree.sum())} of {pair.disagree.size} entries, by up to {pair.error:.3g}"
                )
                yield Notice("state", sentence, True)
                break
    floating = [name for name, array in state.items() if array.dtype.kind == "f"]
    if floating:
        yield Notice(
            "state", f"compared with the reference after forward of {operation.name}: {', '.join(floating)}", False
        )


def twin(layer: Layer) -> Callable[..., Any] | None:
    """The reference of one of our own layers, composed from the operations it is made of, at the state it has now."""
    try:
        program = described(layer)
    except NotImplementedError:
        return None
    state = {name: np.array(array) for name, array in layer.named_state().items()}

    def forward(x: Any, **parameters: Any) -> Any:
        return reference.network.forward(x, {**state, **parameters}, stages=program)

    return forward


def described(layer: Layer) -> list[tuple[Any, ...]]:
    """A layer's stages as the reference takes them."""
    return [
        (stage.operation, stage.parameters, stage.hyperparameters, stage.reads, stage.writes, stage.state)
        for stage in wired(layer.stages())
    ]
