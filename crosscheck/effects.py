"""Side effects: what a backward pass does besides returning gradients.

An ordinary check calls the code once, with arrays that it owns, and sees none of this. Here two points A and B are
visited with arrays that the code could spoil, and what it did to them is looked at. Two forwards and three backwards
when all is well:

    1  forward at A    are the arguments unchanged, byte for byte?
    2  backward at A   in the same arrays; the answer is copied at once, and the copy is judged
    3  both at B       written into the same array objects: memory of identities shows
    4  backward at A   read-only, every second element of a larger array, cotangent -2v:
                       must be -2 times answer 2

Only when 4 differs are further calls made, one change at a time, to name the cause. A batch of zero is tried at the
end on two small calls.

Written arguments, answers that differ between identical calls, and stale answers are wrong whatever the numbers say.
The rest is told, and fails only where a returned value is wrong by it. A layer's gradients may be views of its own
state; that is no finding until they change under the caller's hands.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crosscheck.operation import Operation, as_array
from crosscheck.result import Finding

Array = np.ndarray
Arrays = dict[str, Array]
Close = Callable[[str, Array, Array], bool]
Gradients = Callable[[Arrays, Array], Arrays]

# A stale answer is far from the right one. This is no agreement threshold: it can only keep an accusation back.
FAR = 1e-3
# Findings about what the code remembers: with one of them, comparing further answers says nothing new.
STATE = ("stale", "accumulates", "nondeterministic")
# Work that an exact test for shared memory may take; beyond it the arrays count as apart.
OVERLAP_WORK = 10**5


@dataclass
class Audit:
    """What was found, and the answers that were had on the way.

    Args:
        findings: in the order of importance: those that fail first.
        gradients: the first answer ever, at A, copied before anything else could touch it.
        output: y at A.
        gradients_at_other, output_at_other: the same at B; empty and None if the code refused B.
    """

    findings: list[Finding]
    gradients: Arrays
    output: Array
    gradients_at_other: Arrays = field(default_factory=dict)
    output_at_other: Array | None = None


def audit(
    operation: Operation,
    v: Array,
    other_inputs: Arrays,
    w: Array,
    close: Close,
    truth_at_other: Arrays | None = None,
    *,
    vjp: Gradients | None = None,
) -> Audit:
    """Call the operation at two points in ways that show its side effects.

    Args:
        operation: at point A.
        v: the cotangent at A, in the dtype that the code expects.
        other_inputs, w: point B, of the same shapes and dtypes, with other values.
        close: close(name, p, q): whether two answers at A for one input are equal within rounding.
        truth_at_other: the true gradients at B, if known.
        vjp: (inputs, cotangent) -> true gradients, if known; asked only on suspicion. With both, a
            cache that was filled once and for all shows too, and a formula that is wrong everywhere is not called
            stale.

    Returns:
        An `Audit`. An exception of the user's code on plain arrays at A passes through; one on read-only, strided or
        empty arrays is a finding.
    """
    return Auditor(operation, v, other_inputs, w, close, truth_at_other, vjp).run()


class Auditor:
    """The calls of one audit, in order; see the module's docstring."""

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

    def add(self, kind: str, explanation: str, *, fails: bool = False) -> None:
        self.findings.setdefault((kind, explanation), Finding(kind, explanation, fails))

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

    # ------------------------------------------------------------------ the four steps

    def run(self) -> Audit:
        buffers = {k: fresh(x) for k, x in self.a.items()}
        y = np.asarray(self.forward(buffers))
        output = y.copy()
        self.written(buffers, self.a, "forward")
        self.dtype_of("the output", y, self.operation.dtype)

        refill(buffers, self.a)
        cotangent = fresh(self.v)
        raw = self.backward(cotangent, buffers)
        first = copied(raw)
        self.written(buffers, self.a, "backward", cotangent, self.v)
        self.shared(raw, buffers, cotangent)
        for k in self.operation.wrt:
            self.dtype_of(f"the gradient of {k}", np.asarray(raw[k]), self.a[k].dtype)
        if not same_bytes(y, output):
            self.add("aliased", "backward overwrites the array that forward returned")

        y_other, other = self.elsewhere(buffers)
        if y_other is not None and not same_bytes(y, output) and not touches(y, buffers.values()):
            self.add("aliased", "a call of forward overwrites the array that the last one returned")
        self.repeated(first, other)
        self.again(first)
        changed = [k for k in first if not same_bytes(np.asarray(raw[k]), first[k])]
        changed = [k for k in changed if not touches(np.asarray(raw[k]), [*buffers.values(), cotangent])]
        if changed and not self.found("accumulates"):
            self.add(
                "aliased",
                f"the array returned as the gradient of {listed(changed)} is overwritten by the next call: copy it",
            )
        if other is not None:
            self.remembered(first, other)
        if not self.found(*STATE):
            self.empty_batch(output)
        found = sorted(self.findings.values(), key=lambda f: not f.fails)
        return Audit(found, first, output, other or {}, y_other)

    def elsewhere(self, buffers: Arrays) -> tuple[Array | None, Arrays | None]:
        """Step 3: output and gradients at B, in the arrays that held A."""
        try:
            refill(buffers, self.b)
            y = np.asarray(self.forward(buffers)).copy()
            self.written(buffers, self.b, "forward")
            refill(buffers, self.b)
            cotangent = fresh(self.w)
            other = copied(self.backward(cotangent, buffers))
            self.written(buffers, self.b, "backward", cotangent, self.w)
        except Exception:
            # B is the judge's choice, and the code may refuse it; what it refuses at A as well passes through.
            self.plain()
            return None, None
        return y, other

    def repeated(self, first: Arrays, other: Arrays | None) -> None:
        """Whether the answer at B is that at A."""
        same = [k for k in finite(first) if other and first[k].any() and same_bytes(first[k], other[k])]
        same = self.right(same, first)
        if same:
            self.add(
                "stale",
                f"the gradient of {listed(same)} at a second point is that of the first",
                fails=True,
            )

    def again(self, first: Arrays) -> None:
        """Step 4: A once more, read-only, strided, times -2."""
        inputs = {k: locked(strided(x)) for k, x in self.a.items()}
        try:
            answer = copied(self.backward(locked(strided(-2 * self.v)), inputs))
        except Exception:
            answer = None
        if answer is None or self.unequal(answer, first, -2.0):
            self.isolate(first)

    def unequal(self, answer: Arrays, wanted: Arrays, factor: float = 1.0) -> list[str]:
        """The names whose answer, divided by `factor` (a power of two), is not the wanted one within rounding."""
        return [
            k
            for k in wanted
            if answer[k].shape != wanted[k].shape
            or not self.close(k, answer[k] / answer[k].dtype.type(factor), wanted[k])
        ]

    # ------------------------------------------------------------------ naming the cause

    def isolate(self, first: Arrays) -> None:
        """One change at a time, until one of them explains why step 4 differed."""
        answers = [self.plain() for _ in range(3)]
        for k in first:
            states = [first[k], *(r[k] for r in answers)]
            if any(s.shape != first[k].shape for s in states):
                self.add("nondeterministic", f"the gradient of {k} changes its shape", fails=True)
                return
            steady = all(self.close(k, s, states[1]) for s in states[2:])
            if steady and self.close(k, states[1], first[k]):
                continue
            grown = states[2] - states[1], states[3] - states[2]
            if steady:
                self.add(
                    "stale",
                    f"the gradient of {k} at one point changes after a call at another point",
                    fails=True,
                )
            elif far(first[k] + grown[0], first[k]) and not far(grown[1], grown[0]):
                self.add(
                    "accumulates",
                    f"the gradient of {k} grows by the same amount with every call",
                    fails=True,
                )
            else:
                self.add(
                    "nondeterministic",
                    f"the gradient of {k} differs between identical calls",
                    fails=True,
                )
        if self.found(*STATE):
            return
        explained = [self.read_only(first), self.not_contiguous(first), self.linear(first)]
        if not any(explained):
            self.add("nondeterministic", "one of several equal calls gave another answer", fails=True)

    def found(self, *kinds: str) -> bool:
        return any(kind in kinds for kind, _ in self.findings)

    def variant(self, change: Callable[[Array], Array]) -> Arrays | Exception:
        """The answer at A with every array, the cotangent included, replaced by a variant of itself."""
        try:
            inputs = {k: change(x) for k, x in self.a.items()}
            return copied(self.backward(change(self.v), inputs))
        except Exception as error:
            return error

    def read_only(self, first: Arrays) -> bool:
        answer = self.variant(lambda x: locked(fresh(x)))
        if isinstance(answer, Exception):
            if writes(answer):
                self.add(
                    "mutated-argument",
                    "backward writes to an argument or to the cotangent (if only equal values): on "
                    f"read-only arrays it raises {describe(answer)}",
                    fails=True,
                )
            else:
                self.add("readonly", f"read-only arrays are refused: {describe(answer)}")
            return True
        wrong = self.unequal(answer, first)
        if wrong:
            self.add(
                "readonly",
                f"the gradient of {listed(wrong)} is wrong for read-only arrays",
                fails=True,
            )
        return bool(wrong)

    def not_contiguous(self, first: Arrays) -> bool:
        answer = self.variant(strided)
        if isinstance(answer, Exception):
            self.add("noncontiguous", f"non-contiguous arrays are refused: {describe(answer)}")
            return True
        wrong = self.unequal(answer, first)
        if wrong:
            self.add(
                "noncontiguous",
                f"the gradient of {listed(wrong)} is wrong for non-contiguous arrays",
                fails=True,
            )
        return bool(wrong)

    def linear(self, first: Arrays) -> bool:
        wrong = self.unequal(self.plain(-2 * self.v), first, -2.0)
        if wrong:
            self.add(
                "nonlinear",
                f"the gradient of {listed(wrong)} is not linear in the cotangent: -2v does not give -2 times it",
                fails=True,
            )
        return bool(wrong)

    # ------------------------------------------------------------------ caches

    def remembered(self, first: Arrays, other: Arrays) -> None:
        """Whether the answer at B, in the arrays that held A, was made from something of A's."""
        if self.found(*STATE):
            return
        suspects = [k for k in finite(first) if np.isfinite(other[k]).all()]
        if self.truth_at_other is not None:
            suspects = [k for k in suspects if far(other[k], self.truth_at_other[k])]
        if not suspects:
            return
        try:
            alone = self.plain(self.w, self.b)
            by_identity = [k for k in suspects if far(other[k], alone[k])]
            if by_identity:
                self.add(
                    "stale",
                    f"the gradient of {listed(by_identity)} is that of earlier values of the same array objects",
                    fails=True,
                )
            elif self.truth_at_other is not None:
                self.first_for_ever(self.right(suspects, first), other)
        except Exception:  # B again: the code may refuse what it took before, and then nothing can be said
            return

    def right(self, names: list[str], first: Arrays) -> list[str]:
        """Those that are right at A, as far as is known: what is wrong everywhere is the formula's fault."""
        if not names or self.vjp is None:
            return names
        truth = self.vjp(self.a, self.v)
        return [k for k in names if not far(first[k], truth[k])]

    def first_for_ever(self, suspects: list[str], other: Arrays) -> None:
        """Right at A, wrong at B, and at B what would be true if one input still were that of A."""
        if not suspects or self.vjp is None:
            return
        for name, values in self.a.items():
            if same_bytes(values, self.b[name]):
                continue
            mixed = self.vjp({**self.b, name: values}, self.w)
            held = [k for k in suspects if not far(other[k], mixed[k])]
            if held:
                self.add(
                    "stale",
                    f"the gradient of {listed(held)} is right at the first point only, as if the "
                    f"first {name} were used for ever",
                    fails=True,
                )
                return

    # ------------------------------------------------------------------ looks at arrays

    def written(
        self,
        given: Arrays,
        wanted: Arrays,
        who: str,
        cotangent: Array | None = None,
        wanted_cotangent: Array | None = None,
    ) -> None:
        for k in given:
            if not same_bytes(given[k], wanted[k]):
                self.add("mutated-argument", f"{who} writes to its argument {k}", fails=True)
        if cotangent is None or wanted_cotangent is None:
            return
        if not same_bytes(cotangent, wanted_cotangent):
            self.add("mutated-argument", f"{who} writes to the cotangent", fails=True)

    def shared(self, raw: dict[str, Any], arguments: Arrays, cotangent: Array) -> None:
        names = list(raw)
        for i, k in enumerate(names):
            gradient = np.asarray(raw[k])
            for name, argument in arguments.items():
                if overlap(gradient, argument):
                    self.add("aliased", f"the gradient of {k} shares memory with the argument {name}")
            if overlap(gradient, cotangent):
                self.add("aliased", f"the gradient of {k} shares memory with the cotangent")
            for other in names[i + 1 :]:
                if overlap(gradient, np.asarray(raw[other])):
                    self.add("aliased", f"the gradients of {k} and {other} share memory")

    def dtype_of(self, what: str, value: Array, wanted: np.dtype) -> None:
        if value.dtype != wanted:
            lost = value.dtype.kind == "f" and value.dtype.itemsize < wanted.itemsize
            verb = "loses precision" if lost else "changes its dtype"
            self.add("dtype", f"{what} {verb}: {value.dtype} instead of {wanted}")

    # ------------------------------------------------------------------ a batch of zero

    def empty_batch(self, output: Array) -> None:
        """Try no samples at all, where it is clear which axis counts samples; else say nothing."""
        batched = self.batched(output)
        if batched is None:
            return
        inputs = {k: rows(x, 0) if k in batched else fresh(x) for k, x in self.a.items()}
        shape = (0, *output.shape[1:])
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                y = np.asarray(self.forward(inputs))
                answer = copied(self.backward(np.zeros(shape, self.v.dtype), inputs))
            except Exception as error:
                self.add("zero-size", f"a batch of zero samples is refused: {describe(error)}")
                return
        if y.shape != shape:
            self.add(
                "zero-size",
                f"a batch of zero samples gives an output of shape {y.shape}, not {shape}",
            )
        for k, gradient in answer.items():
            if gradient.shape != inputs[k].shape:
                self.add(
                    "zero-size",
                    f"a batch of zero samples gives a gradient of {k} of shape {gradient.shape}, not {inputs[k].shape}",
                )
            elif not np.isfinite(gradient).all():
                self.add(
                    "zero-size",
                    f"a batch of zero samples gives a gradient of {k} that is not finite",
                )
            elif gradient.any():
                self.add(
                    "zero-size",
                    f"a batch of zero samples gives a gradient of {k} that is not zero",
                    fails=True,
                )

    def batched(self, output: Array) -> set[str] | None:
        """The inputs whose leading axis counts samples, established by a call with another number of them.

        That call is made with one sample (with two, if there is one): its output must have that many.
        """
        first = self.operation.wrt[0]
        size = self.a[first].shape[0] if self.a[first].ndim else 0
        if size == 0 or output.ndim == 0 or output.shape[0] != size:
            return None
        along = {k for k, x in self.a.items() if x.ndim and x.shape[0] == size}
        samples = 1 if size > 1 else 2
        undifferentiated = {k for k in along if k not in self.operation.wrt}
        candidates = []
        for names in ({first}, {first} | undifferentiated, along):
            if names not in candidates:
                candidates.append(names)
        for names in candidates:
            inputs = {k: rows(x, samples) if k in names else fresh(x) for k, x in self.a.items()}
            try:
                with np.errstate(all="ignore"), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    y = np.asarray(self.forward(inputs))
            except Exception:  # not these inputs
                continue
            if y.shape == (samples, *output.shape[1:]):
                return names
        return None


