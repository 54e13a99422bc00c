"""What forward returns, and what of it backward takes a gradient of: one array, several outputs, a cache.

    y                     backward(g)                        one output
    y, cache              backward(g, cache)                 one output; what comes with it is handed on as it is
    h, c                  backward(dh, dc)                   two outputs, a gradient of each
    h, c                  backward((dh, dc))                 two outputs, their gradients as they were returned
    h, c, cache           backward(dh, dc, cache)            both
    y, weights            backward(g)                        two outputs, of one of which there is no gradient: said

The judge knows one vector of outputs (`structure`). Which of the rows a layer is, the number of backward's arguments
says. Where that leaves a choice (is `c` an output or a cache?) it is seen: a backward is linear in the gradients that
arrive, and in nothing else, so that it is run with all that might be gradients times -2, in every reading. Where that
does not settle it, either (it ignores the argument), its name does; and `outputs=` says it in any case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from crosscheck.doors.layouts import Layout
from crosscheck.doors.numbers import kind_of
from crosscheck.doors.structure import Structure
from crosscheck.doors.trees import branch, leaves

CACHES = ("cache", "saved", "ctx", "context", "memory", "caches", "tape", "residuals")
# Of an argument that is a gradient: dh, d_h, dout, grad_c, c_grad, delta, g, upstream.
STARTS = ("grad", "delta", "upstream", "g_", "d_", "dl", "dout", "err")
ENDS = ("grad", "grads", "gradient", "gradients", "_bar", "bar", "_d", "delta", "error", "errors")
OF_A_LOSS = re.compile(r"d_?(?:l|j|e|c|loss|cost)_?d_?\w+")  # dLdy, dE_dy
WHOLE = ("g", "d", "dy", "v", "error", "e")
NOT_GRADIENTS = ("data", "dim", "dims", "dtype", "depth", "dropout", "dict", "dilation", "distance", "drop")


NOTHING: Mapping[str, Any] = MappingProxyType({})


class Handed(NamedTuple):
    """What one forward hands to backward beside the gradient: a cache, how its outputs were laid out in one vector
    (None: it was one array), and the inputs and the output that backward takes by name."""

    cache: tuple[Any, ...] = ()
    layout: Layout | None = None
    known: Mapping[str, Any] = NOTHING


@dataclass(frozen=True)
class Outputs:
    """One way to read what forward returns.

    Args:
        count: how many of the tuple that it returns are outputs, the first so many; None: what it returns is one
            output, or one nested value of outputs.
        cache: whether the last of the tuple is handed to backward.
        spread: whether backward takes the gradient of each output as an argument of its own.
        last: how many of the tuple there are.
    """

    count: int | None = None
    cache: bool = False
    spread: bool = False
    last: int = 0

    def split(self, returned: Any) -> tuple[Any, Handed]:
        """One array, or one vector of all outputs; and what backward is handed of it."""
        outputs, cache = returned, ()
        if self.count is not None:
            outputs = returned[0] if self.count == 1 else tuple(returned[: self.count])
            cache = (returned[-1],) if self.cache else ()
        if branch(outputs) is None:
            return outputs, Handed(cache)
        packer = Structure(np.asarray, {})
        layout = packer.layout(outputs)
        return packer.packed(outputs, layout, np, "forward"), Handed(cache, layout)

    def arguments(self, v: Any, handed: Handed) -> list[Any]:
        """The gradients that backward takes, of the vector that arrives."""
        if handed.layout is None:
            return [v]
        nested = Structure(np.asarray, {}).unpacked(v, handed.layout)
        found = branch(nested)
        return list(found.children.values()) if self.spread and found is not None else [nested]

    def missing(self) -> list[int]:
        """The places of what is returned and is neither an output nor a cache."""
        if self.count is None:
            return []
        return list(range(self.count, self.last - 1 if self.cache else self.last))


ONE = Outputs()  # one array, or one nested value


def floats(thing: Any) -> bool:
    """Whether all that it holds are arrays of floats, as outputs are."""
    found = [kind_of(leaf) for _, leaf in leaves(thing)]
    return bool(found) and all(kind == "f" for kind in found)


def readings(returned: Any, takes: tuple[str, ...] | None, given: int | None) -> list[Outputs]:
    """Every way to read what forward returned, for a backward of these arguments; the likeliest first."""
    slots = 1 if takes is None else len(takes)
    if not isinstance(returned, tuple) or hasattr(returned, "_fields"):
        found = branch(returned)
        spread = found is not None and len(found.children) == slots > 1
        return [Outputs(spread=True), Outputs()] if spread else [Outputs()]
    n = len(returned)
    said = {takes[0], takes[-1]} & set(CACHES) if takes else set()
    ways = [Outputs(n, False, True, n)] if n == slots and floats(returned) and not said else []
    if n == 2 and slots >= 2:
        cached = Outputs(1, True, False, n)
        inner = branch(returned[0])
        if inner is not None and len(inner.children) + 1 == slots:
            cached = Outputs(1, True, True, n)
        ways = [*ways, cached] if ways and named_as_gradients(takes or ()) else [cached, *ways]
    elif n > 2 and slots >= 2 and floats(returned[:-1]):
        cached = Outputs(n - 1, True, slots == n, n) if slots in (2, n) else None
        fewer = Outputs(slots - 1, True, slots > 2, n) if 2 <= slots < n else None
        extra = [way for way in (cached, fewer) if way is not None]
        ways = [*ways, *extra] if ways and named_as_gradients(takes or ()) else [*extra, *ways]
    if slots == 1 or not ways:
        ways += [Outputs(n, False, False, n)] if floats(returned) else []
        ways += [Outputs(1, False, False, n)] if floats(returned[0]) else []
    if given is not None:
        ways = [way for way in ways if way.count == given] or [Outputs(given, given < n <= slots, slots > given > 1, n)]
    return ways


def named_as_gradients(takes: tuple[str, ...]) -> bool:
    """Whether every argument is called as gradients are."""
    return all(map(named_as_gradient, takes))


def named_as_gradient(name: str) -> bool:
    word = name.strip("_")
    if word.lower() in CACHES or word.lower() in NOT_GRADIENTS:
        return False
    short = word.lower()
    if short in WHOLE or short.startswith(STARTS) or short.endswith(ENDS) or OF_A_LOSS.fullmatch(short):
        return True
    return (word[0] == "d" and len(word) <= 3) or (word.startswith(("dnext", "dprev", "dn", "dstate")))


def chosen(ways: list[Outputs], answers: Callable[[Outputs, float], list[Any]]) -> list[Outputs]:
    """Of several readings those that backward is linear in; else those that it runs with.

    Args:
        answers: what backward returns for a random cotangent times a number.

    Raises:
        what backward raises in the first reading, where it runs with none.
    """
    linear: list[Outputs] = []
    running: list[Outputs] = []
    first: Exception | None = None
    for way in ways:
        try:
            one, other = answers(way, 1.0), answers(way, -2.0)
        except Exception as error:  # the user's code, called as it is not meant to be
            first = error if first is None else first
            continue
        running.append(way)
        if one and len(one) == len(other) and all(map(is_twice_negated, one, other)):
            linear.append(way)
    if not running:
        assert first is not None
        raise first
    return linear or running


def is_twice_negated(a: Any, b: Any) -> bool:
    return np.shape(a) == np.shape(b) and np.array_equal(-2.0 * np.asarray(a), np.asarray(b), equal_nan=True)


def totalled(reference: Callable[..., Any], total: str) -> Callable[..., Any]:
    """The "sum" or the "mean" of what a reference returns."""

    def number(**values: Any) -> Any:
        return getattr(import_module("jax.numpy"), total)(reference(**values))

    return number


def laid_out(reference: Callable[..., Any], layout: Layout) -> Callable[..., Any]:
    """A reference that returns what forward returns, as one vector."""

    def vector(**values: Any) -> Any:
        jnp = import_module("jax.numpy")
        return Structure(np.asarray, {}).packed(reference(**values), layout, jnp, "the reference", any_shape=True)

    return vector
