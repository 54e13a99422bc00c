"""Who may import whom, read from the source and proved in a fresh process.

Arrows run down and there are no circles. An import inside a function counts like any other: it hides a circle, it does
not break one.
"""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OWN = {"manual", "reference", "crosscheck", "benchmarks", "tests"}

# package -> (its own packages that it may import, other packages that it must not import)
RULES = {
    "manual": ({"manual"}, {"jax", "jaxlib", "rich", "click", "matplotlib"}),
    "reference": ({"reference"}, {"rich", "click", "matplotlib"}),
    "crosscheck": ({"crosscheck"}, {"rich", "matplotlib"}),
    "crosscheck/lecture": ({"manual", "reference", "crosscheck"}, set()),
    "benchmarks": ({"manual", "reference", "crosscheck", "benchmarks"}, set()),
}

# The rooms of the judge, and which of them each may import; `lecture` may import all, and nothing imports it.
FLOORS = {
    "floats": set(),
    "draws": set(),
    "manner": set(),
    "deadline": set(),
    "progress": {"deadline"},
    "marks": set(),
    "evidence": {"floats"},
    "operation": {"floats", "manner"},
    "traces": set(),
    "rounding": {"floats", "traces"},
    "witnesses": {"floats", "draws", "evidence", "operation", "traces", "rounding"},
    "recorder": {"floats", "operation", "traces", "witnesses"},
    "exact": {"floats", "evidence", "operation", "traces", "witnesses"},
    "effects": {"evidence", "operation", "witnesses"},  # of these the namespaces, which need no JAX
    "diagnosis": {"floats", "draws", "evidence", "operation", "traces", "witnesses"},
    "report": {"floats", "evidence"},
    "collecting": {
        "floats",
        "manner",
        "draws",
        "deadline",
        "rounding",
        "evidence",
        "operation",
        "witnesses",
        "exact",
        "effects",
    },
    "judge": {
        *("floats", "deadline", "progress", "evidence", "operation", "traces", "recorder", "collecting", "diagnosis"),
        *("report", "witnesses"),
    },
    "doors": {
        *("floats", "draws", "marks", "deadline", "evidence", "manner", "operation", "traces", "witnesses", "recorder"),
        "judge",
    },
    "surveys": {
        *("draws", "deadline", "progress", "evidence", "operation", "spaces", "diagnosis", "report", "judge", "doors"),
        "interrupts",
    },
    "frameworks": {"doors", "evidence", "judge", "manner", "operation", "witnesses"},
    "jax": {"doors", "evidence", "frameworks", "operation", "traces"},
    "torch": {
        *("floats", "doors", "evidence", "frameworks", "judge", "operation", "rounding", "traces", "witnesses"),
    },
    "interrupts": set(),
    "encoding": set(),
    "cli": {"encoding", "interrupts"},
    "spaces": set(),
    "pytest": {"__init__", "doors", "evidence", "spaces", "surveys"},
    "files": {"cli", "deadline", "doors", "draws", "evidence", "interrupts", "traces"},
    "__main__": {"cli"},
    "__init__": {"doors", "evidence", "jax", "marks", "spaces", "surveys", "torch", "witnesses"},
}


