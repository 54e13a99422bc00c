"""A module as a function of its inputs and parameters by name, and the hand-written Functions that it calls."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from crosscheck.frameworks.arguments import argument_names
from crosscheck.torch.context import names_of, own_forward
from crosscheck.torch.needs import pytorch


class Functions:
    """A module (or a function) and its inputs.

    Args:
        module: called with the inputs.
        inputs: tensors, and whatever else it takes.
        parameters: whether those of a module are inputs, too.
    """

    def __init__(self, module: Any, inputs: tuple[Any, ...], *, parameters: bool = True) -> None:
        torch = pytorch()
        function = applied(module)
        if function is not None:  # looked up at each call, so that something may stand in its place
            module = named_apply(function)
        of_class = isinstance(module, torch.nn.Module)
        self.name = type(module).__name__ if of_class else getattr(module, "__name__", type(module).__name__)
        self.names = argument_names(module.forward if of_class else module, len(inputs))
        if function is not None:
            self.names = names_of(function, len(inputs))
        self.inputs = inputs
        self.is_module = of_class and parameters
        # A copy: the parameters of the caller's own stay in it.
        self.module = copy.deepcopy(module) if self.is_module else lambda *args: module(*args)
        self.tensors = {k: a for k, a in zip(self.names, inputs, strict=True) if isinstance(a, torch.Tensor)}
        self.buffers: dict[int, dict[str, Any]] = {}
        if self.is_module:
            self.tensors |= {k: p for k, p in module.named_parameters() if k not in self.tensors}

    def arguments(self, named: dict[str, Any]) -> list[Any]:
        return [named.get(k, a) for k, a in zip(self.names, self.inputs, strict=True)]

    def call(self, /, **named: Any) -> Any:
        """The module with these inputs and parameters; its buffers are those that it came with."""
        return self.called(self.module, named)

    def called(self, module: Any, named: dict[str, Any]) -> Any:
        """The parameters stay in the module until the next call: its backward may read them there."""
        if isinstance(module, pytorch().nn.Module):
            parameters = {k: t for k, t in named.items() if k not in self.names}
            dtype = next((t.dtype for t in parameters.values() if t.dtype.is_floating_point), None)
            for k, t in parameters.items():
                owner, name = owner_of(module, k)
                owner._parameters[name] = t
            for k, b in self.buffers_of(module).items():
                owner, name = owner_of(module, k)
                owner._buffers[name] = b.to(dtype, copy=True) if dtype and b.dtype.is_floating_point else b.clone()
        return module(*self.arguments(named))

    def buffers_of(self, module: Any) -> dict[str, Any]:
        """As they were before the first call."""
        if id(module) not in self.buffers:
            self.buffers[id(module)] = {k: b.detach().clone() for k, b in module.named_buffers()}
        return self.buffers[id(module)]

    def referring(self, reference: Any) -> Callable[..., Any]:
        """A reference module or function, as a function of the same tensors."""
        torch = pytorch()
        if isinstance(reference, torch.nn.Module):
            other = copy.deepcopy(reference)
            return lambda **named: self.called(other, named)
        own = set(inspect.signature(reference).parameters)

        def call(**named: Any) -> Any:
            parameters = {k: t for k, t in named.items() if k not in self.names and k in own}
            return reference(*self.arguments(named), **parameters)

        return call

    def hand_written(self) -> list[str]:
        """The names of the Functions that are called."""
        seen: list[str] = []
        with pytorch().no_grad(), replaced(lambda function: seen.append(function.__name__) or own_forward(function)):
            self.call(**{k: t.detach().clone() for k, t in self.tensors.items()})
        return list(dict.fromkeys(seen))


def applied(given: Any) -> Any:
    """The Function whose `apply` this is; None of anything else."""
    owner = getattr(given, "__self__", None)
    is_apply = isinstance(owner, type) and issubclass(owner, pytorch().autograd.Function)
    return owner if is_apply and getattr(given, "__name__", "") == "apply" else None


def named_apply(function: Any) -> Callable[..., Any]:
    """`function.apply` under a name of its own."""

    def apply(*args: Any) -> Any:
        return function.apply(*args)

    apply.__name__ = function.__name__
    return apply


def owner_of(module: Any, path: str) -> tuple[Any, str]:
    """The module that holds a parameter or a buffer, and its name there."""
    *owners, name = path.split(".")
    return module.get_submodule(".".join(owners)), name


def plainly(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same call, with every Function's forward under autograd in its place."""

    def plain(**named: Any) -> Any:
        with replaced(own_forward):
            return call(**named)

    return plain


@contextmanager
def replaced(by: Callable[[Any], Callable[..., Any]]) -> Generator[None]:
    """As long as it lasts, `apply` of every Function calls what `by` makes of the class."""
    function = pytorch().autograd.Function
    original = function.__dict__["apply"]

    def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
        return by(cls)(*args, **kwargs)

    function.apply = classmethod(apply)
    try:
        yield
    finally:
        function.apply = original
