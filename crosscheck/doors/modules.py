"""A forward and backward pair with saved values as an operation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

from crosscheck.doors.functions import with_lists_as_arrays
from crosscheck.doors.layers.returned import KEY, by_keys, flattened
from crosscheck.doors.structure import Structure
from crosscheck.doors.trees import branch
from crosscheck.operation import Array, Arrays, Operation, checked_inputs


def positional_names(function: Callable[..., Any]) -> list[str]:
    """The names of the positional parameters: the arrays of an operation."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind in kinds]


def required(function: Callable[..., Any]) -> list[str]:
    """Those of the positional parameters that have no default."""
    parameters = inspect.signature(function).parameters
    return [k for k in positional_names(function) if parameters[k].default is inspect.Parameter.empty]


def names_of(function: Callable[..., Any]) -> list[str]:
    """Everything that can be passed by name."""
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind in kinds]


class Context:
    """What `forward(ctx, ...)` keeps for `backward(ctx, grad_output)`: any attribute, and saved tensors."""

    saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *saved: Any) -> None:
        """Keep these as `saved_tensors`."""
        self.saved_tensors = saved


def checked_pair(operation: Any) -> Any:
    """An object with the two functions; of a tuple of them, one.

    Raises:
        TypeError: it has not both.
    """
    rule = "it must have the functions forward and backward, or be a tuple of the two"
    if isinstance(operation, tuple) and len(operation) == 2 and all(map(callable, operation)):
        forward, backward = operation
        return SimpleNamespace(forward=forward, backward=backward, __name__=getattr(forward, "__name__", "forward"))
    for role in ("forward", "backward"):
        if not callable(getattr(operation, role, None)):
            said = "None" if operation is None else f"{operation!r:.80}, a {type(operation).__name__}"
            raise TypeError(f"operation is {said}, without a function {role}; {rule}")
    return operation


def from_module(
    operation: ModuleType | Any,
    inputs: Mapping[str, Any],
    reference: Callable[..., Any] | None = None,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    wrt: tuple[str, ...] | None = None,
    outputs: int | None = None,
) -> Operation:
    """A pair `forward(*arrays, **hyper) -> (y, saved)` and `backward(grad_output, saved) -> gradients in order`.

    The positional parameters of `forward` are the arrays; inputs beyond them are passed by keyword and not
    differentiated (a loss's target). Inputs may be nested, as in `check`. Of several outputs, `(h, c, saved)` or
    `((h, c), saved)`, backward takes one gradient each, or one nested value.
    """
    operation = checked_pair(operation)
    if reference is not None and not callable(reference):
        raise TypeError(f"reference is {reference!r}; it must be a function in jax.numpy, or None")
    if not isinstance(inputs, Mapping):
        raise TypeError(f"inputs must be a non-empty dictionary of arrays by name, not {type(inputs).__name__}")
    pair = TwoFunctions(operation, tuple(map(str, inputs)), dict(hyperparameters or {}), outputs)
    structure = Structure(lambda **given: pair.run(given)[0], {str(k): as_given(k, a) for k, a in inputs.items()})
    names = structure.names(tuple(pair.positional) if wrt is None else wrt)
    arrays, names = checked_inputs(structure.arrays, floating(structure, names) if wrt is None else names)

    def backward(grad_output: Array, values: Arrays) -> Any:
        given = structure.nested(values)
        saved = pair.run(given)[1]
        returned = pair.back(structure.cotangent(grad_output, values), saved)
        return structure.gradients(pair.by_name(returned, structure, names), values)

    def layout() -> Any:
        return structure.layout_at(structure.arrays)

    def referred(**values: Any) -> Any:
        assert reference is not None
        return structure.of_reference(reference(**structure.nested(values), **pair.hyper), values)

    bound = None if reference is None else referred
    run = structure.forward
    return Operation(
        pair.title, lambda values: structure.run(run, values), backward, arrays, names, bound, layout=layout
    )


def as_given(name: Any, value: Any) -> Any:
    """An input; a list of plain numbers is an array."""
    return with_lists_as_arrays(str(name), value) if isinstance(value, list) else value


