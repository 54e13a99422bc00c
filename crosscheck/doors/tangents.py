"""Hand-derived forward mode: tangents of the inputs in, the tangent of the output out, judged entry by entry.

Along a random direction t, which moves one input k alone, every output gets a step of its own:

    G(s)ᵢ = fᵢ(x + (sᵢ − 1) t)         ∂G(s)ᵢ/∂sᵢ = (J(x + (sᵢ − 1) t) t)ᵢ                          (1)

At the point of the check all s are one, and (1) is ẏ, for which the user's code is asked: one gradient with an entry
for every output, of which every witness speaks. There is one for each input, and so the report names the input whose
tangent is wrong or dropped, and one for all inputs at once, which shows what the code makes of tangents that meet.

The first direction is dense, at the user's point. The second leaves out every other entry, is smaller, and is taken at
another point: the same values in other places. Of very many outputs, neighbours share a step, and an entry is the sum
of their ẏ with random weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from crosscheck.doors.door import door
from crosscheck.doors.functions import structure_of
from crosscheck.doors.jacobians import called
from crosscheck.doors.numbers import is_complex
from crosscheck.doors.rows import reworded
from crosscheck.doors.signatures import by_name
from crosscheck.doors.structure import Structure
from crosscheck.evidence.reason import Diagnosis
from crosscheck.evidence.result import Result
from crosscheck.evidence.wording import listed
from crosscheck.floats import root_mean_square
from crosscheck.judge import judge
from crosscheck.operation import Array, Arrays, Operation, checked_inputs
from crosscheck.recorder.values import is_recorded

MOST_STEPS_ALONE = 64  # with more outputs than this, neighbours share a step,
STEPS_SHARED = 8  # and there are so many of them
TOGETHER = "all inputs at once"
DIRECTIONS = 2


@door
def check_jvp(
    forward: Callable[..., Any],
    tangent: Callable[..., Any],
    inputs: Mapping[str, Any],
    reference: Callable[..., Any] | None = None,
    *,
    wrt: tuple[str, ...] | None = None,
    convention: str | None = None,
    seed: int = 0,
    diagnose: bool = True,
    budget: float | None = None,
    name: str | None = None,
) -> Result:
    """Check a hand-derived tangent (Jacobian-vector product, forward mode).

    Args:
        forward: `forward(**inputs) -> y`, NumPy; y is an array, or nested (see `check`).
        tangent: `tangent(tangents, **inputs) -> ẏ`, NumPy. `tangents` has the names and the structure of the inputs, a
            float for each float, zeros where an input does not move, and None for what is no float; ẏ has the structure
            and shapes of y. None for an array of ẏ is judged as zero.
        inputs: arrays by name, float64 or float32 or complex, or nested values of arrays (see `check`).
        reference: `reference(**inputs) -> y`, the same forward in jax.numpy. None: the forward is recorded, where it
            can be.
        wrt: the inputs that move, or leaves of them; None: every floating one.
        convention: not asked for: a tangent of complex numbers is complex, and there is only one.
        seed, diagnose, budget, name: as in `check`.

    Returns:
        A `Result` with a gradient for every leaf that moves, and "all inputs at once" where there are several. Its
        entries are those of ẏ for two directions, times random weights.

    Raises:
        TypeError, ValueError: the inputs or what the functions returned have the wrong type or shape.
    """
    for argument, function in (("forward", forward), ("tangent", tangent)):
        called(argument, function)
    operation = in_steps(forward, tangent, inputs, reference, wrt=wrt, convention=convention, seed=seed)
    operation = replace(operation, name=name or operation.name)
    result = judge(operation, seed=seed, diagnose=diagnose, budget=budget)
    return reworded(alone_first(result), WORDS)


def alone_first(result: Result) -> Result:
    """The result without a reason for all inputs at once where one alone is wrong already."""
    wrong = [name for name, g in result.gradients.items() if g.verdict == "disagree"]
    if TOGETHER not in wrong or len(wrong) < 2:
        return result
    alone = listed(name for name in wrong if name != TOGETHER)
    reason = Diagnosis("alone", f"the gradient of {TOGETHER} is wrong because that of {alone} is", {})
    diagnoses = {**result.reasons.diagnoses, TOGETHER: (reason,)}
    return replace(result, reasons=replace(result.reasons, diagnoses=diagnoses))


def in_steps(
    forward: Callable[..., Any],
    tangent: Callable[..., Any],
    inputs: Mapping[str, Any],
    reference: Callable[..., Any] | None = None,
    *,
    wrt: tuple[str, ...] | None = None,
    convention: str | None = None,
    seed: int = 0,
) -> Operation:
    """(1) as an operation of the steps, whose backward is the tangent; the arguments are those of `check_jvp`."""
    structure = structure_of(forward, inputs, convention or "pytorch")
    arrays, names = checked_inputs(structure.arrays, structure.names(wrt))
    known = None if reference is None else by_name("the reference", reference, tuple(structure.inputs))
    return Steps(structure, forward, tangent, arrays, names, seed).operation(known)


# What the judge says of a gradient's (direction, output), said of a tangent.
WORDS = {
    "the gradient of ": "the tangent along ",
    "d/d ": "tangent along ",
    "sample ": "direction ",
    "samples ": "directions ",
    " feature ": " output ",
    " features ": " outputs ",
}


class Steps:
    """(1), for every input alone and for all at once.

    Args:
        structure: of the user's inputs and outputs.
        forward, tangent: the user's.
        arrays: the point.
        names: the leaves that move.
    """

    __slots__ = ("base", "count", "groups", "moving", "size", "structure", "tangent", "y_shape")

    def __init__(
        self,
        structure: Structure,
        forward: Callable[..., Any],
        tangent: Callable[..., Any],
        arrays: Arrays,
        names: tuple[str, ...],
        seed: int,
    ) -> None:
        rng = np.random.default_rng([seed, 8])
        y = np.asarray(structure.run(forward, {k: a.copy() for k, a in arrays.items()}))
        self.structure, self.tangent = structure, tangent
        self.y_shape, self.size = y.shape, y.size
        self.base = [arrays, elsewhere(structure, forward, arrays, names, y, rng)]
        # By what moves: in each direction, the tangents of the leaves that move.
        which: dict[str, tuple[str, ...]] = {name: (name,) for name in names}
        if len(names) > 1:
            which[TOGETHER] = names
        self.moving: dict[str, list[Arrays]] = {
            name: [{k: direction(arrays[k], r, rng) for k in leaves} for r in range(DIRECTIONS)]
            for name, leaves in which.items()
        }
        # The step of each output; where there are fewer steps than outputs, neighbours share one.
        self.count = self.size if self.size <= MOST_STEPS_ALONE else STEPS_SHARED
        self.groups = np.arange(self.size) * self.count // max(self.size, 1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the steps of what moves."""
        alone = self.size <= MOST_STEPS_ALONE
        return (DIRECTIONS, *(self.y_shape if alone else (STEPS_SHARED,)))

    def operation(self, reference: Callable[..., Any] | None) -> Operation:
        """As a function of the steps."""
        forward = self.structure.forward
        dtype = min((a.dtype for t in self.moving.values() for a in t[0].values()), key=lambda d: d.itemsize)
        steps = {name: np.ones(self.shape, dtype) for name in self.moving}

        def run(values: Arrays) -> Any:
            return self.outputs(lambda at: np.reshape(self.structure.run(forward, at), (-1,)), values)

        def back(v: Array, values: Arrays) -> Arrays:
            return self.gradients(v, values)

        def referred(**values: Any) -> Any:
            assert reference is not None
            return self.of_reference(reference, values)

        name = getattr(forward, "__name__", "forward")
        return Operation(name, run, back, steps, tuple(steps), None if reference is None else referred)

    # ------------------------------------------------------------------ points

    def flat(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The steps by what moves, as (DIRECTIONS, number of steps)."""
        return {k: values[k].reshape((DIRECTIONS, -1)) for k in self.moving}

    def point(self, r: int, steps: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs after one step of each that moves."""
        found: dict[str, Any] = dict(self.base[r])
        for name, step in steps.items():
            for k, t in self.moving[name][r].items():
                found[k] = found[k] + (step - 1) * t
        return found

    def outputs(self, function: Callable[[dict[str, Any]], Any], values: Arrays) -> Any:
        """G."""
        flat = self.flat(values)
        found: list[Any] = []
        for r in range(DIRECTIONS):
            known: dict[bytes, Any] = {}
            pieces: list[Any] = []
            for group in range(self.count):
                steps = {k: a[r, group] for k, a in flat.items()}
                recorded = any(map(is_recorded, steps.values()))
                key = b"" if recorded else b"".join(a.tobytes() for a in steps.values())
                if recorded or key not in known:
                    y = function(self.point(r, steps))
                    known[key] = y if recorded else np.array(y)  # a copy: the code may fill the same array again
                pieces.append(known[key][self.groups == group])
            found.append(np.concatenate(pieces) if pieces else np.zeros(0))
        return np.reshape(np.stack(found), (DIRECTIONS, *self.y_shape))

    def gradients(self, v: Array, values: Arrays) -> Arrays:
        """(1) by the user's code, times v."""
        flat, weights = self.flat(values), v.reshape((DIRECTIONS, -1))
        found = {k: np.zeros(a.shape, np.result_type(a, v)) for k, a in flat.items()}
        for r in range(DIRECTIONS):
            points, which = np.unique(np.stack([a[r] for a in flat.values()]), axis=1, return_inverse=True)
            for p in range(points.shape[1]):
                here = (which.ravel() == p)[self.groups]
                at = self.point(r, dict(zip(flat, points[:, p], strict=True)))
                for name in flat:
                    moved = self.asked(r, name, at)
                    np.add.at(found[name][r], self.groups[here], weights[r][here] * moved[here])
        return {k: np.reshape(a, values[k].shape) for k, a in found.items()}

    def asked(self, r: int, name: str, at: Arrays) -> Array:
        """ẏ of the user's code, as the vector of outputs."""
        t = {k: np.zeros_like(a) if a.dtype.kind == "f" else a for k, a in at.items()}
        t |= {k: np.array(d, dtype=at[k].dtype) for k, d in self.moving[name][r].items()}
        tangents = self.structure.nested(t, others=None)
        returned = self.tangent(tangents, **self.structure.nested({k: np.array(a) for k, a in at.items()}))
        return np.reshape(self.structure.packed_tangent(returned, at), (-1,))

    def of_reference(self, reference: Callable[..., Any], values: Mapping[str, Any]) -> Any:
        """G of the reference."""
        jax = import_module("jax")
        jnp = jax.numpy
        flat, each = self.flat(values), np.arange(self.size)
        found: list[Any] = []
        for r in range(DIRECTIONS):

            def outputs(steps: Any, r: int = r) -> Any:
                at = self.point(r, steps)
                return jnp.ravel(self.structure.of_reference(reference(**self.structure.nested(at)), at))

            if self.size:
                found.append(jax.vmap(outputs)({k: a[r] for k, a in flat.items()})[self.groups, each])
        return jnp.reshape(jnp.stack(found), (DIRECTIONS, *self.y_shape))


# ---------------------------------------------------------------------- directions, and another point


def direction(x: Array, number: int, rng: np.random.Generator) -> Array:
    """A tangent of x: an eighth of its typical size, of both signs; of the second, every other entry is zero."""
    scale = root_mean_square(x) or 1.0
    t = rng.uniform(0.5, 1.5, x.shape) * rng.choice([-1.0, 1.0], x.shape) * scale / 8
    if number and x.size > 1:
        t = t * (np.arange(x.size).reshape(x.shape) % 2) / 4
    return np.asarray(t, x.dtype)


def elsewhere(
    structure: Structure,
    forward: Callable[..., Any],
    arrays: Arrays,
    names: tuple[str, ...],
    y: Array,
    rng: np.random.Generator,
) -> Arrays:
    """The same values in other places, where the forward takes them; else the point itself."""
    other = {k: rng.permutation(a.ravel()).reshape(a.shape) if k in names else a for k, a in arrays.items()}
    try:
        with np.errstate(all="ignore"):
            there = np.asarray(structure.run(forward, {k: a.copy() for k, a in other.items()}))
    except Exception:  # the point is ours: that the code refuses it is no fault
        return arrays
    fits = there.shape == y.shape and not is_complex(there) and bool(np.isfinite(there).all())
    return other if fits else arrays
