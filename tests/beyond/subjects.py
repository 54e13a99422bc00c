"""Every subject, and every mistake that is planted in it."""

from __future__ import annotations

from tests.beyond import (
    algebra,
    attention,
    fields,
    further,
    gates,
    implicit,
    learning,
    likelihoods,
    lookups,
    norms,
    recurrent,
    scenes,
    signals,
)
from tests.beyond.planted import Slip, Subject

MODULES = (
    attention,
    norms,
    recurrent,
    lookups,
    algebra,
    signals,
    implicit,
    likelihoods,
    gates,
    scenes,
)
SUBJECTS: tuple[Subject, ...] = tuple(subject for module in MODULES for subject in module.SUBJECTS)

# Planted after the kinds of names were settled.
HELD_OUT: tuple[Subject, ...] = (*further.SUBJECTS, *learning.SUBJECTS, *fields.SUBJECTS)


def planted(only: str = "") -> list[tuple[Subject, Slip]]:
    """Every row whose "operation: mistake" contains `only`."""
    rows = [(subject, slip) for subject in (*SUBJECTS, *HELD_OUT) for slip in subject.slips]
    return [(subject, slip) for subject, slip in rows if only in f"{subject.name}: {slip.name}"]
