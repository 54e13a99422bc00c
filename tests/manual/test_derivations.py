"""Derivation and code name each other: a result (n) of a docstring is computed at a line that ends in # (n).

And every letter means one thing in one file: a paragraph that begins with "Letters:" declares it.
"""

import ast
import io
import itertools
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


def is_nudge(equation: str) -> bool:
    """Whether it moves a nudge forward, as Ẏ = …."""
    return DOT in unicodedata.normalize("NFD", equation.partition("=")[0]) and not equation.startswith("∂")


def is_tangent(equation: str) -> bool:
    """Whether that is the output's own nudge: of an operation Y, of a loss L, of a step of a program V_n."""
    return re.match(f"[YL]{DOT}|V{DOT}_n", unicodedata.normalize("NFD", equation)) is not None


def is_gradient(equation: str) -> bool:
    return equation.startswith("∂L/∂")


def is_curvature(equation: str) -> bool:
    """Whether it moves a loss's gradient, as ∂²L/∂P² · Ṗ = …."""
    return equation.startswith("∂²L/∂")


def is_step(equation: str) -> bool:
    """Whether it is a step of the derivation, which code may compute on its way or pass over."""
    return is_nudge(equation) and not is_tangent(equation)


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
    assert OPERATIONS.keys() | {"program", "network"} <= DERIVED.keys()


@pytest.mark.parametrize("file", DERIVED)
def test_numbers_run_from_one(file: str) -> None:
    numbers = [n for n, _ in equations(DERIVED[file])]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("file", DERIVED)
def test_every_result_is_computed_and_every_number_derived(file: str) -> None:
    results = {n for n, line in equations(DERIVED[file]) if not is_step(line)}
    assert results <= computed(DERIVED[file]) <= {n for n, _ in equations(DERIVED[file])}


@pytest.mark.parametrize("file", OPERATIONS)
def test_a_derivation_has_a_forward_a_tangent_a_gradient_and_a_source(file: str) -> None:
    lines = [line for _, line in equations(OPERATIONS[file])]
    assert re.match(r"(Y|L|P)\b", lines[0])
    tangents, gradients = ([n for n, line in enumerate(lines) if is_(line)] for is_ in (is_tangent, is_gradient))
    assert tangents, "no equation gives the output's nudge"
    assert tangents[0] < gradients[0]
    assert is_gradient(lines[-1]) or is_curvature(lines[-1])
    assert re.search(r"^Source: ", ast.get_docstring(ast.parse(OPERATIONS[file])) or "", re.MULTILINE)


KERNELS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((FOLDER / "kernels").glob("*.py"))}
DERIVED_KERNELS = {stem: source for stem, source in KERNELS.items() if equations(source)}
ENGINES = (
    *("definition", "gemm", "pointwise", "small", "dense", "channels"),
    *("depthwise", "banded", "winograd", "transform"),
)
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
    assert is_step("Ż = R·Ẋ")
    assert is_tangent("Ẏ[b] = Ẋ[b]")
    assert is_tangent("L̇ = Σ Ẋ")
    assert not is_step("Ẏ[b] = Ẋ[b]")
    assert not is_step("∂L/∂X = G")
    assert not is_step("∂²L/∂P² · Ṗ = G·Ṗ")
    assert is_curvature("∂²L/∂P² · Ṗ = G·Ṗ")


# ---------------------------------------------------------------------- the letters

MARKS = {
    "dot": DOT,
    "bar": "\N{COMBINING MACRON}",
    "tilde": "\N{COMBINING TILDE}",
    "hat": "\N{COMBINING CIRCUMFLEX ACCENT}",
}
LETTER = "[A-Za-zÀ-ɏͰ-Ͽ]"
SYMBOL = rf"(?:{LETTER}[₀-₉]*|‖·‖)"
DECLARED = re.compile(rf"({SYMBOL}(?:, {SYMBOL})*)(?: = | )(.*)")
ALL = {str(path.relative_to(FOLDER)): path.read_text(encoding="utf-8") for path in sorted(FOLDER.rglob("*.py"))}
WITH_LETTERS = {file: source for file, source in ALL.items() if equations(source)}

# The letters of the lecture's sum (DESIGN, "The lecture"): in every file about windows of images they mean this.
LECTURE = {
    **dict.fromkeys("b", "sample"),
    **dict.fromkeys("c", ("output channel", "channel")),
    **dict.fromkeys("k", "input channel"),
    **dict.fromkeys("hw", "output position"),
    **dict.fromkeys("ij", "position in the window"),
    **dict.fromkeys("st", "stride"),
    **dict.fromkeys("de", "dilation"),
    "X": "input",
    "Y": "output",
    "W": "filters",
    "G": "∂L/∂Y",
}
ABOUT_WINDOWS = [file for file in WITH_LETTERS if file.startswith(("kernels", "machine", "convolution", "max_pooling"))]


def docstring(source: str) -> str:
    return unicodedata.normalize("NFD", ast.get_docstring(ast.parse(source)) or "")


def legend(text: str) -> list[tuple[str, str]]:
    """(letter or mark, what it means), in order; of all paragraphs that begin with "Letters:"."""
    found = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("Letters: "):
            for item in " ".join(paragraph.removeprefix("Letters: ").split()).rstrip(".").split("; "):
                mark = re.match(r"a (\w+) (?:marks|is) (.*)", item)
                if mark:
                    found.append(mark.groups())
                    continue
                declared = DECLARED.fullmatch(item)
                assert declared, item
                found += [(symbol, declared[2]) for symbol in declared[1].split(", ")]
    return found


