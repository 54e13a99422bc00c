"""Forwards in every style are recorded, and replayed right: at other points, and in their derivatives."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from crosscheck.recorder.record import Recorded, record
from crosscheck.traces.precision import double_precision
from crosscheck.witnesses.lifting import lifted
from tests.recorder.styles import STYLES, Style

Array = np.ndarray
Arrays = dict[str, Array]
STEP = 2.0**-20


def recorded(style: Style) -> Recorded:
    return record(lambda values: style.forward(**values), style.inputs)


def beside(inputs: Arrays, direction: Arrays, size: float) -> Arrays:
    return {k: np.asarray(a + size * direction[k], a.dtype) if k in direction else a for k, a in inputs.items()}


def directions(inputs: Arrays, seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    return {k: rng.normal(size=a.shape).astype(a.dtype) for k, a in inputs.items() if a.dtype.kind == "f"}


def plain(style: Style, inputs: Arrays) -> Array:
    return np.asarray(style.forward(**{k: np.array(a) for k, a in inputs.items()}))


def difference(style: Style, inputs: Arrays, d: Arrays) -> Array:
    """Along a direction, in longdouble where the code takes it, at two steps and extrapolated."""

    def central(h: float) -> Any:
        try:
            with lifted(style.forward):
                ends = [style.forward(**in_long(beside(inputs, d, s * h))) for s in (1, -1)]
        except TypeError:  # linear algebra, transforms
            ends = [plain(style, beside(inputs, d, s * h)) for s in (1, -1)]
        return (ends[0] - ends[1]) / (2 * h)

    return np.asarray((4 * central(STEP / 2) - central(STEP)) / 3, float)


def in_long(inputs: Arrays) -> Arrays:
    return {k: a.astype(np.longdouble) if a.dtype.kind == "f" else np.array(a) for k, a in inputs.items()}


@pytest.mark.parametrize("name", STYLES)
def test_a_style_is_recorded_and_replayed(name: str) -> None:
    style = STYLES[name]
    found = recorded(style)
    assert found.reference is not None, found.why_not
    d = directions(style.inputs, 1)
    point = beside(style.inputs, directions(style.inputs, 2), 0.05)
    here = found.reference.at(point)
    with double_precision():
        moving = {k: point[k] for k in d}
        y, moved = jax.jit(lambda x, d: jax.jvp(lambda x: here(**x), (x,), (d,)))(moving, d)
    true = plain(style, point)
    single = true.dtype == np.float32 or "float32" in name
    assert np.asarray(y).dtype == true.dtype
    np.testing.assert_allclose(y, true, rtol=1e-5 if single else 1e-12, atol=1e-5 if single else 1e-12)
    if not single:  # a difference of float32 numbers has no digits left
        np.testing.assert_allclose(moved, difference(style, point, d), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["lstm", "masks_and_views", "max_pool_by_argmax", "newton_steps"])
def test_recording_leaves_no_trace(name: str) -> None:
    style = STYLES[name]
    before = {k: a.copy() for k, a in style.inputs.items()}
    once, again = recorded(style), recorded(style)
    assert once.steps == again.steps
    assert vars(__import__("tests.recorder.styles", fromlist=["np"]))["np"] is np
    assert all(np.array_equal(a, style.inputs[k]) for k, a in before.items())
