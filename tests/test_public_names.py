"""The names that a user imports: all there, loaded when first used, and no others."""

import subprocess
import sys
from pathlib import Path

import pytest

import crosscheck

ROOT = Path(__file__).parents[1]


def test_every_public_name_is_there_and_listed() -> None:
    for name in crosscheck.__all__:
        assert getattr(crosscheck, name).__name__ == name
        assert name in dir(crosscheck)
    assert set(crosscheck.__all__) == set(crosscheck.HOMES)


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match=r"crosscheck.*'chekc'"):
        _ = crosscheck.chekc


def test_importing_it_loads_neither_jax_nor_numpy() -> None:
    code = "import sys, crosscheck; print([n for n in ('jax', 'numpy', 'click') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