def used(lines: list[str]) -> set[str]:
    """The single letters and the marks of some lines; words, quoted strings and signs like Σ are none."""
    text = unicodedata.normalize("NFD", re.sub(r'"[^"]*"', " ", " ".join(lines)))
    marks = {name for name, mark in MARKS.items() if mark in text}
    marks |= {"star"} if re.search(rf"{LETTER}\*", text) else set()
    plain = "".join(sign for sign in text if not unicodedata.combining(sign))
    runs = re.findall(rf"{LETTER}+[₀-₉]*", plain.replace("ᵗ", " t ").replace("ₙ", " n "))
    return {run for run in runs if len(run.rstrip("₀₁₂₃₄₅₆₇₈₉")) == 1} - {"Σ", "Π"} | marks


def lines_of(source: str) -> list[str]:
    return [line for _, line in equations(source)]


@pytest.mark.parametrize("file", WITH_LETTERS)
def test_every_letter_of_a_derivation_is_declared_once(file: str) -> None:
    letters = [letter for letter, _ in legend(docstring(WITH_LETTERS[file]))]
    assert len(letters) == len(set(letters)), sorted(letters)
    unknown = {sign for sign in used(lines_of(WITH_LETTERS[file])) if not {sign, sign[0]} & set(letters)}  # X₀ is an X
    assert not unknown


@pytest.mark.parametrize("file", WITH_LETTERS)
def test_every_letter_that_is_declared_is_used(file: str) -> None:
    """In the derivation, in the meaning of another letter, or in the code."""
    declared = legend(docstring(WITH_LETTERS[file]))
    rest = re.sub(r"^Letters: .*?\n\n", "", WITH_LETTERS[file], flags=re.MULTILINE | re.DOTALL)
    assert {letter for letter, _ in declared} - {"‖·‖"} <= used(
        [rest.replace('"', " "), *(meaning for _, meaning in declared)]
    )


@pytest.mark.parametrize("file", ABOUT_WINDOWS)
def test_the_lectures_letters_mean_what_they_mean_in_the_lecture(file: str) -> None:
    for letter, meaning in legend(docstring(WITH_LETTERS[file])):
        if letter in LECTURE:
            assert meaning.startswith(LECTURE[letter]), letter


def readme_letters() -> list[tuple[str, str]]:
    """(letter, meaning) of the README's table of symbols."""
    symbols = (FOLDER.parent / "README.md").read_text(encoding="utf-8").partition("## Symbols")[2].partition("\n## ")[0]
    cells = [cell.strip() for line in symbols.splitlines() if line.startswith("|") for cell in line.split("|")[1:-1]]
    found = []
    for letters, meaning in itertools.pairwise(cells):
        if letters.startswith("`"):
            found += [(letter, meaning) for letter in used([letters]) if letter not in MARKS]
    return found


def test_the_readmes_letters_are_those_of_the_derivations() -> None:
    """Of the convolution, or of the linear layer where the README names that."""
    of_convolution, of_linear = (dict(legend(docstring(FILES[file]))) for file in ("convolution", "linear"))
    assert len(readme_letters()) > 10
    for letter, meaning in readme_letters():
        if "linear layer" in meaning:
            assert of_linear[letter].split()[0] in meaning
        elif "nudge" in meaning:
            assert of_convolution["dot"] == "a nudge"
        else:
            assert meaning.startswith(of_convolution[letter]), letter


UNPACKED = {"stride": "st", "dilation": "de", "pool_size": "pq", "step": "mp", "side": "no"}


def unpacked(source: str) -> set[tuple[str, tuple[str, ...]]]:
    """(what is unpacked, into which names) of the assignments in a source that unpack a pair."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            pairs = [(node.targets[0], node.value)]
            if isinstance(node.value, ast.Tuple):
                pairs = list(zip(node.targets[0].elts, node.value.elts, strict=True))
            for target, value in pairs:
                name = value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")
                if isinstance(target, ast.Tuple) and name in UNPACKED:
                    found.add((name, tuple(ast.unparse(element) for element in target.elts)))
    return found


@pytest.mark.parametrize("file", [file for file, source in ALL.items() if unpacked(source)])
def test_code_unpacks_a_pair_into_the_letters_of_its_derivation(file: str) -> None:
    """Or into words, or into "_" where one is not needed."""
    for name, into in unpacked(ALL[file]):
        for letter, taken in zip(UNPACKED[name], into, strict=True):
            assert taken in (letter, "_") or len(taken) > 1, (name, into)


def test_the_lint_of_letters_can_fail() -> None:
    assert used(["∂L/∂W[c,k] = Σ_{b} G[b,c] · Ẋ[b] + bias[c]"]) == {*"LWckbGX", "dot"}
    assert used(['Y = A₂·β₁ᵗ   einsum "bchw->c"', "(i*, j*)"]) == {"Y", "A₂", "β₁", "t", "i", "j", "star"}
    assert legend("Words.\n\nLetters: X input; h, w output\nposition; G = ∂L/∂Y; a dot marks a nudge.") == [
        ("X", "input"), ("h", "output position"), ("w", "output position"), ("G", "∂L/∂Y"), ("dot", "a nudge"),
    ]  # fmt: skip
    assert unpacked("(n, o), (_, t) = tiles.side, stride") == {("side", ("n", "o")), ("stride", ("_", "t"))}
