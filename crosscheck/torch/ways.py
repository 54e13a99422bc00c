"""The other ways to call a hand-written backward of PyTorch at the judged point.

a cotangent that is not contiguous    every second number of a larger tensor; a transposed one
an expanded cotangent                 of strides 0, as the gradient of a sum is
one input at a time                   the others need no gradient (`needs_input_grad`, `None`)
one output at a time                  the others get no cotangent: None, or zeros that autograd makes
a second backward                     through the same graph, as `retain_graph=True` has it
written to after the forward          an input that was kept as an attribute, not by `save_for_backward`
a graph of the gradient               `create_graph=True`, as a double backward needs it
vmap                                  where the Function has a rule for it
forward mode                          v · J e for every entry, where the Function has a `jvp`
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from crosscheck.doors.structure import Structure
from crosscheck.doors.trees import leaves
from crosscheck.frameworks.otherwise import OtherCall, Spoilt, farther
from crosscheck.operation import Array, Arrays
from crosscheck.torch.calls import TensorCall, as_array_or_none, differentiable, pull
from crosscheck.torch.needs import pytorch
from crosscheck.torch.tensors import tensor

MOST_PARTS = 8  # inputs or outputs, each a call
MOST_ENTRIES = 2048  # of the inputs, each a tangent of forward mode


def ways_of(
    called: TensorCall, structure: Structure, *, vmaps: bool = False, pushes: bool = False
) -> tuple[OtherCall, ...]:
    """Those that say something of a function."""
    asked = TensorWays(called, structure)
    found = [
        OtherCall("layout", "with a cotangent that is not contiguous", asked.with_layout(spaced)),
        OtherCall("layout", "with a transposed cotangent", asked.with_layout(transposed)),
        OtherCall("graph", "with a graph of the gradient (create_graph=True)", asked.with_graph),
        OtherCall("second-backward", "in a second backward through the same graph", asked.twice),
        OtherCall("written", "where an input is written to between forward and backward", asked.written, fails=False),
    ]
    if 1 < len(called.moving) <= MOST_PARTS:
        found.append(OtherCall("one-input", "where one input at a time needs a gradient", asked.one_input))
    layout = next(iter(structure.layouts.values()), None)
    if layout is not None and 1 < len(layout.parts) <= MOST_PARTS:
        found.append(OtherCall("one-output", "through one output at a time, and added up", asked.one_output))
    floats = [structure.inputs[k] for k in called.moving]
    if pushes and all(np.asarray(a).dtype.kind == "f" for a in floats) and sum(map(np.size, floats)) <= MOST_ENTRIES:
        found.append(OtherCall("forward-mode", "in forward mode", asked.forward_mode))
    if vmaps:
        found.append(OtherCall("vmap", "under vmap", asked.batched))
    return tuple(found)


class TensorWays:
    """The ways of one function, between the judge's arrays and its tensors."""

    def __init__(self, called: TensorCall, structure: Structure) -> None:
        self.called, self.structure = called, structure

    def given(self, found: Mapping[str, Any], values: Arrays) -> Mapping[str, Array]:
        """Gradients by the judge's names, of those by tensors' names that are there."""
        named = self.structure.nested(values)
        whole = {
            k: np.zeros(np.shape(named[k]), np.result_type(named[k])) if g is None else g for k, g in found.items()
        }
        told = self.structure.gradients({k: g for k, g in whole.items() if g is not None}, values)
        return {k: np.asarray(g) for k, g in told.items()}

    def opened(self, values: Arrays, v: Array) -> tuple[dict[str, Any], list[Any], list[Any]]:
        """The leaf tensors, the outputs that are differentiated, and what arrives at each."""
        found, returned = self.called.run(self.structure.nested(values))
        outputs, cotangents = self.called.arriving(returned, self.structure.cotangent(v, values))
        return found, outputs, cotangents

    def pulled(
        self, found: dict[str, Any], outputs: list[Any], cotangents: list[Any], **options: Any
    ) -> dict[str, Any]:
        wanted = self.called.moving
        gradients = pull(outputs, [found[k] for k in wanted], cotangents, **options)
        return {k: as_array_or_none(g) for k, g in zip(wanted, gradients, strict=True)}

    # ------------------------------------------------------------------ the ways

    def with_layout(self, change: Callable[[Any], Any]) -> Callable[[Arrays, Array], Mapping[str, Array]]:
        def asked(values: Arrays, v: Array) -> Mapping[str, Array]:
            found, outputs, cotangents = self.opened(values, v)
            return self.given(self.pulled(found, outputs, [change(g) for g in cotangents]), values)

        return asked

    def expanded(self, values: Arrays, v: Array) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
        """The gradients for a cotangent of strides 0, and for the same numbers in an ordinary tensor."""
        both: list[Mapping[str, Array]] = []
        for change in (lambda g: g, lambda g: g.clone(memory_format=pytorch().contiguous_format)):
            found, outputs, cotangents = self.opened(values, v)
            ones = [g.flatten()[:1].reshape([1] * g.ndim).expand(g.shape) for g in cotangents if g.numel()]
            if len(ones) < len(cotangents):
                return {}, {}
            both.append(self.given(self.pulled(found, outputs, [change(g) for g in ones]), values))
        return both[0], both[1]

    def with_graph(self, values: Arrays, v: Array) -> Mapping[str, Array]:
        return self.given(self.pulled(*self.opened(values, v), create_graph=True), values)

    def twice(self, values: Arrays, v: Array) -> Mapping[str, Array]:
        found, outputs, cotangents = self.opened(values, v)
        self.pulled(found, outputs, [g.clone() for g in cotangents], retain_graph=True)
        try:
            return self.given(self.pulled(found, outputs, cotangents), values)
        except RuntimeError as error:
            if "modified by an inplace operation" in str(error):
                raise Spoilt("backward writes to a tensor that was saved: a second backward is refused") from error
            raise

    def written(self, values: Arrays, v: Array) -> Mapping[str, Array]:
        found, outputs, cotangents = self.opened(values, v)
        with pytorch().no_grad():
            for t in found.values():
                t.zero_()
        try:
            return self.given(self.pulled(found, outputs, cotangents), values)
        except RuntimeError:  # autograd saw it, as it should
            return {}

    def one_input(self, values: Arrays, v: Array) -> Mapping[str, Array]:
        named, w = self.structure.nested(values), self.structure.cotangent(v, values)
        total: dict[str, Any] = {}
        for k in self.called.moving:
            total[k] = self.called.gradients({n: np.array(a) for n, a in named.items()}, w, (k,))[k]
        return self.given(total, values)

    def one_output(self, values: Arrays, v: Array) -> Mapping[str, Array]:
        total: dict[str, Any] = {}
        _, outputs, _ = self.opened(values, v)
        for number in range(len(outputs)):
            found, outputs, cotangents = self.opened(values, v)
            for k, g in self.pulled(found, outputs[number : number + 1], cotangents[number : number + 1]).items():
                total[k] = g if total.get(k) is None else total[k] if g is None else total[k] + g
        return self.given(total, values)

    def forward_mode(self, values: Arrays, v: Array) -> Mapping[str, Array]:
        """Entry by entry, what arrives along the tangent that the Function's `jvp` gives."""
        named, w = self.structure.nested(values), dict(leaves(self.structure.cotangent(v, values)))
        total: dict[str, Any] = {}
        for k in self.called.moving:
            total[k] = np.zeros(np.shape(named[k]))
            for index in np.ndindex(total[k].shape):
                total[k][index] = self.pushed(named, w, k, index)
        return self.given(total, values)

    def pushed(self, named: Mapping[str, Any], w: Mapping[str, Any], k: str, index: tuple[int, ...]) -> float:
        """w · ẏ for the tangent that is one at an entry of tensor k."""
        torch, dual = pytorch(), import_module("torch.autograd.forward_ad")
        _, handed = self.called.given(named, ())
        tangent = torch.zeros_like(handed[k])
        tangent[index] = 1
        with warnings.catch_warnings(), dual.dual_level():
            warnings.simplefilter("ignore", DeprecationWarning)  # of PyTorch's own, at its first use of forward mode
            returned = self.called.f(**{**handed, k: dual.make_dual(handed[k], tangent)})
            moved = {n: dual.unpack_dual(t).tangent for n, t in leaves(returned) if isinstance(t, torch.Tensor)}
        return float(sum(np.vdot(w[n], t.numpy()) for n, t in moved.items() if t is not None and w.get(n) is not None))

    def batched(self, values: Arrays, v: Array) -> Mapping[str, Array]:
        """The point, another one, the point again, by `torch.func.vmap` of the forward; each row's gradient."""
        torch = pytorch()
        found, _ = self.called.given(self.structure.nested(values), ())
        moving = [k for k in self.called.moving]
        rows = {k: torch.stack([found[k], found[k].flip(*range(found[k].ndim)) * 0.875, found[k]]) for k in moving}
        batch = {k: rows[k].requires_grad_() for k in moving}

        def alone(*tensors: Any) -> Any:
            returned = self.called.f(**{**found, **dict(zip(moving, tensors, strict=True))})
            return tuple(t for _, t in leaves(returned) if isinstance(t, torch.Tensor))

        returned = torch.func.vmap(alone)(*[batch[k] for k in moving])
        given = dict(leaves(self.structure.cotangent(v, values)))
        cotangents = [g for g in given.values() if g is not None]
        outputs = [t for t in returned if differentiable(t)]
        rows_of = [tensor(g, t.device).to(t.dtype) for g, t in zip(cotangents, outputs, strict=True)]
        arriving = [torch.stack([g, -2 * g, g]) for g in rows_of]
        pulled = pull(outputs, [batch[k] for k in moving], arriving)
        plain = self.pulled(*self.opened(values, v))
        gradients = {k: as_array_or_none(g) for k, g in zip(moving, pulled, strict=True)}
        return self.given(
            {k: None if g is None else farther(g[0], g[2], plain[k]) for k, g in gradients.items()}, values
        )


def spaced(g: Any) -> Any:
    """The same numbers as every second one of a larger tensor, with NaN between."""
    if g.ndim == 0:
        return g
    larger = g.new_full((*g.shape[:-1], 2 * g.shape[-1]), float("nan"))
    larger[..., ::2] = g
    return larger[..., ::2]


def transposed(g: Any) -> Any:
    """The same numbers in Fortran order."""
    return g.permute(*reversed(range(g.ndim))).contiguous().permute(*reversed(range(g.ndim)))
