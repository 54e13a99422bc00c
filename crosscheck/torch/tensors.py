"""Tensors of NumPy arrays and back; memory and layout are kept, so that what is done to them shows."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosscheck.doors.trees import rebuilt
from crosscheck.operation import Array
from crosscheck.torch.needs import pytorch


class NotDifferentiable:
    """An output of floats that no gradient arrives at: it is no part of what is judged."""

    def __init__(self, value: Array) -> None:
        self.value = value


def tensor(a: Any, device: Any = None) -> Any:
    """An array as a tensor of the same memory and strides; of a read-only one a copy, of the same strides."""
    torch = pytorch()
    a = np.asarray(a)
    if any(s < 0 for s in a.strides) or any(s % a.itemsize for s in a.strides):
        a = a.copy()
    if a.flags.writeable:
        found = torch.from_numpy(a)
    else:
        steps = [s // a.itemsize for s in a.strides]
        room = 1 + sum((n - 1) * s for n, s in zip(a.shape, steps, strict=True)) if a.size else 0
        kind = torch.from_numpy(np.zeros(1, a.dtype)).dtype
        found = torch.zeros(max(room, 0), dtype=kind).as_strided(a.shape, steps)
        found.copy_(torch.from_numpy(a.copy()))
    return found if device is None else found.to(device)


def array(t: Any) -> Array:
    """A private array of a tensor."""
    t = t.detach()
    return np.array((t.resolve_conj() if t.is_complex() else t).cpu().numpy())


def arrays(returned: Any, *, marked: bool = True) -> Any:
    """Outputs as arrays, nested as they are; what is no tensor as it is. `marked`: floats without a gradient are."""
    torch = pytorch()

    def leaf(name: str, t: Any) -> Any:
        if not isinstance(t, torch.Tensor):
            return t
        if marked and is_real(t) and not t.requires_grad:
            return NotDifferentiable(array(t))
        return array(t)

    return rebuilt(returned, leaf)


def is_real(t: Any) -> bool:
    """Whether a tensor's numbers can be differentiated."""
    return t.dtype.is_floating_point or t.dtype.is_complex
