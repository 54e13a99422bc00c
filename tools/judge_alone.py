"""The judge by itself (`make judge-alone`): its own tests pass where there is nothing but its wheel.

A wheel is built from crosscheck/ without the room lecture/, which knows our layers, and installed into an environment
that has neither manual/ nor reference/; the tests run in a folder from which the repository cannot be imported. Before
they do, it is tried that our layers cannot be imported there: where they can, this has proved nothing, and fails.

Nothing is listed twice. Name and version are pyproject.toml's. A dependency is the judge's if a file of the judge
imports it. Its tests are those that mirror it: a folder tests/X for every room crosscheck/X, and a file tests/test_x.py
for every module crosscheck/x.py. The room pytest has its tests in tests/plugin: a folder pytest beside a test would be
imported in the place of pytest.
"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from environments import CONSTRAINTS, PIP, ROOT, environment, project, requirements, run

JUDGE = ROOT / "crosscheck"
LECTURE = "lecture"
OURS = ("manual", "reference", f"crosscheck.{LECTURE}", "benchmarks")
TOOLS = ("hypothesis", "mpmath", "pytest", "pytest-xdist")  # what the tests need beside the judge
PUBLIC = "public_names"  # what the test of __init__.py is called
ELSEWHERE = {"pytest": "plugin"}  # where the tests of a room stand, if not under its name
BUILD = ROOT / "build" / "judge-alone"


def main() -> None:
    tests = list(own_tests())
    if not tests:
        sys.exit("the judge has no test of its own")
    config = project()
    declared = requirements(config["project"]["dependencies"])
    imported = third_party(judge_files())
    own = [str(requirement) for name, requirement in declared.items() if name in imported]
    tools = requirements(config["dependency-groups"]["test"])
    wanted = [*own, *(str(tools[name]) for name in TOOLS)]
    python = environment(BUILD / "environment", Path(sys.executable), CONSTRAINTS, wanted)
    wheel = build_wheel(metadata(config, own))
    run(python, *PIP, "--no-deps", "--force-reinstall", wheel)
    rooms = copy_tests(tests)
    run(python, "-c", NOTHING_OF_OURS, *OURS, BUILD, cwd=rooms)
    named = [str(path.relative_to(ROOT)) for path in tests]
    sys.exit(subprocess.run([python, "-m", "pytest", *named, *sys.argv[1:]], cwd=rooms, check=False).returncode)


# Run where the tests will run: the judge comes from its wheel, and our layers from nowhere.
NOTHING_OF_OURS = """
import importlib.util, sys
from pathlib import Path
*ours, build = sys.argv[1:]
import crosscheck
place = Path(crosscheck.__file__)
if not place.is_relative_to(Path(build) / "environment"):
    sys.exit(f"crosscheck was imported from {place}, not from its wheel")
for name in ours:
    if importlib.util.find_spec(name) is not None:
        sys.exit(f"{name} can be imported here: nothing is proved")
"""


def judge_files() -> list[Path]:
    return [path for path in sorted(JUDGE.rglob("*.py")) if path.relative_to(JUDGE).parts[0] != LECTURE]


def third_party(files: Iterable[Path]) -> set[str]:
    """The packages that these files import, less the standard library's and their own."""
    names: set[str] = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names - {JUDGE.name}


def own_tests() -> Iterable[Path]:
    """The tests that mirror the judge's rooms and modules, as far as there are any."""
    for path in sorted(JUDGE.iterdir()):
        name = ELSEWHERE.get(path.name, path.name) if path.is_dir() else f"test_{path.name.replace('__init__', PUBLIC)}"
        mirror = ROOT / "tests" / name
        if path.name != LECTURE and (mirror.is_file() or (mirror.is_dir() and any(mirror.rglob("test_*.py")))):
            yield mirror


def metadata(config: dict[str, Any], dependencies: list[str]) -> str:
    """A pyproject.toml for the judge alone, from the project's."""
    whole = config["project"]
    scripts = of_judge(whole["scripts"])
    entries = {group: of_judge(named) for group, named in whole["entry-points"].items()}
    return "\n".join(
        [
            "[build-system]",
            f"requires = {json.dumps(config['build-system']['requires'])}",
            f"build-backend = {json.dumps(config['build-system']['build-backend'])}",
            "[project]",
            *(f"{key} = {json.dumps(whole[key])}" for key in ("name", "version", "requires-python")),
            f"dependencies = {json.dumps(dependencies)}",
            "[project.scripts]",
            *(f"{name} = {json.dumps(place)}" for name, place in scripts.items()),
            *(
                line
                for group, named in entries.items()
                for line in (
                    f"[project.entry-points.{json.dumps(group)}]",
                    *(f"{k} = {json.dumps(v)}" for k, v in named.items()),
                )
            ),
            "[tool.hatch.build.targets.wheel]",
            f"packages = {json.dumps([JUDGE.name])}",
        ]
    )


def of_judge(places: dict[str, str]) -> dict[str, str]:
    """Of scripts or entry points, those that do not lead into the room `lecture`."""
    return {name: place for name, place in places.items() if LECTURE not in place.split(":")[0].split(".")}


def build_wheel(pyproject: str) -> Path:
    """The judge's wheel, built from a copy of its files."""
    source, wheels = BUILD / "source", BUILD / "wheel"
    for folder in (source, wheels):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    shutil.copytree(JUDGE, source / JUDGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(source / JUDGE.name / LECTURE)
    (source / "pyproject.toml").write_text(pyproject, encoding="utf-8")
    build = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    run(*build, "--build-constraint", CONSTRAINTS, "--wheel-dir", wheels, source)
    (wheel,) = wheels.glob("*.whl")
    return wheel


def copy_tests(tests: list[Path]) -> Path:
    """A folder with these tests, what they share, and pytest's settings."""
    place = BUILD / "run"
    shutil.rmtree(place, ignore_errors=True)
    (place / "tests").mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", place)
    shared = [path for path in (ROOT / "tests").glob("*.py") if not path.name.startswith("test_")]
    for path in [*tests, *shared]:
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, place / path.relative_to(ROOT))
    return place


if __name__ == "__main__":
    main()
