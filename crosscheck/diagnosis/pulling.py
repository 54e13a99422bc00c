"""A step's own backward, applied to something else than what arrives."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from crosscheck.diagnosis.points import Array, Point
from crosscheck.diagnosis.sites import sites_of
from crosscheck.traces.precision import double_precision
from crosscheck.traces.tape import pull_back


def pulled(point: Point, k: int, i: int, g: Array) -> Array:
    """What step k gives back to operand i for `g` at its output."""
    tape = point.tape
    assert tape is not None
    step = tape.steps[k]

    def back(residuals: list[Any], arriving: Any) -> Any:
        return pull_back(step, residuals, [arriving], list(step.writes))

    with double_precision():
        run = tape.programs.setdefault(("pulled", sites_of(tape)[k].key, step.active), jax.jit(back))
        out = run([point.values[r] for r in step.reads], np.asarray(g, tape.avals[step.writes[0]].dtype))
    return np.asarray(out[step.active.index(i)])
