"""The calls of one audit: the code under audit, the points A and B, what was answered, and what was found so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from crosscheck.effects.arrays import Array, Arrays, copied, fresh
from crosscheck.effects.comparison import FAR, equal
from crosscheck.evidence.finding import Finding
from crosscheck.operation import Truth, as_array

if TYPE_CHECKING:
    from crosscheck.operation import Operation

T = TypeVar("T")
Allowed = Mapping[str, Array | float]

# Findings about what the code remembers.
STATE = ("stale", "accumulates", "nondeterministic")
# Far enough for a digit that is lost in a larger number to be lost otherwise, and far below what a misread array does;
# nearer where the gradient itself moves on that way: a batch of mean 10⁵ and variance 1 is another one within 2^-20.
DISPLACEMENTS = tuple(2.0**-n for n in (20, 28, 36, 44, 50))
DRAWS = 4
# Entries of one call's arrays up to which those of all calls, some dozens, are kept: a quarter of a GiB.
KEPT = 2**20


@dataclass(frozen=True)
class Site:
    """Where the code is called.

    Args:
        inputs: by name.
        cotangent: of the output, in the dtype that the code expects.
        gradients: the true ones, if they are known.
    """

    inputs: Arrays
    cotangent: Array
    gradients: Arrays | None = None


@dataclass(frozen=True, eq=False)
class Change(Generic[T]):
    """One way to call the code, and what it answers. An audit makes it at most once, when it is first asked for.

    Args:
        name: what is not as in the ordinary call.
        call: makes the call, or the few; None says that it could not be made.
        when: whether it is worth making; asked once, before it is made.
    """

    name: str
    call: Callable[[Calls], T | None]
    when: Callable[[Calls], bool] = lambda calls: True


class Calls:
    """Calls the code with arrays that it could spoil, and keeps the answers and the findings.

    Args:
        operation: the code under audit, at A.
        v: the cotangent at A.
        other: B, where it is known from the beginning.
        allowed, truth: as `audit` has them.
    """

    def __init__(
        self,
        operation: Operation,
        v: Array,
        other: Site | None = None,
        allowed: Allowed | None = None,
        truth: Truth | None = None,
    ) -> None:
        self.a = self.b = Site({k: fresh(x) for k, x in operation.inputs.items()}, fresh(v))
        self.go_on(operation, other or self.a, allowed or {}, truth)
        self.buffers = {k: fresh(x) for k, x in self.a.inputs.items()}  # hold A, later B
        self.unit = float(np.finfo(operation.dtype).eps) / 2
        self.answers: dict[Change[Any], Any] = {}
        self.findings: dict[tuple[str, str], Finding] = {}
        # Every array handed to the code stays alive, so that no identity is used twice: code that remembers by identity
        # is told apart. Of large ones there is no room for so many; such code then looks stale, which it is.
        self.kept: list[Any] = []
        self.roomy = sum(x.size for x in (*self.a.inputs.values(), self.a.cotangent)) <= KEPT

    def go_on(self, operation: Operation, other: Site, allowed: Allowed, truth: Truth | None) -> None:
        """What the calls that follow need to know."""
        self.operation, self.allowed, self.truth = operation, allowed, truth
        if other is not self.a:
            self.b = Site({k: fresh(other.inputs[k]) for k in self.a.inputs}, fresh(other.cotangent), other.gradients)

    # ------------------------------------------------------------------ answers and findings

    def answer(self, change: Change[T]) -> T | None:
        """What the code answers to a change; None if it was not worth the call, or could not be made."""
        if change not in self.answers:
            self.answers[change] = change.call(self) if change.when(self) else None
        return self.answers[change]

    def add(self, kind: str, explanation: str, fails: bool) -> None:
        self.findings.setdefault((kind, explanation), Finding(kind, explanation, fails))

    def found(self, *kinds: str) -> bool:
        return any(kind in kinds for kind, _ in self.findings)

    # ------------------------------------------------------------------ calls

    def forward(self, inputs: Arrays) -> Any:
        """The raw output, just as it was returned."""
        self.keep(inputs)
        returned = self.operation.forward(dict(inputs))
        real(returned, f"forward of {self.operation.name}", "one array")
        return returned

    def backward(self, v: Array, inputs: Arrays) -> dict[str, Any]:
        """The raw gradients by name, just as they were returned."""
        self.keep((v, inputs))
        returned = self.operation.backward(v, dict(inputs))
        names = self.operation.wrt
        inputs_named = isinstance(returned, Mapping) and all(k in self.a.inputs for k in returned)
        if not inputs_named or any(k not in returned for k in names):
            self.operation.gradients(self.a.cotangent)  # says what is wrong, in its own words
            raise TypeError(f"backward of {self.operation.name} returns no dictionary of gradients")
        for k in names:
            real(returned[k], f"gradient {k} of {self.operation.name}", "an array")
        return {k: returned[k] for k in names}

    def keep(self, given: Any) -> None:
        if self.roomy:
            self.kept.append(given)

    def plain(self, at: Site) -> Arrays:
        """One backward in arrays made for it, copied."""
        return copied(self.backward(fresh(at.cotangent), {k: fresh(x) for k, x in at.inputs.items()}))

    # ------------------------------------------------------------------ comparison

    def equal(self, name: str, p: Array, q: Array) -> bool:
        """Whether two answers at A for one input are equal within rounding."""
        return equal(p, q, self.allowed.get(name), self.unit)

    def scattered(self, name: str, p: Array, q: Array) -> bool:
        """Whether two answers that are not equal are so within what the code itself loses."""
        own = self.scatter.get(name)
        return own is not None and equal(p, q, own, self.unit)

    @cached_property
    def scatter(self) -> dict[str, float]:
        """How far the gradients move when every number does a little, by the largest of `DISPLACEMENTS` at which they
        stay near (`FAR`).

        Nobody knows how the code rounds; arrays in another order are summed in another order. Asked on suspicion only.
        """
        here, found = self.plain(self.a), dict[str, float]()
        for size in DISPLACEMENTS:
            missing = [k for k in here if k not in found]
            moved = self.moved(here, size) if missing else {}
            # Twice, for two answers, and twice the largest of so few draws.
            found |= {k: 4 * moved[k] for k in missing if moved.get(k, np.inf) <= FAR * largest(here[k])}
        return found

    def moved(self, here: Arrays, size: float) -> dict[str, float]:
        """The largest gap between the gradients and those at points `size` of every number away, or what a dtype has
        that is coarser; nothing where the code refuses one."""
        rng, most = np.random.default_rng(7), dict.fromkeys(here, 0.0)
        # The same arrays for every draw: what was handed to the code is kept, and there may be ten million entries.
        inputs, v = {k: fresh(x) for k, x in self.a.inputs.items()}, fresh(self.a.cotangent)
        for _ in range(DRAWS):
            for moving, x in ((v, self.a.cotangent), *((inputs[k], x) for k, x in self.a.inputs.items())):
                np.copyto(moving, displaced(x, size, rng) if x.dtype.kind == "f" else x)
            try:
                there = copied(self.backward(v, dict(inputs)))
            except Exception:  # the code may refuse points that are not its caller's
                return {}
            for k, a in there.items():
                same = a.shape == here[k].shape
                most[k] = max(most[k], largest(a.astype(np.float64) - here[k]) if same else np.inf)
        return most

    def unequal(self, answer: Arrays, wanted: Arrays) -> list[str]:
        """The names of those that are not."""
        return [k for k in wanted if not self.equal(k, answer[k], wanted[k])]


def displaced(a: Array, size: float, rng: np.random.Generator) -> Array:
    """Every number moved by `size` of itself, up or down."""
    size = max(size, 2 * float(np.finfo(a.dtype).eps))
    return np.asarray(a * (1 + size * rng.choice([-1.0, 1.0], a.shape)), a.dtype)


def largest(a: Array) -> float:
    return float(np.max(np.abs(a), initial=0.0))


def real(value: Any, who: str, wanted: str) -> None:
    """Raise, in the operation's words, unless `value` is an array of real numbers."""
    as_array(value, who, wanted)


def commas(names: list[str]) -> str:
    return ", ".join(names)
