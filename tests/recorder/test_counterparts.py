"""A law for each function: the replay in JAX is what NumPy gives, in value, shape and dtype.

The functions of a kind of arrays run as one program: JAX compiles once. The suite takes a sixth of the laws of each
kind, others for others; all of them take two minutes:

    python -m tests.recorder.test_counterparts
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import jax
import numpy as np
import pytest

from crosscheck.recorder.record import record
from crosscheck.traces.precision import double_precision
from tests.recorder.functions import BESIDE, BINARY, KINDS, MATRIX, NOT_OF_BOOLS, Law, binary, unary

PARTS = 6


def laws(kind: str) -> dict[str, Law]:
    x = KINDS[kind]
    found: dict[str, Law] = {**unary(), **(MATRIX if x.shape == (3, 4) else {})}
    for name in BINARY:
        for title, beside in BESIDE.items():
            if (np.ndim(beside) and not x.ndim) or (title in ("a bool", "bools") and name in NOT_OF_BOOLS):
                continue
            found[f"{name} with {title}"] = binary(name, beside)
    return found


def holds(law: Law, x: np.ndarray) -> bool:
    """Whether NumPy gives numbers there."""
    try:
        with np.errstate(all="ignore"):
            return np.asarray(law(x.copy())).dtype.kind in "fb"
    except Exception:
        return False


def broken(kind: str, part: int, parts: int) -> tuple[int, list[str]]:
    """How many laws were tried on a kind of arrays, and what is wrong."""
    x = KINDS[kind]
    references, wrong = {}, []
    tried = {name: law for name, law in list(laws(kind).items())[part::parts] if holds(law, x)}
    for name, law in tried.items():
        found = record(lambda values, law=law: law(values["x"]), {"x": x})
        if found.reference is not None:
            references[name] = found.reference
        elif "does not depend" not in found.why_not and "plain" not in found.why_not:
            wrong.append(f"{name}: {found.why_not}")
    with double_precision():
        ys: dict[str, Any] = jax.jit(lambda x: {k: r(x=x) for k, r in references.items()})(x)
    for name, y in ys.items():
        compare(name, np.asarray(y), np.asarray(tried[name](x.copy())), np.finfo(x.dtype).eps, wrong)
    return len(references), wrong


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_the_replay_is_what_numpy_gives(kind: str) -> None:
    tried, wrong = broken(kind, list(KINDS).index(kind) % PARTS, PARTS)
    assert not wrong, "\n".join(wrong)
    assert tried > 10


def compare(name: str, y: np.ndarray, true: np.ndarray, eps: float, wrong: list[str]) -> None:
    if y.dtype != true.dtype or y.shape != true.shape:
        wrong.append(f"{name}: {y.dtype} {y.shape} for {true.dtype} {true.shape}")
    elif not np.allclose(y, true, rtol=2**10 * eps, atol=2**10 * eps, equal_nan=True):
        wrong.append(f"{name}: {y} for {true}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    results = [(kind, *broken(kind, 0, 1)) for kind in KINDS]
    for kind, tried, wrong in results:
        print(f"{kind}: {tried} laws, {len(wrong)} broken", *wrong, sep="\n  ")
    sys.exit(any(wrong for *_, wrong in results))
