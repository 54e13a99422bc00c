"""A program: named inputs, steps that name their operands, and the gradient that arrives at the last one.

    run      every value, in one of the three arithmetics
    reverse  every gradient: the reverse sweep over the steps, adding up what the consumers of a value send back

With NUMPY the two are the hand-written code that is judged, with EXACT the truth; only a Plant makes them differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from tests.programs.backends import EXACT, NUMPY, exact, jax_backend
from tests.programs.ops import OPS

Array = np.ndarray
Change = Callable[[str, int, Any, "Moment"], Any]


class Moment(NamedTuple):
    """What a step's derivative had at hand, for a plant that wants to misuse it."""

    xp: Any
    g: Any
    y: Any
    operands: tuple[Any, ...]
    values: dict[str, Any]


@dataclass(frozen=True)
class Step:
    op: str
    operands: tuple[str, ...]
    params: dict[str, Any]

    def __str__(self) -> str:
        words = [*self.operands, *(f"{k}={v}" for k, v in self.params.items())]
        return f"{self.op}({', '.join(words)})"


@dataclass(frozen=True)
class Program:
    """The steps are in an order in which they can run; the last is the output."""

    inputs: dict[str, Array]
    steps: dict[str, Step]
    grad_output: Array

    @property
    def output(self) -> str:
        return list(self.steps)[-1]

    @property
    def depth(self) -> int:
        """The longest way from an input to the output."""
        depths = dict.fromkeys(self.inputs, 0)
        for name, step in self.steps.items():
            depths[name] = 1 + max(depths[o] for o in step.operands)
        return depths[self.output]

    def __str__(self) -> str:
        shapes = [f"{k}: {v.dtype} {v.shape}" for k, v in self.inputs.items()]
        return "\n".join([", ".join(shapes), *(f"  {k} = {v}" for k, v in self.steps.items())])

    def source(self) -> str:
        """The program as Python that makes it again, to the last bit."""
        lines = ["Program(", "    inputs={"]
        lines += [f"        {k!r}: {literal(v)}," for k, v in self.inputs.items()]
        lines += ["    },", "    steps={"]
        lines += [f"        {k!r}: Step({s.op!r}, {s.operands!r}, {s.params!r})," for k, s in self.steps.items()]
        return "\n".join([*lines, "    },", f"    grad_output={literal(self.grad_output)},", ")"])


def literal(x: Array) -> str:
    return f"np.array({x.tolist()!r}, np.{x.dtype}).reshape({x.shape!r})"


def pruned(program: Program) -> Program:
    """Without what the output does not need."""
    needed = {program.output}
    for name in reversed(list(program.steps)):
        if name in needed:
            needed |= set(program.steps[name].operands)
    return replace(
        program,
        inputs={k: v for k, v in program.inputs.items() if k in needed},
        steps={k: v for k, v in program.steps.items() if k in needed},
    )


def evaluate(xp: Any, step: Step, operands: tuple[Any, ...]) -> Any:
    op = OPS[step.op]
    special = {"jax": op.jax, "exact": op.exact}.get(xp.name)
    y = (special or op.forward)(xp, *operands, **step.params)
    return tidy(xp, y)


def tidy(xp: Any, y: Any) -> Any:
    """An array again, where NumPy made a scalar of one without axes."""
    return exact(y) if xp.name == "exact" else np.asarray(y) if xp.name == "numpy" else y


def run(xp: Any, program: Program, inputs: dict[str, Any], after: Callable[[str, Any], Any] | None = None) -> dict:
    """Every value by name. `after(name, value)`, where given, replaces a step's result."""
    values = dict(inputs)
    for name, step in program.steps.items():
        values[name] = evaluate(xp, step, tuple(values[o] for o in step.operands))
        if after is not None:
            values[name] = after(name, values[name])
    return values


def unbroadcast(xp: Any, g: Any, shape: tuple[int, ...]) -> Any:
    """What was repeated to fit, added up."""
    if g.shape == shape:
        return g
    extra = g.ndim - len(shape)
    axes = tuple(i for i in range(g.ndim) if i < extra or shape[i - extra] == 1)
    return xp.reshape(xp.sum(g, axis=axes), shape)


def contributions(xp: Any, step: Step, g: Any, y: Any, operands: tuple[Any, ...]) -> Iterator[Any]:
    """What a step sends back to each operand, in the operand's shape."""
    op = OPS[step.op]
    vjp = op.exact_vjp if xp.name == "exact" and op.exact_vjp is not None else op.vjp
    for x, sent in zip(operands, vjp(xp, g, y, *operands, **step.params), strict=True):
        full = np.asarray(sent, dtype=g.dtype)
        yield np.broadcast_to(full, np.broadcast_shapes(full.shape, x.shape))


def reverse(
    xp: Any, program: Program, values: dict[str, Any], grad_output: Any, change: Change | None = None
) -> dict[str, Any]:
    """The gradient of ⟨grad_output, output⟩ with respect to every input.

    `change(name, slot, sent, moment)`, where given, replaces what step `name` sends to its operand number `slot`.
    """
    grads: dict[str, Any] = {program.output: grad_output}
    for name, step in reversed(program.steps.items()):
        if name not in grads:
            continue
        operands = tuple(values[o] for o in step.operands)
        moment = Moment(xp, grads[name], values[name], operands, values)
        for slot, sent in enumerate(contributions(xp, step, grads[name], values[name], operands)):
            if change is not None:
                sent = tidy(xp, change(name, slot, sent, moment))
            sent = tidy(xp, unbroadcast(xp, sent, operands[slot].shape))
            operand = step.operands[slot]
            grads[operand] = tidy(xp, grads[operand] + sent) if operand in grads else sent
    return {k: np.array(grads[k]) for k in program.inputs}


def functions(program: Program, change: Change | None = None) -> tuple[Callable[..., Any], ...]:
    """`forward`, `backward`, `reference`: what `crosscheck.check` takes."""

    def forward(**inputs: Any) -> Array:
        with np.errstate(all="ignore"):
            return run(NUMPY, program, inputs)[program.output]

    def backward(grad_output: Array, **inputs: Any) -> dict[str, Array]:
        with np.errstate(all="ignore"):
            return reverse(NUMPY, program, run(NUMPY, program, inputs), grad_output, change)

    def reference(**inputs: Any) -> Any:
        return run(jax_backend(), program, inputs)[program.output]

    return forward, backward, reference


def check(program: Program, change: Change | None = None, *, with_reference: bool = True, diagnose: bool = True) -> Any:
    """What the judge says of it; that it can be printed belongs to it."""
    import crosscheck

    forward, backward, reference = functions(program, change)
    result = crosscheck.check(
        forward,
        backward,
        program.inputs,
        reference if with_reference else None,
        grad_output=program.grad_output,
        diagnose=diagnose,
    )
    _ = str(result), result.full()
    return result


def exact_inputs(program: Program) -> dict[str, Any]:
    return {k: exact(v) for k, v in program.inputs.items()}


def exact_run(program: Program, after: Callable[[str, Any], Any] | None = None) -> dict[str, Any]:
    return run(EXACT, program, exact_inputs(program), after)


def exact_reverse(program: Program, values: dict[str, Any], change: Change | None = None) -> dict[str, Any]:
    return reverse(EXACT, program, values, exact(program.grad_output), change)
