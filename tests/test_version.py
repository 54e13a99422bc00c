"""One version: pyproject.toml states it, everything else quotes it. And one range of JAX and NumPy, which is tested."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import crosscheck

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def python(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_package_knows_its_version() -> None:
    assert crosscheck.__version__ == PROJECT["version"]
    assert "__version__" in dir(crosscheck)


def test_asking_for_it_loads_neither_jax_nor_numpy() -> None:
    code = "import sys, crosscheck; crosscheck.__version__; print({'jax', 'numpy'} & sys.modules.keys())"
    assert python("-c", code).strip() == "set()"


def test_python_m_is_the_command_line() -> None:
    assert python("-m", "crosscheck", "--version").strip() == f"crosscheck, version {PROJECT['version']}"


def test_the_citation_is_of_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.*)$", citation, re.M) == [PROJECT["version"]]


@pytest.mark.parametrize("name", ["jax", "numpy"])
def test_the_range_has_two_ends_and_holds_what_is_installed(name: str) -> None:
    (declared,) = (r for r in map(Requirement, PROJECT["dependencies"]) if r.name == name)
    assert {clause.operator for clause in declared.specifier} == {">=", "<"}
    assert version(name) in declared.specifier
