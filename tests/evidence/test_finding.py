"""The record of something noticed beside the numbers."""

from __future__ import annotations

import dataclasses

import pytest

import crosscheck
from crosscheck.evidence.finding import Finding


def test_a_finding_is_a_dictionary_for_programs() -> None:
    assert Finding("dtype", "it changes", False).to_dict() == {
        "kind": "dtype",
        "explanation": "it changes",
        "fails": False,
    }


def test_a_finding_stays_as_it_was_found() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Finding("dtype", "it changes", False).fails = True  # pyright: ignore[reportAttributeAccessIssue]


def test_the_public_name_is_this_record() -> None:
    assert crosscheck.Finding is Finding
