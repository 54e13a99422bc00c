"""How a program of PyTorch rounds: it is run K times more, with every rounding replaced by a random one.

PyTorch has no jaxpr. A mode sees every operation that it dispatches, in the forward and in the backward that autograd
makes of it, and adds to each result

    ± t · size / √3                                                                               (1)

with the sizes of `sizes`: what is done for a jaxpr by `crosscheck.rounding`, for the operations as they come. The
copies scatter by t σ. Decisions (comparisons, the winners of a maximum, a sign) are those of a run without roundings,
number by number; where one would have fallen otherwise within t σ, copies that are free to decide say how much hangs on
it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from crosscheck.operation import Array
from crosscheck.rounding import quantile
from crosscheck.rounding.draws import SPREAD, words_of_values
from crosscheck.rounding.sizes import BACKWARD
from crosscheck.rounding.spreads import between
from crosscheck.torch.needs import pytorch
from crosscheck.torch.sizes import (
    absorbed,
    base_name,
    decomposition,
    flat,
    is_float,
    normwise,
    of_sums,
    operands,
    own_size,
    row_of,
)
from crosscheck.torch.terms import carried, standing

COPIES = 32
FREE = 8  # copies that decide for themselves, where a decision is within rounding


class Scatter(NamedTuple):
    """What the copies of a program say of its outputs.

    Args:
        sigma: the standard deviation of the rounding of each output.
        sums: S of each output (`terms`); None of what nothing was added up to.
        excuse: how far each would move if decisions within rounding fell otherwise; None where none is.
        t: the quantile at which the copies were run.
        equations: how many operations there were.
        estimated: those of whose rounding nothing is known.
        decides, entrywise: whether anything was compared; whether nothing was known by the size of an array only.
    """

    sigma: list[Array]
    sums: list[Array | None]
    excuse: list[Array | None]
    t: float
    equations: int
    estimated: frozenset[str]
    decides: bool
    entrywise: bool


# Of a mode that is on, or None, the outputs; and of a mode, S of each.
Repeatable = Callable[[Any], tuple[list[Array], list[Array | None]]]


def scattered(program: Repeatable, unit: float, seed: int) -> Scatter:
    """Of a program that gives the same outputs whenever it is run."""
    torch = pytorch()
    mode = modes()
    with torch.random.fork_rng(devices=[]):
        main = mode(unit, 0.0, seed, [])
        value, sums = under(main, program)
        t = quantile(COPIES, sum(a.size for a in value))
        held = [mode(unit, t, seed + 1 + k, main.decisions) for k in range(COPIES)]
        copies = [under(m, program)[0] for m in held]
        excuse: list[Array | None] = [None] * len(value)
        if any(m.flipped for m in held):
            free = [under(mode(unit, t, seed + 1 + k, None), program)[0] for k in range(FREE)]
            with np.errstate(invalid="ignore"):
                excuse = [
                    between(np.stack([f[i] - c[i] for f, c in zip(free, copies, strict=False)]), t)
                    for i in range(len(value))
                ]
    sigma = [spread_about(a, np.stack([c[i] for c in copies]), t) for i, a in enumerate(value)]
    names = frozenset(main.estimated)
    return Scatter(sigma, sums, excuse, t, main.count, names, bool(main.decisions), main.entrywise)


def under(mode: Any, program: Repeatable) -> tuple[list[Array], list[Array | None]]:
    pytorch().manual_seed(0)
    with mode:
        return program(mode)


def spread_about(value: Array, copies: Array, t: float) -> Array:
    """The root mean square about the main run; 0 where all are the same infinity or NaN, ∞ where only some are."""
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(copies - value)
        same = (copies == value) | (np.isnan(copies) & np.isnan(value))
        apart = np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart)) / t
        top = apart.max(0, initial=0.0)
        scale = np.where((top > 0) & (top < np.inf), top, 1.0)
        return np.sqrt(np.mean(np.square(apart / scale), axis=0)) * scale


@cache
def modes() -> Any:
    """The class of the mode, made when PyTorch is there."""
    torch = pytorch()
    from torch.utils._python_dispatch import TorchDispatchMode  # pyright: ignore[reportMissingImports]
    from torch.utils.weak import WeakTensorKeyDictionary  # pyright: ignore[reportMissingImports]

    class Rounding(TorchDispatchMode):  # pyright: ignore[reportUntypedBaseClass]
        """Adds a random rounding to every result.

        Args:
            unit: u of the code that is judged; of a coarser tensor its own counts.
            strength: of the roundings; 0: this is the run whose decisions the others take.
            seed: of the signs.
            decisions: to be taken over, in order; an empty list is filled, None leaves every run its own.
        """

        def __init__(self, unit: float, strength: float, seed: int, decisions: list[Any] | None) -> None:
            super().__init__()
            self.unit, self.strength, self.decisions = unit, strength, decisions
            self.signs, self.seed = torch.Generator().manual_seed(seed), seed
            self.place, self.count, self.flipped, self.entrywise = 0, 0, False, True
            self.estimated: set[str] = set()
            self.known: Any = WeakTensorKeyDictionary()  # S, as the next operation reads it
            self.sums: Any = WeakTensorKeyDictionary()

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            name = base_name(func)
            kind = row_of(name)
            if not kind and not func.is_view:
                parts = decomposition(func)
                if parts is not None:
                    with self:
                        try:
                            out = parts(*args, **kwargs)
                        except NotImplementedError:
                            out = NotImplemented
                    if out is not NotImplemented:
                        return out
            self.count += 1
            if name == "_efficientzerotensor":  # of no memory: it cannot be computed with here
                return torch.zeros(*args, **kwargs)
            if kind in ("algebra", "through") and self.strength:
                args = [self.disturbed(a, kind) for a in args]
            out = func(*args, **kwargs)
            if not self.strength:
                self.sum_up(carried(name, kind, func, args, kwargs, flat(out), self.known), flat(out))
            if kind == "moves" or func.is_view:
                return self.decided(out, mutable=func._schema.is_mutable)
            if kind == "decides":
                return self.decided(out, floats=True, mutable=func._schema.is_mutable)
            return self.rounded(kind, name, func, args, kwargs, self.decided(out, mutable=func._schema.is_mutable))

        def sum_up(self, sums: list[Any], outs: list[Any]) -> None:
            """Notes S of the outputs."""
            for out, terms in zip(outs, sums, strict=True):
                if terms is not None and terms.shape == out.shape:
                    self.sums[out] = terms
                    u = max(self.unit, float(torch.finfo(out.dtype).eps) / 2)
                    self.known[out] = standing(out, terms, u * quantile(COPIES, out.numel()))

        def disturbed(self, a: Any, kind: str) -> Any:
            """A matrix with a backward error; of a sum of functions, its entries."""
            if not is_float(a) or (kind == "algebra" and a.ndim < 2):
                return a
            u = max(self.unit, float(torch.finfo(a.dtype).eps) / 2)
            return a + self.sign(a) * (normwise(a, u) if kind == "algebra" else u * a.abs())

        def sign(self, y: Any, alike: Any = None) -> Any:
            """± strength / √3 at every entry; where `alike`, by the entry's absolute value alone."""

            def drawn() -> Any:
                signs = torch.randint(0, 2, y.shape, generator=self.signs, dtype=torch.int8)
                return (2.0 * signs.to(y.device, torch.float64) - 1.0) * (self.strength * SPREAD)

            signs = torch.complex(drawn(), drawn()) if y.dtype.is_complex else drawn()
            if alike is not None:
                words = words_of_values(np.uint32(self.seed % 2**32), y.detach().cpu().double().numpy().reshape(-1))
                up = torch.from_numpy((words >> 31).astype(np.float64).reshape(y.shape)).to(y.device)
                signs = torch.where(alike, (2.0 * up - 1.0) * (self.strength * SPREAD), signs)
            return signs.to(y.dtype)

        def rounded(self, kind: str, name: str, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
            outs = flat(out)
            if not any(map(is_float, outs)) or (not kind and self.only_moves(args, outs)):
                return out
            if not kind:
                self.estimated.add(name)
            self.entrywise = self.entrywise and kind not in ("", "algebra", "fourier")
            if not self.strength:
                return out
            if kind in ("sums", "contracts") and not func._schema.is_mutable:
                sizes = of_sums(kind, func, args, kwargs, outs, self.unit)
            elif kind == "sums":  # in place: each entry is what it was, and what was added
                sizes = [self.unit * BACKWARD * (a.abs() + added(args)) if is_float(a) else None for a in outs]
            else:
                sizes = [own_size(kind, name, func, args, kwargs, a, self.unit) if is_float(a) else None for a in outs]
            if func._schema.is_mutable:
                for a, size in zip(outs, sizes, strict=True):
                    if size is not None:
                        a.add_(torch.nan_to_num(size, 0.0, 0.0, 0.0) * self.sign(a))
                return out
            alike = absorbed(name, args, kwargs, outs[0]) if kind == "once" else None
            new = [
                a if size is None else a + torch.nan_to_num(size, 0.0, 0.0, 0.0) * self.sign(a, alike)
                for a, size in zip(outs, sizes, strict=True)
            ]
            return type(out)(new) if isinstance(out, (list, tuple)) else new[0]

        def decided(self, out: Any, *, floats: bool = False, mutable: bool = False) -> Any:
            """Comparisons and indices as the first run had them."""
            if self.decisions is None or mutable:
                return out
            outs = flat(out)
            for i, a in enumerate(outs):
                if not isinstance(a, torch.Tensor) or (is_float(a) and not floats):
                    continue
                if not self.strength:
                    self.decisions.append(a.detach().clone())
                    continue
                known = self.decisions[self.place] if self.place < len(self.decisions) else None
                self.place += 1
                if known is None or known.shape != a.shape or known.dtype != a.dtype:
                    continue
                if not torch.equal(known, a) and not bool(torch.isnan(a.double()).any()):
                    self.flipped = True
                    outs[i] = known.clone()
            return type(out)(outs) if isinstance(out, (list, tuple)) else outs[0]

        def only_moves(self, args: Any, outs: list[Any]) -> bool:
            """Whether every number of the results is one of the operands', or 0."""
            numbers = [a.detach().abs().reshape(-1).double() for a in operands(args) if not a.dtype.is_complex]
            if not numbers or any(a.dtype.is_complex for a in outs if is_float(a)):
                return False
            known = torch.cat([*numbers, torch.zeros(1, dtype=torch.float64, device=numbers[0].device)])
            return all(bool(torch.isin(a.abs().double(), known).all()) for a in outs if is_float(a))

    return Rounding


def added(args: Any) -> Any:
    """The largest that an operation adds to what it writes to."""
    return max((float(a.abs().max()) for a in operands(args) if a.numel()), default=0.0)
