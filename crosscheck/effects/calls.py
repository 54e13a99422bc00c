"""The calls of one audit: the code under audit, the points A and B, and what was found so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crosscheck.effects.arrays import Array, Arrays, copied, far, fresh
from crosscheck.evidence.finding import Finding
from crosscheck.operation import Operation, as_array

Close = Callable[[str, Array, Array], bool]
Gradients = Callable[[Arrays, Array], Arrays]

# Findings about what the code remembers: with one of them, comparing further answers says nothing new.
STATE = ("stale", "accumulates", "nondeterministic")


class Calls:
    """Calls the code with arrays that it could spoil, and collects the findings."""

    def __init__(
        self,
        operation: Operation,
        v: Array,
        other_inputs: Arrays,
        w: Array,
        close: Close,
        truth_at_other: Arrays | None,
        vjp: Gradients | None,
    ) -> None:
        self.operation = operation
        self.a = {k: fresh(x) for k, x in operation.inputs.items()}
        self.b = {k: fresh(other_inputs[k]) for k in self.a}
        self.v, self.w = fresh(v), fresh(w)
        self.close = close
        self.truth_at_other = truth_at_other
        self.vjp = vjp
        self.findings: dict[tuple[str, str], Finding] = {}
        # Every array handed to the code stays alive, so that no identity is used twice.
        self.kept: list[Any] = []

    # ------------------------------------------------------------------ findings

    def add(self, kind: str, explanation: str, *, fails: bool = False) -> None:
        self.findings.setdefault((kind, explanation), Finding(kind, explanation, fails))

    def found(self, *kinds: str) -> bool:
        return any(kind in kinds for kind, _ in self.findings)

    # ------------------------------------------------------------------ calls

    def forward(self, inputs: Arrays) -> Any:
        self.kept.append(inputs)
        returned = self.operation.forward(dict(inputs))
        as_array(returned, f"forward of {self.operation.name}", "one array")
        return returned

    def backward(self, v: Array, inputs: Arrays) -> dict[str, Any]:
        """The raw gradients by name, just as they were returned."""
        self.kept.append((v, inputs))
        returned = self.operation.backward(v, dict(inputs))
        names = self.operation.wrt
        if not isinstance(returned, Mapping) or any(k not in returned for k in names):
            self.operation.gradients(self.v)  # says what is wrong, in its own words
            raise TypeError(f"backward of {self.operation.name} returns no dictionary of gradients")
        for k in names:
            as_array(returned[k], f"gradient {k} of {self.operation.name}", "an array")
        return {k: returned[k] for k in names}

    def plain(self, v: Array | None = None, inputs: Arrays | None = None) -> Arrays:
        """One backward in arrays made for it, copied."""
        inputs = self.a if inputs is None else inputs
        fresh_inputs = {k: fresh(x) for k, x in inputs.items()}
        return copied(self.backward(fresh(self.v if v is None else v), fresh_inputs))

    def variant(self, change: Callable[[Array], Array]) -> Arrays | Exception:
        """The answer at A with every array, the cotangent included, replaced by a variant of itself."""
        try:
            inputs = {k: change(x) for k, x in self.a.items()}
            return copied(self.backward(change(self.v), inputs))
        except Exception as error:
            return error

    # ------------------------------------------------------------------ comparisons of answers

    def unequal(self, answer: Arrays, wanted: Arrays, factor: float = 1.0) -> list[str]:
        """The names whose answer, divided by `factor` (a power of two), is not the wanted one within rounding."""
        return [
            k
            for k in wanted
            if answer[k].shape != wanted[k].shape
            or not self.close(k, answer[k] / answer[k].dtype.type(factor), wanted[k])
        ]

    def right(self, names: list[str], first: Arrays) -> list[str]:
        """Those that are right at A, as far as is known: what is wrong everywhere is the formula's fault."""
        if not names or self.vjp is None:
            return names
        truth = self.vjp(self.a, self.v)
        return [k for k in names if not far(first[k], truth[k])]


def describe(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    return text.splitlines()[0][:200]


def listed(names: list[str]) -> str:
    return ", ".join(names)
