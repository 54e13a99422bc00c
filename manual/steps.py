"""From stages to steps that can be run: an operation with its arrays, a layer inside another, a layer's own passes."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn

import numpy as np

from manual.program import INPUT, Arrays, Inner, Stage, Step, wired

Array = np.ndarray


def operation(stage: Stage) -> Any:
    """The file of this package that a stage names."""
    name = f"manual.{stage.operation}"
    return sys.modules.get(name) or import_module(name)


def bound(stages: Iterable[Stage], arrays: Mapping[str, Array], *, options: bool = True) -> list[Step]:
    """The stages as steps, with the parameters and the state of `arrays`.

    Args:
        arrays: parameters and state by name.
        options: whether those that say only how to compute are passed on.
    """
    return [bound_stage(stage, arrays, options) for stage in wired(stages)]


def bound_stage(stage: Stage, arrays: Mapping[str, Array], options: bool = True) -> Step:
    """One stage, its names written out."""
    parameters = {name: arrays[name] for name in stage.parameters}
    held = {**parameters, **{name: arrays[name] for name in stage.state}}

    def forward(*inputs: Array) -> tuple[Array, Any, Arrays]:
        return forward_of(stage, held, inputs, options)

    def backward(grad_output: Array, saved: Any) -> tuple[tuple[Array, ...], Arrays]:
        return backward_of(stage, grad_output, saved)

    def tangent(nudges: Sequence[Array], of_parameters: Mapping[str, Array], saved: Any) -> Array:
        return operation(stage).tangent(*nudges, *(of_parameters[name] for name in stage.parameters), saved=saved)

    return Step(stage.reads, stage.writes, forward, backward, tangent, stage.operation, parameters=parameters)


def forward_of(
    stage: Stage, arrays: Mapping[str, Array], inputs: Sequence[Array], options: bool = True
) -> tuple[Array, Any, Arrays]:
    """What a stage makes of what it reads: its value, what it saves, and the new state by name."""
    keywords = {**stage.hyperparameters, **(stage.options if options else {})}
    for name in stage.state:
        keywords[name.rpartition(".")[2]] = arrays[name]
    y, saved, *state = operation(stage).forward(*inputs, *[arrays[name] for name in stage.parameters], **keywords)
    return y, saved, dict(zip(stage.state, state[0], strict=True)) if state else {}


def backward_of(stage: Stage, grad_output: Array, saved: Any) -> tuple[tuple[Array, ...], Arrays]:
    """The gradients of what a stage read, in order, and of its parameters by name."""
    parts = operation(stage).backward(grad_output, saved)
    read = len(stage.reads)
    return parts[:read], added(zip(stage.parameters, parts[read:], strict=True))


def added(parts: Iterable[tuple[str, Array]]) -> Arrays:
    """Gradients by name; of a parameter that an operation takes twice, their sum."""
    found: Arrays = {}
    for name, part in parts:
        found[name] = found[name] + part if name in found else part
    return found


def parameter_gradients_of(stage: Stage, grad_output: Array, saved: Any) -> Arrays:
    """The gradients of its parameters alone, by name: an operation may have a shorter way to them."""
    shorter = getattr(operation(stage), "parameter_gradients", None)
    if shorter is None:
        return backward_of(stage, grad_output, saved)[1]
    return added(zip(stage.parameters, shorter(grad_output, saved), strict=True))


# ---------------------------------------------------------------------- layers inside layers


def placed(nodes: Sequence[Any], inner: Inner) -> list[Any]:
    """Steps or stages of an inner layer with their names as the outer layer knows them."""

    def outer(name: str) -> str:
        return f"{inner.place}.{name}"

    names = {INPUT: inner.reads[0], nodes[-1].writes: inner.writes}
    moved = []
    for node in nodes:
        new = node._replace(reads=tuple(names.get(n, outer(n)) for n in node.reads))
        new = new._replace(writes=names.get(node.writes, outer(node.writes)))
        if isinstance(node, Stage):
            state = tuple(map(outer, node.state))
            moved.append(new._replace(parameters=tuple(map(outer, node.parameters)), state=state))
        else:
            moved.append(under(new, inner.place))
    return moved


def under(step: Step, place: str) -> Step:
    """A step of an inner layer as one of the outer: its parameters and state by the outer layer's names."""

    def forward(*inputs: Array) -> tuple[Array, Any, Arrays]:
        y, saved, state = step.forward(*inputs)
        return y, saved, {f"{place}.{k}": a for k, a in state.items()}

    def backward(grad_output: Array, saved: Any) -> tuple[tuple[Array, ...], Arrays]:
        parts, gradients = step.backward(grad_output, saved)
        return parts, {f"{place}.{k}": a for k, a in gradients.items()}

    def tangent(nudges: Sequence[Array], of_parameters: Mapping[str, Array], saved: Any) -> Array:
        return step.tangent(nudges, {k: of_parameters[f"{place}.{k}"] for k in step.parameters}, saved)

    return step._replace(
        forward=forward,
        backward=backward,
        tangent=tangent,
        place=f"{place}.{step.place}".rstrip("."),
        parameters={f"{place}.{k}": a for k, a in step.parameters.items()},
    )


