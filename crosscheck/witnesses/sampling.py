"""Evaluating a forward at moved entries, and reading differences off it.

All outputs are differenced first and contracted with the cotangent v afterwards, so that outputs which do not depend on
the entry contribute no noise:

    D(h) = Σ_o v_o (f_o(x + h) - f_o(x - h)) / 2h                      the difference             (1)
    S(h) = Σ_o |v_o| |f_o(x + h) - 2 f_o(x) + f_o(x - h)| / h          the jump in slope          (2)
    N(h) = Σ_o |v_o| n_o / h                                           noise, n_o the error of f_o (3)

n_o is what `noise` measured at x, and at least one ulp of f_o(x ± h): far from x the outputs may be larger. An output
that no step moves may yet depend on the entry: something inside has absorbed it, larger than the effect by 1/u. How
large is not seen at x (-log of a softmax of 1 is 0); a step far away shows a size, and one ulp of it is what such an
output may hide. Only an output of which the groups say that it belongs to another entry hides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosscheck.witnesses.extrapolation import STEPS, WEIGHTS, Answer, Samples, answer_of, flat
from crosscheck.witnesses.noise import Function, measured_noise, unit_of

Array = np.ndarray


class Contaminated(Exception):
    """An output moved that belongs to no entry of its group: the pattern behind the groups is wrong."""


@dataclass
class Group:
    """Entries that are moved in one evaluation, and the derivatives that are read off it.

    `entries` are flat indices into x; `owner[o]` says into which of the `members` derivatives output o is summed, -1
    for none. Usually a member is an entry (no output depends on two of them); a single entry with one member per
    output gives a column of the Jacobian. `owner` None: one entry, one member, all outputs.
    """

    entries: Array
    owner: Array | None = None
    members: int = 1

    def contract(self, terms: Array) -> Array:
        """Sum the outputs' terms into the entries that own them."""
        if self.owner is None:
            return np.array([terms.sum()])
        if self.owner.min(initial=0) < 0:
            owned = self.owner >= 0
            return np.bincount(self.owner[owned], terms[owned], minlength=self.members)
        return np.bincount(self.owner, terms, minlength=self.members)


def one_by_one(size: int) -> Iterator[Group]:
    for i in range(size):
        yield Group(np.array([i]))


class Forward:
    """A function at a point, counted.

    Args:
        func: x (any shape) -> y (any shape); never sees the caller's own array, always its shape, dtype and layout.
        x: where to differentiate, float64 (or float32, for code that only runs there).
        cotangent: v, the shape of y.
        noise: n_o, the shape of y. None: measured.
    """

    def __init__(self, func: Function, x: Array, cotangent: Array, noise: Array | None = None) -> None:
        self.func = func
        self.x = np.array(x, copy=True)
        self.flat = self.x.ravel()
        self.evaluations = 0
        y = self.call(self.x.copy(order="K"))
        self.unit = unit_of(self.x, y)
        self.y = np.asarray(y, np.float64).ravel()
        self.v = np.asarray(cotangent, np.float64).ravel()
        if self.v.shape != self.y.shape:
            raise ValueError(f"cotangent has {self.v.size} entries, the output has {self.y.size}")
        if noise is None:
            self.n = measured_noise(self.call, self.x, self.y, self.unit)
        else:
            self.n = np.asarray(noise, np.float64).ravel()

    def call(self, x: Array) -> Any:
        self.evaluations += 1
        return self.func(x)

    def evaluate(self, x: Array) -> Array:
        """y elsewhere; NaN where the code refuses a point (a matrix that is no longer positive definite)."""
        with np.errstate(all="ignore"):
            try:
                return np.asarray(self.call(x), np.float64).ravel()
            except Exception:
                return np.full(self.y.shape, np.nan)

    def moved(self, entries: Array, step: Array | float) -> tuple[Array, Array]:
        """y at x + step on the entries, and the step as stored."""
        z = self.x.copy(order="K")
        start = self.flat[entries]
        there = (start + step).astype(z.dtype)
        if z.flags.c_contiguous:
            z.reshape(-1)[entries] = there
        else:
            z.flat[entries] = there
        return self.evaluate(z), there.astype(np.float64) - start