def imported(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it, dotted; of `from a import b` that is a.b if there is a file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {inside(node.module, alias.name) for alias in node.names}
    return names


def inside(module: str, name: str) -> str:
    place = ROOT.joinpath(*module.split("."), name)
    return f"{module}.{name}" if place.is_dir() or place.with_suffix(".py").exists() else module


def packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def rule_of(path: Path) -> str:
    """The rule of the smallest folder that has one."""
    inside = path.relative_to(ROOT).as_posix()
    return max((folder for folder in RULES if inside.startswith(folder + "/")), key=len)


def files() -> list[Path]:
    folders = [folder for folder in RULES if "/" not in folder]
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_directions(path: Path) -> None:
    allowed, forbidden = RULES[rule_of(path)]
    assert packages(path) & OWN <= allowed
    assert not packages(path) & forbidden


def judge_files() -> list[Path]:
    return [path for path in files() if rule_of(path) == "crosscheck"]


@pytest.mark.parametrize("path", judge_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_judge_names_no_layer_of_ours(path: Path) -> None:
    """Not in an import, and not in a string that could become one."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    strings = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    prefixes = ("manual.", "reference.", "crosscheck.lecture")
    assert not [s for s in strings if s.startswith(prefixes)]


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "crosscheck").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", judge_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_arrows_run_down(path: Path) -> None:
    room = room_of(path)
    rooms = {name.split(".")[1] for name in imported(path) if name.startswith("crosscheck.")}
    assert rooms <= {*FLOORS[room], room}


def test_the_floors_have_no_circle() -> None:
    assert list(TopologicalSorter(FLOORS).static_order())


@pytest.mark.parametrize("package", ["manual", "reference", "crosscheck", "benchmarks"])
def test_no_module_imports_itself_by_way_of_others(package: str) -> None:
    graph = arrows(package)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def arrows(package: str) -> dict[str, set[str]]:
    """module -> the modules of the package that it imports; a package's `__init__` goes by the package's name."""
    named = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        named[dotted.removesuffix(".__init__")] = path
    lazy = {package} if package == "crosscheck" else set()  # its __init__ loads a name's home when it is asked for
    return {
        name: ({n for n in imported(path) if n in named} - {name} if name not in lazy else set())
        for name, path in named.items()
    }


def test_the_proof_of_circles_can_fail() -> None:
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()
    assert "crosscheck.traces.primitives" in arrows("crosscheck")["crosscheck.rounding.terms"]


def test_manual_needs_numpy_only() -> None:
    standard = set(sys.stdlib_module_names)
    for path in sorted((ROOT / "manual").rglob("*.py")):
        others = packages(path) - standard - {"manual", "numpy"}
        allowed = {"threads.py": {"threadpoolctl"}, "rates.py": {"platformdirs"}}.get(path.name, set())
        assert others <= allowed, path


def loads(statement: str, package: str) -> bool:
    """Whether a fresh process has loaded `package` after `statement`."""
    code = f"import sys; {statement}; print({package!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip() == "True"


def test_manual_loads_without_jax() -> None:
    assert not loads("import manual", "jax")


def test_the_side_effects_load_without_jax() -> None:
    assert not loads("import crosscheck.effects.audit", "jax")


def test_crosscheck_and_its_help_load_without_jax() -> None:
    assert not loads("import crosscheck, crosscheck.cli, crosscheck.lecture.commands", "jax")
    assert not loads("import crosscheck, crosscheck.cli, crosscheck.lecture.commands", "numpy")


def test_the_judge_meets_a_foreign_layer_without_ours() -> None:
    assert not loads("import crosscheck.doors.checks", "manual")


def test_the_proof_can_fail() -> None:
    assert loads("import reference.relu", "jax")
    assert packages(ROOT / "reference" / "relu.py") & {"jax"}


# What tests the judge alone, so that it can run where there is no layer of ours.
ALONE = (
    *(
        "evidence",
        "traces",
        "rounding",
        "witnesses",
        "recorder",
        "exact",
        "effects",
        "collecting",
        "diagnosis",
        "report",
    ),
    "doors",
    *("files", "plugin", "frameworks", "jax", "torch"),
    *("test_judge.py", "test_operation.py", "test_cli.py", "test_public_names.py"),
    *("conftest.py", "operations.py"),
)


def judges_own_tests() -> list[Path]:
    places = [ROOT / "tests" / name for name in ALONE]
    return [path for place in places for path in (place.rglob("*.py") if place.is_dir() else [place]) if path.exists()]


def borrowed(path: Path) -> set[str]:
    """What a test of the judge may not import: our layers, the room that knows them, and tests that do."""
    shared = {"tests.operations", "tests.oracles", *(f"tests.{name}" for name in ALONE)}
    layers = {name for name in imported(path) if name.split(".")[0] in ("manual", "reference", "benchmarks")}
    lecture = {name for name in imported(path) if name.startswith("crosscheck.lecture")}
    tests = {name for name in imported(path) if name.split(".")[0] == "tests"}
    return layers | lecture | {name for name in tests if not any(name.startswith(s) for s in shared)}


@pytest.mark.parametrize("path", judges_own_tests(), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_judges_own_tests_need_no_layer_of_ours(path: Path) -> None:
    assert not borrowed(path)


def test_the_judges_tests_are_found_and_the_proof_can_fail() -> None:
    assert len(judges_own_tests()) > 40
    assert borrowed(ROOT / "tests" / "lecture" / "test_judge_layers.py") >= {"manual"}
    assert borrowed(ROOT / "tests" / "reference" / "test_values.py") >= {"reference.convolution"}
