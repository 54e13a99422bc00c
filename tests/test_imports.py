"""Who may import whom, read from the source and proved in a fresh process."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OWN = {"manual", "reference", "crosscheck", "benchmarks", "tests"}

# package -> (its own packages that it may import, other packages that it must not import)
RULES = {
    "manual": ({"manual"}, {"jax", "jaxlib", "rich", "click", "matplotlib"}),
    "reference": ({"reference"}, {"rich", "click", "matplotlib"}),
    "crosscheck": ({"manual", "reference", "crosscheck"}, set()),
    "benchmarks": ({"manual", "reference", "crosscheck", "benchmarks"}, set()),
}


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def files() -> list[Path]:
    return [path for package in RULES for path in sorted((ROOT / package).rglob("*.py"))]


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_directions(path: Path) -> None:
    allowed, forbidden = RULES[path.relative_to(ROOT).parts[0]]
    if path == ROOT / "benchmarks" / "checkers.py":  # runs the tests' planted mistakes through other checkers
        allowed = allowed | {"tests"}
    names = imported(path)
    assert names & OWN <= allowed
    assert not names & forbidden


def test_manual_needs_numpy_only() -> None:
    standard = set(sys.stdlib_module_names)
    for path in sorted((ROOT / "manual").rglob("*.py")):
        others = imported(path) - standard - {"manual", "numpy"}
        allowed = {"threadpoolctl"} if path == ROOT / "manual" / "machine" / "threads.py" else set()
        assert others <= allowed, path


def loads(statement: str, package: str) -> bool:
    """Whether a fresh process has loaded `package` after `statement`."""
    code = f"import sys; {statement}; print({package!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip() == "True"


def test_manual_loads_without_jax() -> None:
    assert not loads("import manual", "jax")


def test_crosscheck_and_its_help_load_without_jax() -> None:
    assert not loads("import crosscheck, crosscheck.cli", "jax")
    assert not loads("import crosscheck, crosscheck.cli", "numpy")


def test_the_proof_can_fail() -> None:
    assert loads("import reference.relu", "jax")
    assert imported(ROOT / "reference" / "relu.py") & {"jax"}
