"""`crosscheck train`: the lecture's CNN on the digits or the patterns, with a bar, and cross-checked if asked."""

from __future__ import annotations

import sys

import numpy as np

from crosscheck.cli import AGREED, DISAGREED, status_of
from crosscheck.interrupts import when_interrupted
from crosscheck.lecture.progress import TrainingBar
from crosscheck.lecture.recipes import train
from crosscheck.traces.programs import keep_compilations
from manual.summary import table
from manual.training import TrainingDiverged


def run_training(data: str, *, seed: int, epochs: int | None, single: bool, check: bool, budget: float | None) -> int:
    """Train, print what it cost and what came out; the exit status."""
    if check:
        keep_compilations()
    try:
        bar = TrainingBar()
        with when_interrupted(lambda: print(bar.line())):
            run = train(
                data,
                seed=seed,
                dtype=np.float32 if single else np.float64,
                epochs=epochs,
                check=check,
                budget=budget,
                bar=bar,
            )
    except TrainingDiverged as error:
        print(error, file=sys.stderr)
        return DISAGREED
    print(table(run.network, run.split.train.images.shape[1:]))
    validation = run.history.validation[-1]
    print(
        f"test accuracy {run.test.accuracy:.2%} ({len(run.split.test.labels)} images), validation "
        f"{validation.accuracy:.2%}, {len(run.history.step_loss)} steps, {run.history.seconds:.1f} s"
    )
    if run.checked is None:
        return AGREED
    print(run.checked)
    return status_of(run.checked.verdict if run.checked.verdicts else "undecided")
