"""A differentiable function of PyTorch, called as NumPy functions: its output, and its gradients by autograd.

    y = f(x₁, …, xₙ)        grad_x = torch.autograd.grad(y, x, v)

That is the function under check, whose autograd runs the hand-written backward, and with a plain f also the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from crosscheck.doors.trees import leaves
from crosscheck.operation import Array
from crosscheck.torch.needs import pytorch
from crosscheck.torch.tensors import arrays, is_real, tensor


class TensorCall:
    """f(**tensors), some of which are differentiated.

    Args:
        f: of tensors by name.
        moving: the names of those that are differentiated.
        devices: by name, where each lies.
        dirty: the names of those that f may write to: it gets copies of them.
        single: whether all floats are cast to float32, for a function that takes nothing else.
        contiguous: the names of tensors that are handed over in the layout that they had, whatever the judge tries.
        marked: whether an output of floats that needs no gradient is none of those that are judged.
    """

    def __init__(self, f: Callable[..., Any], moving: tuple[str, ...], devices: Mapping[str, Any]) -> None:
        self.f, self.moving, self.devices = f, moving, dict(devices)
        self.dirty: frozenset[str] = frozenset()
        self.contiguous: frozenset[str] = frozenset()
        self.single = False
        self.marked = True

    def given(self, named: Mapping[str, Any], wanted: tuple[str, ...] | None = None) -> tuple[dict[str, Any], Any]:
        """The leaf tensors by name, and what f gets: copies of those that it may write to."""
        wanted = self.moving if wanted is None else wanted
        found = {k: self.tensor_of(k, a) for k, a in named.items()}
        for k in wanted:
            found[k].requires_grad_()
        return found, {k: t.clone() if k in self.dirty else t for k, t in found.items()}

    def tensor_of(self, name: str, a: Any) -> Any:
        torch = pytorch()
        t = tensor(np.array(a, order="C") if name in self.contiguous else a, self.devices.get(name))
        if self.single and is_real(t):
            t = t.to(torch.complex64 if t.is_complex() else torch.float32)
        return t

    # ------------------------------------------------------------------ as NumPy functions

    def forward(self, /, **named: Any) -> Any:
        return arrays(self.run(named)[1], marked=self.marked)

    def backward(self, v: Any, /, **named: Any) -> dict[str, Any]:
        return self.gradients(named, v)

    def run(self, named: Mapping[str, Any], wanted: tuple[str, ...] | None = None) -> tuple[dict[str, Any], Any]:
        """The leaf tensors, and the outputs."""
        found, handed = self.given(named, wanted)
        with pytorch().enable_grad():
            return found, self.f(**handed)

    def gradients(self, named: Mapping[str, Any], v: Any, wanted: tuple[str, ...] | None = None) -> dict[str, Any]:
        """The gradients by name; None of what no cotangent reaches, of what is not differentiated zeros."""
        wanted = self.moving if wanted is None else wanted
        found, returned = self.run(named, wanted)
        outputs, cotangents = self.arriving(returned, v)
        pulled = pull(outputs, [found[k] for k in wanted], cotangents)
        by_name = dict(zip(wanted, pulled, strict=True))
        return {k: as_array_or_none(by_name[k]) if k in by_name else np.zeros(np.shape(a)) for k, a in named.items()}

    def arriving(self, returned: Any, v: Any) -> tuple[list[Any], list[Any]]:
        """The outputs that are differentiated, and what arrives at each."""
        given = dict(leaves(v))
        outputs: list[Any] = []
        cotangents: list[Any] = []
        for name, t in leaves(returned):
            if differentiable(t) and given.get(name) is not None:
                outputs.append(t)
                cotangents.append(tensor(given[name], t.device).to(t.dtype))
        return outputs, cotangents


def pull(outputs: list[Any], inputs: list[Any], cotangents: list[Any], **options: Any) -> list[Any]:
    """`torch.autograd.grad`, with None for all where no output hangs on anything."""
    if not outputs or not inputs:
        return [None] * len(inputs)
    return list(pytorch().autograd.grad(outputs, inputs, cotangents, allow_unused=True, **options))


def differentiable(t: Any) -> bool:
    return isinstance(t, pytorch().Tensor) and is_real(t) and t.requires_grad


def as_array_or_none(g: Any) -> Array | None:
    if g is None:
        return None
    g = g.detach()
    return np.array((g.resolve_conj() if g.is_complex() else g).cpu().numpy())