def floating(structure: Structure, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(k for k in names if structure.arrays[k].dtype.kind == "f")


class TwoFunctions:
    """The two functions, and how they are called.

    Args:
        operation: an object that has them.
        given: the names of the inputs.
        hyper: passed by keyword to forward, and to backward what it has arguments of these names for.
        outputs: how many of what forward returns backward takes the gradients of; None: all but what is saved.
    """

    # Without a __dict__ nothing of it is replaced or put back while the user's code is recorded or lifted.
    __slots__ = (
        "back_hyper",
        "hyper",
        "keyword",
        "needed",
        "operation",
        "outputs",
        "positional",
        "saved_first",
        "takes",
        "title",
        "with_context",
    )

    def __init__(self, operation: Any, given: tuple[str, ...], hyper: Mapping[str, Any], outputs: int | None) -> None:
        known = positional_names(operation.forward)
        self.operation, self.outputs = operation, outputs
        self.back_hyper = {k: v for k, v in hyper.items() if k in names_of(operation.backward)}
        # What backward alone takes is not forward's; what neither takes is, which says so.
        self.hyper = {k: v for k, v in hyper.items() if k not in self.back_hyper or k in names_of(operation.forward)}
        self.needed = len([k for k in required(operation.backward) if k not in self.back_hyper])
        self.takes = [k for k in positional_names(operation.backward) if k not in self.back_hyper]
        self.with_context = known[:1] in (["ctx"], ["context"])
        self.saved_first = self.takes[:1] in (["ctx"], ["context"], ["cache"], ["saved"])
        self.positional = [k for k in known if k in given]
        self.keyword = [k for k in given if k not in self.positional]
        self.title = getattr(operation, "__name__", type(operation).__name__).rsplit(".", 1)[-1]

    def run(self, given: Mapping[str, Any]) -> tuple[Any, Any]:
        """What forward returns: its outputs, and what is saved."""
        arrays, keywords = [given[k] for k in self.positional], {k: given[k] for k in self.keyword}
        if self.with_context:
            context = Context()
            return self.operation.forward(context, *arrays, **keywords, **self.hyper), context
        result = self.operation.forward(*arrays, **keywords, **self.hyper)
        if not (isinstance(result, tuple) and len(result) >= 2):
            kind = type(result).__name__
            raise TypeError(f"forward of {self.title} must return (y, saved), or several outputs and saved, not {kind}")
        y = result[:-1] if self.outputs is None else result[: self.outputs]
        return y[0] if len(y) == 1 else y, result[-1]

    def back(self, gradient: Any, saved: Any) -> Any:
        """What backward returns; it takes one gradient of all outputs, nested as they are, or one of each."""
        gradients = [gradient]
        found = branch(gradient)
        if found is not None and len(self.takes) > 2:
            each = list(found.children.values())
            if self.needed <= len(each) + 1 <= len(self.takes):
                gradients = each
            elif self.needed > 2:
                raise TypeError(
                    f"backward of {self.title} takes {', '.join(self.takes)}; forward returns {len(each)} outputs "
                    "beside what it saves: it must take a gradient of each, or one tuple of them; where it has none of "
                    "the last, say how many, outputs=..."
                )
        args = (saved, *gradients) if self.saved_first else (*gradients, saved)
        try:
            return self.operation.backward(*args, **self.back_hyper)
        except Exception as error:
            if found is not None and len(gradients) == 1:
                error.add_note(
                    f"backward of {self.title} was handed one tuple of the gradients of all {len(found.children)} "
                    "outputs of forward; if it takes fewer, say how many, outputs=1"
                )
            elif self.needed > len(args):
                lacking = self.takes[len(args) : self.needed]
                error.add_note(
                    f"backward of {self.title} takes {', '.join(self.takes)}, and was handed the gradient and what "
                    f"forward saved; what else it needs may be among hyperparameters={{{lacking[0]!r}: ...}}"
                )
            raise

    def by_name(self, returned: Any, structure: Structure, names: tuple[str, ...]) -> dict[str, Any]:
        """The gradients by the names of the inputs: of a dictionary by its keys, `dx` for x too; else in order."""
        if isinstance(returned, Mapping):
            return self.by_key(returned, structure, names)
        if isinstance(returned, list):
            returned = tuple(returned)
        if not isinstance(returned, tuple):
            returned = (returned,)
        # A mask, a constant: what is not differentiated may have no gradient among those that are returned.
        asked = [k for k in self.positional if k in names]
        if len(returned) == len(asked) < len(self.positional):
            return dict(zip(asked, returned, strict=True))
        if len(returned) != len(self.positional):
            raise ValueError(
                f"backward of {self.title} returned {len(returned)} gradients for the {len(self.positional)} arrays "
                f"{', '.join(self.positional)}"
            )
        return dict(zip(self.positional, returned, strict=True))

    def by_key(self, returned: Mapping[Any, Any], structure: Structure, names: tuple[str, ...]) -> dict[str, Any]:
        """Of a dictionary: by the names as they are, else as gradients are spelled (`dWf` for `parameters.Wf`)."""
        if all(k in structure.inputs for k in returned):
            return dict(returned)
        flat = flattened(returned)
        taken, surplus = by_keys(flat, names)
        leaves = {name: flat[key] for name, key in taken.items()}
        return {**leaves, **{k: flat[KEY, k] for k in surplus}}
