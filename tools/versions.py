"""The test suite on every version that the project says it supports (`make versions`).

The oldest run on the oldest Python: every dependency at the lower end of its range in pyproject.toml. The newest run on
every Python from there on that this machine has: whatever JAX and NumPy the registry offers to that Python, inside the
range or not, so that a release which the range leaves out is seen before someone asks for it. It fails then, even where
its tests pass: the range is to be widened.

Other packages are those of constraints.txt, but for what is compiled against NumPy or made for one JAX.

    python tools/versions.py [--only NAME] [pytest's arguments]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from environments import PIP, ROOT, constraints_without, environment, project, requirements, run
from packaging.requirements import Requirement

BUILD = ROOT / "build" / "versions"
WATCHED = ("jax", "numpy")
FITTED = {*WATCHED, "jaxlib", "ml_dtypes", "scipy", "contourpy", "matplotlib"}  # what must fit those two


class Row(NamedTuple):
    """One environment.

    Args:
        name: also its folder's.
        python: the interpreter that makes it.
        dependencies: of the project, as they are asked for.
        free: the packages that constraints.txt does not decide.
    """

    name: str
    python: Path
    dependencies: list[str]
    free: set[str]


def main() -> None:
    parser = argparse.ArgumentParser(description="run the test suite on every supported version")
    parser.add_argument("--only", help="of the environments' names, those that contain this")
    options, arguments = parser.parse_known_args()
    chosen = [row for row in rows() if options.only is None or options.only in row.name]
    if not chosen:
        sys.exit(f"no environment's name contains {options.only!r}")
    results = [result(row, arguments) for row in chosen]
    print("\n".join(["", *(line for line, _ in results)]))
    sys.exit(not all(passed for _, passed in results))


def rows() -> list[Row]:
    found = pythons()
    if not found:
        sys.exit("this machine has no Python that the project supports")
    declared = dependencies()
    oldest = [f"{name}=={lower_end(str(requirement.specifier))}" for name, requirement in declared.items()]
    newest = [name if name in WATCHED else str(requirement) for name, requirement in declared.items()]
    first, *_ = found
    return [
        Row(f"{first}-oldest", found[first], oldest, FITTED | declared.keys()),
        *(Row(f"{version}-newest", python, newest, FITTED) for version, python in found.items()),
    ]


def dependencies() -> dict[str, Requirement]:
    """The project's, by name."""
    return requirements(project()["project"]["dependencies"])


def lower_end(specifier: str) -> str:
    """The version at the lower end of a range."""
    lower = re.search(r">=([0-9.]+)", specifier)
    if lower is None:
        raise ValueError(f"{specifier!r} states no oldest version")
    return lower[1]


def pythons() -> dict[str, Path]:
    """Every Python on this machine that the project supports, one per minor version, the oldest first."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    on_path = [
        shutil.which(f"python3.{minor}", path=folder) for minor in range(11, 30) for folder in os.get_exec_path()
    ]
    candidates = [Path(sys.executable), *(Path(p) for p in on_path if p), *sorted(pyenv.glob("*/bin/python"))]
    oldest = lower_end(project()["project"]["requires-python"])
    found: dict[tuple[int, ...], Path] = {}
    for candidate in candidates:
        version = version_of(candidate)
        if version is not None and version >= tuple(map(int, oldest.split("."))):
            found.setdefault(version, candidate)
    return {".".join(map(str, version)): found[version] for version in sorted(found)}


def version_of(python: Path) -> tuple[int, ...] | None:
    """Major and minor version of a finished release that starts and can make environments; None for anything else."""
    code = "import sys, ensurepip; print(*sys.version_info[:2], sys.version_info.releaselevel)"
    try:
        said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        return None
    return tuple(map(int, said[:2])) if said[2] == "final" else None


def result(row: Row, arguments: list[str]) -> tuple[str, bool]:
    """Make an environment, run pytest there, and say in a line what ran and whether it passed."""
    print(f"== {row.name}: {' '.join(row.dependencies)}", flush=True)
    constraints = constraints_without(row.free, BUILD / f"{row.name}.txt")
    wanted = [*row.dependencies, *project()["dependency-groups"]["test"]]
    python = environment(BUILD / row.name, row.python, constraints, wanted)
    run(python, *PIP, "--no-deps", "--editable", ROOT)
    passed = subprocess.run([python, "-m", "pytest", *arguments], cwd=ROOT, check=False).returncode == 0
    versions = installed(python)
    outside = [
        f"{name} {version}" for name, version in versions.items() if version not in dependencies()[name].specifier
    ]
    said = ", ".join(f"{name} {version}" for name, version in versions.items())
    notes = f"; outside the stated range: {', '.join(outside)}" if outside else ""
    return f"Python {row.name}: {said}: {'passed' if passed else 'FAILED'}{notes}", passed and not outside


def installed(python: Path) -> dict[str, str]:
    """The versions that are watched, in that interpreter's environment."""
    code = f"from importlib.metadata import version\nfor name in {WATCHED}: print(name, version(name))"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in said.splitlines())


if __name__ == "__main__":
    main()