def inner_step(node: Inner, predicting: bool) -> Step:
    """A layer inside as one step, which keeps what it needs, and its gradients, itself."""

    def forward(*inputs: Array) -> tuple[Array, None, Arrays]:
        return inner_forward(node, inputs, predicting), None, {}

    def backward(grad_output: Array, _: None) -> tuple[tuple[Array, ...], Arrays]:
        return (inner_backward(node, grad_output),), {}

    def tangent(nudges: Sequence[Array], of_parameters: Mapping[str, Array], _: None) -> Array:
        try:
            own = {k: of_parameters[f"{node.place}.{k}"] for k in node.layer.named_parameters()}
            return node.layer.tangent(*nudges, own)
        except Exception as error:
            raise_named(error, node)

    return Step(node.reads, node.writes, forward, backward, tangent, type(node.layer).__name__)


def inner_forward(node: Inner, inputs: Sequence[Array], predicting: bool) -> Array:
    """What a layer inside makes of what it reads; an error says which layer it comes from."""
    try:
        return (node.layer.predict if predicting else node.layer.forward)(*inputs)
    except Exception as error:
        raise_named(error, node)


def inner_parameter_gradients(node: Inner, grad_output: Array) -> None:
    """Leave the gradients of the parameters of a layer inside."""
    try:
        node.layer.backward_to_parameters(grad_output)
    except Exception as error:
        raise_named(error, node)


def inner_backward(node: Inner, grad_output: Array) -> Array:
    """The gradient of what a layer inside read."""
    try:
        return node.layer.backward(grad_output)
    except Exception as error:
        raise_named(error, node)


def own_step(layer: Any) -> Step:
    """A layer with passes of its own as one step, on a copy."""
    private = copy.deepcopy(layer)

    def forward(x: Array) -> tuple[Array, None, Arrays]:
        return private.forward(x), None, {}

    def backward(grad_output: Array, _: None) -> tuple[tuple[Array, ...], Arrays]:
        grad_x = private.backward(grad_output)
        return (grad_x,), {k: np.array(a) for k, a in private.named_gradients().items()}

    def tangent(nudges: Sequence[Array], of_parameters: Mapping[str, Array], _: None) -> Array:
        return private.tangent(*nudges, of_parameters)

    try:
        stages = layer.stages()
    except NotImplementedError:
        stages = ()
    name = type(layer).__name__
    what = stages[0].operation if len(stages) == 1 else name
    return Step(("x",), "y", forward, backward, tangent, what, layer=name, parameters=layer.named_parameters())


def raise_named(error: Exception, node: Inner) -> NoReturn:
    """Say in an error which layer it comes from."""
    where = f"layer {node.place} ({type(node.layer).__name__})"
    if type(error) in (ValueError, TypeError, RuntimeError):
        raise type(error)(f"{where}: {error}") from error
    error.add_note(where)
    raise error
