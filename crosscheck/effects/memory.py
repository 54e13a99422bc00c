"""The arrays that go in and out: arguments written to, memory shared, dtypes changed. No further call is made."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosscheck.effects.arrays import Array, Arrays, overlap, same_bytes
from crosscheck.effects.calls import Calls


def written(
    calls: Calls,
    given: Arrays,
    wanted: Arrays,
    who: str,
    cotangent: Array | None = None,
    wanted_cotangent: Array | None = None,
) -> None:
    for k in given:
        if not same_bytes(given[k], wanted[k]):
            calls.add("mutated-argument", f"{who} writes to its argument {k}", fails=True)
    if cotangent is None or wanted_cotangent is None:
        return
    if not same_bytes(cotangent, wanted_cotangent):
        calls.add("mutated-argument", f"{who} writes to the cotangent", fails=True)


def shared(calls: Calls, raw: dict[str, Any], arguments: Arrays, cotangent: Array) -> None:
    names = list(raw)
    for i, k in enumerate(names):
        gradient = np.asarray(raw[k])
        for name, argument in arguments.items():
            if overlap(gradient, argument):
                calls.add("aliased", f"the gradient of {k} shares memory with the argument {name}")
        if overlap(gradient, cotangent):
            calls.add("aliased", f"the gradient of {k} shares memory with the cotangent")
        for other in names[i + 1 :]:
            if overlap(gradient, np.asarray(raw[other])):
                calls.add("aliased", f"the gradients of {k} and {other} share memory")


def dtype_of(calls: Calls, what: str, value: Array, wanted: np.dtype) -> None:
    if value.dtype != wanted:
        lost = value.dtype.kind == "f" and value.dtype.itemsize < wanted.itemsize
        verb = "loses precision" if lost else "changes its dtype"
        calls.add("dtype", f"{what} {verb}: {value.dtype} instead of {wanted}")