# ---------------------------------------------------------------------- arrays


def fresh(a: Array) -> Array:
    """A contiguous private copy."""
    return np.array(a, copy=True, order="C")


def copied(gradients: Mapping[str, Any]) -> Arrays:
    return {k: np.array(g, copy=True) for k, g in gradients.items()}


def refill(buffers: Arrays, values: Arrays) -> None:
    for k, a in buffers.items():
        np.copyto(a, values[k])


def locked(a: Array) -> Array:
    """Read-only."""
    a.flags.writeable = False
    return a


def strided(a: Array) -> Array:
    """The same values as every second element of a larger array, with poison between."""
    if a.ndim == 0 or a.size == 0:
        return fresh(a)
    larger = np.empty((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    if a.dtype.kind == "f":
        larger[...] = np.finfo(a.dtype).max ** 0.25  # huge, and its square still a number
    elif a.dtype.kind in "iu":
        larger[...] = np.iinfo(a.dtype).max
    else:
        larger[..., 1::2] = ~a
    larger[..., ::2] = a
    return larger[..., ::2]


def rows(a: Array, n: int) -> Array:
    """n samples: the first ones, the last one repeated if there are too few."""
    return fresh(a[:n]) if n <= len(a) else np.repeat(a, n, axis=0)


def finite(answer: Arrays) -> list[str]:
    """The names whose gradient is finite everywhere; of NaN no comparison says anything."""
    return [k for k, a in answer.items() if np.isfinite(a).all()]


def same_bytes(a: Array, b: Array) -> bool:
    """Bit for bit, NaN and signed zeros included; shapes and dtypes too."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.itemsize not in (1, 2, 4, 8):  # longdouble has bytes that mean nothing
        return np.array_equal(a, b, equal_nan=True)
    unsigned = f"u{a.dtype.itemsize}"
    return np.array_equal(
        np.ascontiguousarray(a).reshape(-1).view(unsigned),
        np.ascontiguousarray(b).reshape(-1).view(unsigned),
    )


def overlap(a: Array, b: Array) -> bool:
    if not np.may_share_memory(a, b):
        return False
    try:
        return np.shares_memory(a, b, max_work=OVERLAP_WORK)  # pyright: ignore[reportArgumentType]
    except np.exceptions.TooHardError:
        return False


def touches(a: Array, others: Any) -> bool:
    return any(overlap(a, other) for other in others)


def far(a: Array, b: Array) -> bool:
    """Whether two answers have nothing to do with rounding: apart by more than FAR of the larger."""
    if a.shape != b.shape:
        return True
    with np.errstate(all="ignore"):
        gap = np.max(np.abs(a - b), initial=0.0)
        size = max(np.max(np.abs(a), initial=0.0), np.max(np.abs(b), initial=0.0))
    return not gap <= FAR * size


def writes(error: Exception) -> bool:
    """Whether NumPy raised because a read-only array was written to."""
    text = str(error)
    return isinstance(error, ValueError) and (
        "assignment destination is read-only" in text or "output array is read-only" in text
    )


def describe(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    return text.splitlines()[0][:200]


def listed(names: list[str]) -> str:
    return ", ".join(names)
