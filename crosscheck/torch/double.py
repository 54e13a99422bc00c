"""The derivative of a hand-written backward: is what `create_graph=True` gives differentiable, and rightly?

    G(x, v) = J(x)ᵀ v,        checked as any function of x and v, against autograd of autograd of the plain forward

A backward that is made of PyTorch's operations is differentiated by autograd whether its author meant it or not. It is
wrong, and silent, where it reads something that the forward computed and kept: autograd takes that for a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from crosscheck.doors.functions import structure_of, structured
from crosscheck.doors.structure import Structure
from crosscheck.doors.trees import leaves
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.result import Result
from crosscheck.judge import judge
from crosscheck.operation import describe
from crosscheck.torch.calls import TensorCall, differentiable, pull
from crosscheck.torch.needs import pytorch
from crosscheck.torch.reference import Autograd

ADVICE = (
    "backward reads what autograd takes for a constant: save inputs and outputs by ctx.save_for_backward, or say "
    "@once_differentiable"
)


def differentiated_twice(
    called: TensorCall, plain: TensorCall, structure: Structure, seed: int, *, fails: bool
) -> list[Finding]:
    """What there is to say of it; nothing where it is right, or says itself that it is not to be done."""
    values = {k: a.copy() for k, a in structure.arrays.items()}
    named = structure.nested(values)
    outputs = {name: leaf for name, leaf in leaves(called.forward(**named)) if isinstance(leaf, np.ndarray)}
    rng = np.random.default_rng([seed, 11])
    arriving = {f"grad_output{name}": drawn(a, rng) for name, a in outputs.items() if a.dtype.kind in "fc"}
    moving = called.moving + tuple(arriving)
    given = {**{k: np.asarray(a) for k, a in named.items()}, **arriving}
    hand = TensorCall(gradients_of(called, tuple(arriving)), moving, called.devices)
    truth = TensorCall(gradients_of(plain, tuple(arriving)), moving, called.devices)
    hand.marked = truth.marked = False
    hand.single = called.single
    try:
        first = hand.run({k: a.copy() for k, a in given.items()})[1]
    except Exception as error:
        return [Finding("double-backward", f"differentiated twice, it raises {describe(error)}", False)]
    if not any(differentiable(t) for _, t in leaves(first)):
        return []  # it refuses: autograd says that nothing requires a gradient
    try:
        result = compared(hand, truth, given, moving, seed)
    except Exception as error:
        said = describe(error)
        quiet = "once_differentiable" in said
        return [] if quiet else [Finding("double-backward", f"differentiated twice, it raises {said}", False)]
    return list(said_of(result, fails=fails))


def gradients_of(called: TensorCall, cotangents: tuple[str, ...]) -> Callable[..., Any]:
    """(x, v) -> J(x)ᵀ v by name, with its graph."""

    def call(**tensors: Any) -> Any:
        inputs = {k: t for k, t in tensors.items() if k not in cotangents}
        handed = {k: t.clone() if k in called.dirty else t for k, t in inputs.items()}
        found = dict(leaves(called.f(**handed)))
        names = [k.removeprefix("grad_output") for k in cotangents]
        pairs = [(found[n], tensors[k]) for n, k in zip(names, cotangents, strict=True) if differentiable(found[n])]
        wanted = [inputs[k] for k in called.moving]
        pulled = pull([y for y, _ in pairs], wanted, [v.to(y.dtype) for y, v in pairs], create_graph=True)
        zeros = pytorch().zeros_like
        return {k: zeros(inputs[k]) if g is None else g for k, g in zip(called.moving, pulled, strict=True)}

    return call


def compared(hand: TensorCall, truth: TensorCall, given: dict[str, Any], moving: tuple[str, ...], seed: int) -> Result:
    structure = structure_of(hand.forward, given, "pytorch")
    wrt = tuple(k for k in given if k in moving)
    operation = structured(structure, hand.backward, None, wrt=wrt, name="backward")
    operation = replace(operation, reference=Autograd(structure, truth))
    return judge(operation, seed=seed, differences=False, exact=False, diagnose=False, progress=False)


def said_of(result: Result, *, fails: bool) -> Iterator[Finding]:
    for name, g in result.gradients.items():
        if g.verdict == "disagree":
            of = name.replace("grad_output", "the cotangent") if name.startswith("grad_output") else name
            sentence = (
                f"differentiated twice, the gradient with respect to {of} is wrong at {int(g.mismatched.sum())} of "
                f"{g.mismatched.size} entries ({ADVICE})"
            )
            yield Finding("double-backward", sentence, fails)


def drawn(a: Any, rng: np.random.Generator) -> Any:
    v = rng.uniform(0.5, 1.5, a.shape) * rng.choice([-1.0, 1.0], a.shape)
    return (v + 1j * rng.normal(size=a.shape) if a.dtype.kind == "c" else v).astype(a.dtype)
