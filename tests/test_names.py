"""One word, one meaning: what stands at the top of two modules of the judge is the same thing, or has two names.

Functions and constants that nobody imports belong to their module, and two modules may each have a `smallest`. Not so
a type, which signatures carry everywhere, nor what the modules of a room import from one another.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1] / "crosscheck"

# name -> why two modules define it.
TWICE = {
    "Case": "what is to be judged: a row of the lecture's table, and one gradient before the rules",
    "train": "a command, and the function that it runs",
    **dict.fromkeys(
        ("add", "take", "put", "put_all", "add_all", "getitem", "astype", "spread"),
        "what NumPy does in memory while a forward is recorded, and its counterpart in JAX when it is replayed",
    ),
}


class Definition(NamedTuple):
    """A name at the top of a module, and what it is: the source without its docstring."""

    name: str
    place: Path
    is_function: bool
    source: str

    @property
    def is_type(self) -> bool:
        """A class or an alias by its spelling: CamelCase."""
        return self.name[0].isupper() and not self.name.isupper()


def definitions(place: Path, text: str) -> Iterator[Definition]:
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            arguments = ast.unparse(node.args) if isinstance(node, ast.FunctionDef) else ""
            source = "\n".join([arguments, *map(ast.unparse, body)])
            yield Definition(node.name, place, isinstance(node, ast.FunctionDef), source)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for name in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if isinstance(name, ast.Name) and not name.id.startswith("__"):
                        yield Definition(name.id, place, False, ast.unparse(node.value))


def used(text: str) -> Iterator[tuple[str, str]]:
    """(module, name) of what is used of the judge's own modules: imported, or read from a module that is."""
    tree = ast.parse(text)
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("crosscheck."):
            for alias in node.names:
                yield node.module or "", alias.name
                modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            yield modules[node.value.id], node.attr


def modules() -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))}


def clashes(texts: dict[Path, str]) -> list[str]:
    """Every name that stands for two things, with the places."""
    by_name: dict[str, list[Definition]] = defaultdict(list)
    for path, text in texts.items():
        for definition in definitions(path, text):
            by_name[definition.name].append(definition)
    shared = {pair for text in texts.values() for pair in used(text)}
    found = []
    for name, group in by_name.items():
        places = {d.place for d in group}
        if len(places) < 2 or name in TWICE or len({d.source for d in group}) == 1:
            continue
        rooms = [d.place.parent for d in group]
        spread = any(rooms.count(d.place.parent) > 1 and (dotted(d.place), name) in shared for d in group)
        if any(d.is_type for d in group) or spread:
            found.append(f"{name}: {', '.join(map(dotted, sorted(places)))}")
    return found


def copies(texts: dict[Path, str]) -> list[str]:
    """Every function that stands in two modules, under whatever name."""
    bodies: dict[str, set[str]] = defaultdict(set)
    for path, text in texts.items():
        for d in definitions(path, text):
            if d.is_function:
                bodies[d.source].add(f"{dotted(path)}.{d.name}")
    return [", ".join(sorted(places)) for places in bodies.values() if len(places) > 1]


def dotted(place: Path) -> str:
    return ".".join(place.relative_to(ROOT.parent).with_suffix("").parts)


def test_one_word_has_one_meaning() -> None:
    assert clashes(modules()) == []


def test_one_function_stands_once() -> None:
    assert copies(modules()) == []


A, B, C = ROOT / "exact" / "a.py", ROOT / "exact" / "b.py", ROOT / "report" / "c.py"


def test_the_checks_can_fail() -> None:
    """On modules made up for it: types, what is imported within a room, the same body under another name."""
    assert clashes({A: "class Note: x = 1", C: "Note = int"}) == ["Note: crosscheck.exact.a, crosscheck.report.c"]
    assert clashes({A: "Array = list", C: "Array = list"}) == []
    half, twice = "def half(x): return x / 2", "def half(x): return 2 * x"
    assert clashes({A: half, B: twice}) == []
    assert clashes({A: half, B: twice, C: "from crosscheck.exact.a import half"}) != []
    assert clashes({A: half, B: twice, C: "from crosscheck.exact import a\na.half(1)"}) != []
    assert clashes({A: half, C: twice + "\nfrom crosscheck.exact.a import half"}) == []
    assert copies({A: half, C: 'def halved(x):\n    """Half."""\n    return x / 2'}) != []
    assert copies({A: half, C: twice}) == []
