"""The record of why a gradient is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from crosscheck.evidence.reason import Diagnosis

ROOT = Path(__file__).parents[2]


def test_a_reason_is_a_dictionary_that_json_knows() -> None:
    found = Diagnosis("sign", "the gradient of x has the wrong sign", {"factor": -1.0}).to_dict()
    assert json.loads(json.dumps(found)) == found
    assert set(found) == {"kind", "explanation", "evidence"}


@pytest.mark.parametrize("module", ["finding", "reason", "result"])
def test_records_load_neither_jax_nor_the_diagnosis(module: str) -> None:
    names = "[name for name in ('numpy', 'jax', 'crosscheck.diagnosis') if name in sys.modules]"
    code = f"import sys, crosscheck.evidence.{module}; print({names})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("[]", "['numpy']")
