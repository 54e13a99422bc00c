"""A law for each function: the replay in JAX is what NumPy gives, in value, shape and dtype.

The functions of a kind of arrays are recorded on one tape each, and run as one program: JAX compiles once.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from crosscheck.recorder.record import record
from crosscheck.traces.precision import double_precision
from tests.recorder.functions import BESIDE, BINARY, KINDS, MATRIX, NOT_OF_BOOLS, Law, binary, unary


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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_the_replay_is_what_numpy_gives(kind: str) -> None:
    x = KINDS[kind]
    references, wrong = {}, []
    for name, law in laws(kind).items():
        if not holds(law, x):
            continue
        found = record(lambda values, law=law: law(values["x"]), {"x": x})
        if found.reference is None:
            if "does not depend" not in found.why_not and "plain" not in found.why_not:
                wrong.append(f"{name}: {found.why_not}")
        else:
            references[name] = found.reference
    assert not wrong, "\n".join(wrong)
    assert len(references) > 60
    with double_precision():
        ys: dict[str, Any] = jax.jit(lambda x: {k: r(x=x) for k, r in references.items()})(x)
    for name, y in ys.items():
        compare(name, np.asarray(y), np.asarray(laws(kind)[name](x.copy())), np.finfo(x.dtype).eps, wrong)
    assert not wrong, "\n".join(wrong)


def compare(name: str, y: np.ndarray, true: np.ndarray, eps: float, wrong: list[str]) -> None:
    if y.dtype != true.dtype or y.shape != true.shape:
        wrong.append(f"{name}: {y.dtype} {y.shape} for {true.dtype} {true.shape}")
    elif not np.allclose(y, true, rtol=2**10 * eps, atol=2**10 * eps, equal_nan=True):
        wrong.append(f"{name}: {y} for {true}")