class Stencil:
    """One group at one level: what its five steps say.

    Args:
        reach: by evaluating far away, the size that every output has there. Called only where an output did not move.
    """

    def __init__(self, forward: Forward, group: Group, step: Array, reach: Callable[[], Array]) -> None:
        self.forward, self.group, self.step, self.reach = forward, group, step, reach
        self.jump = np.zeros(forward.y.shape)
        self.jump_noise = np.zeros(forward.y.shape)
        self.moved = np.zeros(forward.y.shape, bool)
        self.width: Array | float = 1.0
        self.terms = np.zeros(group.members)

    def ask(self, done: Array) -> Answer:
        """Three steps where all of the group is flat (or done), five where it is not."""
        samples, edges = [self.sample(k) for k in range(3)], None
        if not (done | flat(samples)).all():
            samples += [self.sample(k) for k in range(3, 5)]
            edges = self.edges()
        said = answer_of(samples, edges)
        return said._replace(bound=said.bound + self.absorbed())

    def sample(self, k: int) -> Samples:
        forward, group, step = self.forward, self.group, self.step * STEPS[k]
        plus, up = forward.moved(group.entries, step)
        minus, down = forward.moved(group.entries, -step)
        up -= down
        half = up / 2  # the steps as stored; x + h rounds
        del up, down
        each = half if group.owner is None or half.size == 1 else half[group.owner]
        weight = WEIGHTS.jump[k]
        with np.errstate(all="ignore"):
            stirred = (plus != forward.y) | (minus != forward.y)
            if group.owner is not None and (stirred & (group.owner < 0)).any():
                raise Contaminated
            self.moved |= stirred
            n = np.abs(plus)
            n = np.maximum(n, np.abs(minus), out=n)
            n *= 2 * forward.unit
            n = np.maximum(n, forward.n, out=n)
            n[~self.moved] = 0.0  # what a larger step has moved is noisy at a smaller one, too, that does not
            n *= 4.0 * abs(weight)
            self.jump_noise += n / each
            n *= np.abs(forward.v) / (4.0 * abs(weight))
            noise = group.contract(n) / half
            second = n  # its memory: there may be ten million outputs
            np.subtract(plus, forward.y, out=second)
            plus -= minus
            minus -= forward.y
            second += minus
            del minus
            self.jump += weight * second / each
            second *= forward.v
            jump = group.contract(np.abs(second, out=second)) / half
            del second, n
            plus *= forward.v
            slope = group.contract(plus) / (2 * half)
            if k < 2:
                self.width = half
                self.terms = group.contract(np.abs(plus)) / (2 * half)
            return Samples(slope, jump, noise)

    def edges(self) -> tuple[Array, Array]:
        """½ Σ|v_o J_o| with its noise, over the outputs where it is seen and over the others."""
        with np.errstate(all="ignore"):
            jump = np.abs(self.jump, out=self.jump)
            seen = jump > self.jump_noise
            jump += self.jump_noise
            self.jump_noise = np.zeros(0)  # ten million outputs: no longer needed
            jump *= np.abs(self.forward.v) / 2
            parts = self.group.contract(np.where(seen, jump, 0.0)), self.group.contract(np.where(seen, 0.0, jump))
        self.jump = np.zeros(0)
        return parts

    def absorbed(self) -> Array | float:
        """What outputs that did not move may hide."""
        v = np.abs(self.forward.v)
        still = ~self.moved & (v > 0)
        if self.group.owner is not None:
            still &= self.group.owner >= 0
        if not still.any():
            return 0.0
        hidden = np.where(still, 2 * self.forward.unit * self.reach(), 0.0)
        return self.group.contract(v * hidden) / self.width
