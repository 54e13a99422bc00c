"""Environments beside the project's own: made in build/, and made again when what they hold changes."""

from __future__ import annotations

import hashlib
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"


def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements(lines: list[str]) -> dict[str, Requirement]:
    """Requirements by the name of the package."""
    parsed = [Requirement(line) for line in lines]
    return {requirement.name: requirement for requirement in parsed}


def constraints_without(names: set[str], place: Path) -> Path:
    """constraints.txt less these packages, written to `place`."""
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines(keepends=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("".join(line for line in lines if line.split("==")[0] not in names), encoding="utf-8")
    return place


def environment(place: Path, python: Path, constraints: Path, wanted: list[str]) -> Path:
    """The interpreter of an environment at `place` that holds `wanted` and what that needs, and nothing else."""
    content = "\n".join([str(python), constraints.read_text(encoding="utf-8"), *wanted])
    digest = hashlib.sha256(content.encode()).hexdigest()
    stamp, interpreter = place / "holds", place / "bin" / "python"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != digest:
        run(python, "-m", "venv", "--clear", place)
        run(interpreter, *PIP, "--constraint", CONSTRAINTS, "pip")
        run(interpreter, *PIP, "--constraint", constraints, *wanted)
        stamp.write_text(digest, encoding="utf-8")
    return interpreter


PIP = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet")


def run(*command: object, cwd: Path = ROOT) -> None:
    """A command that must succeed.

    Raises:
        subprocess.CalledProcessError: it did not.
    """
    subprocess.run([str(part) for part in command], cwd=cwd, check=True)
