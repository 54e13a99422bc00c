"""The rooms of `manual`: a layer loads what it needs, arrows run one way, and the public names are all there."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import manual

FOLDER = Path(manual.__file__).parent
ENGINES_NEEDED = {"convolution", "transposed_convolution"}


def name_of(path: Path) -> str:
    parts = ("manual", *path.relative_to(FOLDER).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(FOLDER.rglob("*.py"))}
LAYERS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def arrows(source: str, files: set[str]) -> set[str]:
    """What of `files` a source imports, anywhere in it: a file, or the `__init__` that a name comes from."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in files else node.module for name in inner}
    return found & files


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Files that import each other in a circle; none is an empty list."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


GRAPH = {name: arrows(path.read_text(encoding="utf-8"), set(FILES)) for name, path in FILES.items()}


def test_no_circle() -> None:
    assert circle(GRAPH) == []


def test_the_search_for_circles_sees_imports_inside_functions() -> None:
    files = {"manual.a", "manual.b"}
    hidden = "def late():\n    from manual import a\n"
    assert circle({"manual.a": arrows("import manual.b", files), "manual.b": arrows(hidden, files)})


@pytest.mark.parametrize("name", FILES)
def test_arrows_run_from_layers_to_kernels_to_the_machine(name: str) -> None:
    """The room of threads and scratch knows no layer and no engine; engines know no layer."""
    allowed = {
        "manual.machine": ("manual.machine", "manual.checks"),
        "manual.kernels": ("manual.kernels", "manual.machine", "manual.checks"),
    }
    room = next((room for room in allowed if name.startswith(room)), None)
    if room is not None:
        assert all(to.startswith(allowed[room]) for to in GRAPH[name])


def loaded_by(statement: str) -> set[str]:
    """The files of `manual` that a fresh interpreter has loaded after `statement`."""
    code = f"import sys; {statement}; print(*(name for name in sys.modules if name.split('.')[0] == 'manual'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=FOLDER.parent, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("layer", LAYERS)
def test_only_convolutions_load_an_engine(layer: str) -> None:
    engines = {name for name in loaded_by(f"import manual.{layer}") if name.startswith("manual.kernels")}
    assert bool(engines) == (layer in ENGINES_NEEDED), engines


def test_the_package_itself_loads_nothing_but_what_is_asked_for() -> None:
    assert loaded_by("import manual") == {"manual"}
    assert "manual.relu" in loaded_by("from manual import ReLUActivation")
    assert "manual.kernels" in loaded_by("import manual; manual.ConvolutionalLayer")


def test_every_public_name_has_its_home() -> None:
    assert manual.HOMES.keys() == set(manual.__all__)
    assert set(manual.__all__) <= set(dir(manual))
    for name, home in manual.HOMES.items():
        assert getattr(manual, name).__module__ == home


def test_files_are_attributes_and_other_names_are_not() -> None:
    assert manual.relu is sys.modules["manual.relu"]
    assert {"relu", "kernels", "machine"} <= set(dir(manual))
    with pytest.raises(AttributeError, match="no attribute 'Relu'"):
        _ = manual.Relu
