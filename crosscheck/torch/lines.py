"""Where in a hand-written backward a gradient is computed: the line that last made its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from crosscheck.doors.structure import Structure
from crosscheck.operation import Array
from crosscheck.torch.calls import TensorCall, pull
from crosscheck.torch.needs import pytorch
from crosscheck.torch.programs import users_line
from crosscheck.torch.sizes import flat
from crosscheck.traces.sources import Source


def lines_of_backward(called: TensorCall, structure: Structure, v: Array) -> dict[str, str]:
    """By the name of an input, `layer.py:14: return g @ w.T`; nothing for one that PyTorch itself computes."""
    values = {k: a.copy() for k, a in structure.arrays.items()}
    found, returned = called.run(structure.nested(values))
    outputs, cotangents = called.arriving(returned, structure.cotangent(v, values))
    mode = noting()()
    with mode:
        pulled = pull(outputs, [found[k] for k in called.moving], cotangents)
    lines = {k: mode.lines.get(g) for k, g in zip(called.moving, pulled, strict=True) if g is not None}
    return {k: str(line) for k, line in lines.items() if line is not None}


def of_gradients(lines: Mapping[str, str], names: list[str]) -> dict[str, str]:
    """The same by the names of the judge, who has the halves of a complex input."""
    return {name: lines[base] for name in names if (base := name.removesuffix(".real").removesuffix(".imag")) in lines}


@cache
def noting() -> Any:
    """The class of the mode that notes who made what, made when PyTorch is there."""
    torch = pytorch()
    from torch.utils._python_dispatch import TorchDispatchMode  # pyright: ignore[reportMissingImports]
    from torch.utils.weak import WeakTensorKeyDictionary  # pyright: ignore[reportMissingImports]

    class Noting(TorchDispatchMode):  # pyright: ignore[reportUntypedBaseClass]
        def __init__(self) -> None:
            super().__init__()
            self.lines: Any = WeakTensorKeyDictionary()

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            line: Source | None = users_line()
            base = args[0] if func.is_view and args else None  # a view has the numbers of somebody else
            for t in flat(out):
                if isinstance(t, torch.Tensor):
                    self.lines[t] = self.lines.get(base, line) if isinstance(base, torch.Tensor) else line
            return out

    return Noting
