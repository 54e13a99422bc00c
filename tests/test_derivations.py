"""Derivation and code name each other: a result (n) of a docstring is computed at a line that ends in # (n)."""

import ast
import io
import re
import tokenize
import unicodedata
from pathlib import Path

import pytest

import manual

FOLDER = Path(manual.__file__).parent
NUMBERED = re.compile(r"^ {4,}(\S.*?) {2,}\((\d+)\)$", re.MULTILINE)
COMMENT = re.compile(r"# (\(\d+\)(?:, \(\d+\))*)")
DOT = "\N{COMBINING DOT ABOVE}"


def equations(source: str) -> list[tuple[int, str]]:
    """The numbered lines of the module's docstring: (n, the line without its number)."""
    docstring = ast.get_docstring(ast.parse(source), clean=False) or ""
    return [(int(number), line) for line, number in NUMBERED.findall(docstring)]


def is_step(equation: str) -> bool:
    """Whether it moves a nudge forward, as Ẏ = …: a step of the derivation that no code computes."""
    return DOT in unicodedata.normalize("NFD", equation.partition("=")[0])


def computed(source: str) -> set[int]:
    """The numbers that comments at the end of code lines name."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    found = (COMMENT.match(token.string) for token in tokens if token.type == tokenize.COMMENT)
    return {int(n) for match in found if match for n in re.findall(r"\d+", match.group(1))}


FILES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.py"))}
OPERATIONS = {stem: source for stem, source in FILES.items() if re.search(r"^def backward\(", source, re.MULTILINE)}
DERIVED = {stem: source for stem, source in FILES.items() if equations(source) or computed(source)}


def test_the_operations_are_found() -> None:
    assert {"convolution", "max_pooling", "flatten", "linear", "relu", "softmax_cross_entropy"} <= OPERATIONS.keys()
    assert OPERATIONS.keys() | {"layer", "network"} <= DERIVED.keys()


@pytest.mark.parametrize("file", DERIVED)
def test_numbers_run_from_one(file: str) -> None:
    numbers = [n for n, _ in equations(DERIVED[file])]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("file", DERIVED)
def test_every_result_is_computed_and_every_number_derived(file: str) -> None:
    results = {n for n, line in equations(DERIVED[file]) if not is_step(line)}
    assert computed(DERIVED[file]) == results


@pytest.mark.parametrize("file", OPERATIONS)
def test_a_derivation_has_a_forward_a_gradient_and_a_source(file: str) -> None:
    lines = [line for _, line in equations(OPERATIONS[file])]
    assert re.match(r"(Y|L|P)\b", lines[0])
    assert re.match(r"∂L/∂", lines[-1])
    assert re.search(r"^Source: ", ast.get_docstring(ast.parse(OPERATIONS[file])) or "", re.MULTILINE)


KERNELS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((FOLDER / "kernels").glob("*.py"))}
DERIVED_KERNELS = {stem: source for stem, source in KERNELS.items() if equations(source)}
ENGINES = ("definition", "gemm", "pointwise", "small", "winograd", "transform")
STEPS = {"winograd": {1}, "toom_cook": {1}}  # one axis, and the product behind it: on the way to (2), never computed


def test_every_engine_is_derived() -> None:
    assert set(ENGINES) <= DERIVED_KERNELS.keys()


@pytest.mark.parametrize("file", DERIVED_KERNELS)
def test_an_engine_says_where_it_computes_each_number(file: str) -> None:
    """In a comment or in the docstring of what computes it: an engine computes some results in several stages."""
    source = DERIVED_KERNELS[file]
    parts = [source.split('"""', 2)[2], *(text for stem, text in KERNELS.items() if stem.startswith(f"{file}_"))]
    numbers = [n for n, _ in equations(source)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert computed(source) <= set(numbers)
    after = "\n".join(parts)
    named = {int(n) for n in re.findall(r"\((\d+)\)", after)} | {
        n for a, b in re.findall(r"\((\d+)\) to \((\d+)\)", after) for n in range(int(a), int(b) + 1)
    }
    assert set(numbers) - STEPS.get(file, set()) <= named


def test_a_step_is_told_from_a_result() -> None:
    assert is_step("Ẏ[b] = Ẋ[b]")
    assert is_step("L̇ = Σ Ẋ")
    assert not is_step("∂L/∂X = G")
