"""`crosscheck check FILE` and `crosscheck new FILE` from outside: what is printed and written, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

import crosscheck
from crosscheck.cli import AGREED, DISAGREED, MISUSED, UNDECIDED, main, status_of

BEGUN = "grad_w = ...  "
FILLED = "grad_w = x.T @ grad_z"
RIGHT = """
import numpy as np
inputs = {"x": "4"}
def forward(x): return np.sin(x)
def backward(grad_output, x): return grad_output * np.cos(x)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def check(text: str, *options: str, name: str = "my_layer.py") -> Result:
    Path(name).write_text(text, encoding="utf-8")
    return run("check", name, *options)


def begun() -> str:
    Path("begun.py").unlink(missing_ok=True)
    assert run("new", "begun.py").exit_code == AGREED
    text = Path("begun.py").read_text(encoding="utf-8")
    assert text.count(BEGUN) == 1
    return text


def without_comment(text: str) -> str:
    """With the reference that stands at its end as a comment."""
    head, tail = text.split("# import jax.numpy as jnp", 1)
    return head + "\n".join(
        line.removeprefix("# ").rstrip("#") for line in ("# import jax.numpy as jnp" + tail).split("\n")
    )


# ---------------------------------------------------------------------- a file to begin with


def test_a_new_file_runs_at_once_and_says_what_is_missing(folder: Path) -> None:
    shown = check(begun(), "--json", "out.json")
    assert shown.exit_code == UNDECIDED, shown.output
    assert "still to be derived: w (my_layer.py:" in shown.output
    content = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert {k: g["verdict"] for k, g in content["gradients"].items()} == dict.fromkeys(("z", "x", "bias"), "agree")
    assert (content["missing"], content["status"]) == (["w"], UNDECIDED)


def test_filled_in_it_agrees(folder: Path) -> None:
    text = begun().replace(BEGUN, FILLED)
    shown = check(text)
    assert shown.exit_code == AGREED, shown.output
    assert "still to be derived" not in shown.output
    referred = check(without_comment(text))
    assert referred.exit_code == AGREED, referred.output
    assert "given, independent of the forward" in referred.output


def test_filled_in_wrong_the_line_is_named(folder: Path) -> None:
    shown = check(begun().replace(BEGUN, "grad_w = x.T @ grad_output"))
    assert shown.exit_code == DISAGREED
    said = " ".join(shown.output.split())
    first = "z, x are right, and w is the first that is wrong (my_layer.py:29: grad_w = x.T @ grad_output)"
    assert said.index(first) < said.index("w (3, 2): wrong")
    assert "backward my_layer.py:29" in said


def test_a_wrong_line_before_the_open_one_is_wrong(folder: Path) -> None:
    shown = check(begun().replace("(1 - y * y)", "(1 - y)"))
    assert shown.exit_code == DISAGREED
    assert "z is the first that is wrong" in " ".join(shown.output.split())
    assert "still to be derived: w" in shown.output


def test_a_new_file_does_not_touch_what_is_there(folder: Path) -> None:
    Path("mine.py").write_text("mine", encoding="utf-8")
    shown = run("new", "mine.py")
    assert shown.exit_code == MISUSED
    assert "stays as it is" in shown.output
    assert Path("mine.py").read_text(encoding="utf-8") == "mine"
    assert run("new", "nowhere/mine.py").exit_code == MISUSED


def test_where_nothing_is_derived_nothing_is_checked(folder: Path) -> None:
    shown = check(RIGHT.replace("grad_output * np.cos(x)", "..."))
    assert shown.exit_code == UNDECIDED
    assert shown.output.startswith("still to be derived: x")


# ---------------------------------------------------------------------- verdicts and files


def test_the_exit_status_is_the_verdict(folder: Path) -> None:
    assert check(RIGHT).exit_code == AGREED
    assert check(RIGHT.replace("np.cos", "-np.cos")).exit_code == DISAGREED
    assert check(RIGHT, "--budget", "0").exit_code == UNDECIDED
    assert check(RIGHT + 'options = {"accuracy": 0.5}').exit_code == UNDECIDED  # where any mistake could hide
    assert run("check", "absent.py").exit_code == MISUSED


def test_disagreement_comes_before_what_is_undecided() -> None:
    assert status_of() == AGREED
    assert status_of("agree", "undecided", "disagree") == DISAGREED
    assert status_of("agree", "undecided") == UNDECIDED


def test_json_is_there_whole_or_not_at_all(folder: Path) -> None:
    shown = check(RIGHT, "--json", "out.json", "--seed", "3")
    assert shown.exit_code == AGREED
    content = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert (content["file"], content["seed"], content["status"]) == ("my_layer.py", 3, AGREED)
    assert content["gradients"]["x"]["verdict"] == "agree"
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == ["my_layer.py", "out.json"]
    assert check("forward = 1", "--json", "other.json").exit_code == MISUSED
    assert not Path("other.json").exists()
    beside = check(RIGHT, "--json", "-")
    assert json.loads(beside.stdout)["call"] == "crosscheck check my_layer.py --seed 0"
    assert beside.stderr.startswith("my_layer (float64): agree")
    assert not Path("-").exists()
    for nowhere in ("nowhere/out.json", "."):
        shown = check(RIGHT, "--json", nowhere)
        assert shown.exit_code == MISUSED
        assert "--json" in shown.output


def test_the_page_fits_a_terminal_and_has_no_colour(folder: Path) -> None:
    for text in (RIGHT.replace("np.cos", "-np.cos"), begun(), "forward = 1"):
        shown = check(text)
        assert max(map(len, shown.output.splitlines())) <= 80, shown.output
        assert "\x1b" not in shown.output


def test_full_is_the_whole_where_there_is_more(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crosscheck.Result, "full", lambda self: "everything", raising=False)
    assert check(RIGHT, "--full").output == "everything\n"
    assert check(RIGHT).output != "everything\n"


def test_the_seed_draws_the_inputs(folder: Path) -> None:
    text = RIGHT.replace("np.sin(x)\n", "np.sin(x) if print(x[0]) is None else x\n")
    first = [check(text, "--seed", seed).output.splitlines()[0] for seed in ("0", "0", "1")]
    assert first[0] == first[1] != first[2]


def test_options_are_those_of_a_check(folder: Path) -> None:
    shown = check(RIGHT + 'options = {"directions": 2}')
    assert shown.exit_code == AGREED, shown.output
    for options, sentence in (('{"seed": 1}', "options has 'seed'"), ("3", "options is 3, an int")):
        refused = check(RIGHT + f"options = {options}")
        assert refused.exit_code == MISUSED
        assert sentence in refused.output


# ---------------------------------------------------------------------- what cannot be checked


def test_an_exception_shows_the_users_frames_alone(folder: Path) -> None:
    Path("beside.py").write_text("def half(x):\n    raise ValueError('no half of it')\n", encoding="utf-8")
    shown = check("from beside import half\n" + RIGHT.replace("np.cos(x)", "half(x)"))
    assert shown.exit_code == MISUSED
    lines = shown.output.splitlines()
    assert [line.split(",")[0].strip() for line in lines if line.startswith("  File")] == [
        'File "my_layer.py"',
        f'File "{folder / "beside.py"}"',
    ]
    assert "ValueError: no half of it" in lines
    assert "my_layer.py:6 raised ValueError in backward while calling" in shown.output
    assert "crosscheck: raised" not in shown.output


REFUSED = {
    "no Python": ("def forward(x:\n", ("SyntaxError", "my_layer.py cannot be read as Python; nothing was judged")),
    "an unknown name": (RIGHT.replace("np.sin", "nump.sin"), ("NameError: name 'nump'", "raised NameError in forward")),
    "wrong when loaded": ("1 / 0\n", ("ZeroDivisionError", "my_layer.py:1 raised ZeroDivisionError, when it was")),
    "an end of its own": ("raise SystemExit(0)\n", ("raised SystemExit",)),
    "no backward": (RIGHT.replace("def backward", "def backwards"), ("has no backward (it has backwards)",)),
    "no inputs": (RIGHT.replace("inputs =", "points ="), ("has no inputs",)),
    "no function": (RIGHT + "reference = 3\n", ("my_layer.py: reference is 3, an int; it must be a function",)),
    "no gradient": (RIGHT.replace("return grad", "return None and grad"), ("backward of my_layer returned",)),
    "no shape": (RIGHT.replace('"4"', '"4x4"'), ("input x is '4x4'; a shape is written",)),
    "inside NumPy": (
        RIGHT.replace('{"x": "4"}', '{"a": (3, 4)}').replace("(grad_output, x)", "(grad_output, a)")
        + "forward = np.linalg.inv\n",
        ("my_layer.py: LinAlgError; nothing was judged", "square"),
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_be_checked_is_said_in_a_sentence(why: str, folder: Path) -> None:
    text, sentences = REFUSED[why]
    shown = check(text)
    assert shown.exit_code == MISUSED, shown.output
    said = " ".join(shown.output.split())
    for sentence in sentences:
        assert sentence in said
    own = str(Path(crosscheck.__file__).parent)
    assert own not in shown.output


def test_the_page_says_how_to_repeat_it(folder: Path) -> None:
    said = " ".join(check(RIGHT, "--seed", "3", "--budget", "60").output.split())
    assert "repeat crosscheck check my_layer.py --seed 3 --budget 60" in said
    assert said.startswith("my_layer (float64): agree")
    assert check(RIGHT + 'options = {"name": "sine"}').output.startswith("sine (float64): agree")


# ---------------------------------------------------------------------- a survey

SURVEYED = "def make(padding): ...\nspace = {'padding': (0, 1)}\n"


def test_a_survey_is_asked_where_there_is_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    class Surveyed(SimpleNamespace):
        def __bool__(self) -> bool:
            return self.verdict == "right"

    def survey(make: Any, space: Any, *, budget: float | None = None, seed: int = 0) -> Any:
        seen.update(space=space, budget=budget, seed=seed)
        return Surveyed(verdict=verdict, to_dict=lambda: {"wrong": "padding"})

    verdict = "wrong"
    monkeypatch.setattr(crosscheck, "survey", survey, raising=False)
    shown = check(SURVEYED, "--budget", "7", "--seed", "2", "--json", "out.json")
    assert shown.exit_code == DISAGREED, shown.output
    assert seen == {"space": {"padding": (0, 1)}, "budget": 7.0, "seed": 2}
    assert json.loads(Path("out.json").read_text(encoding="utf-8"))["survey"] == {"wrong": "padding"}
    assert check(RIGHT + SURVEYED).exit_code == DISAGREED
    verdict = "undecided"
    assert check(SURVEYED).exit_code == UNDECIDED
    verdict = "right"
    assert check(SURVEYED).exit_code == AGREED


def test_the_survey_there_is_says_when_the_file_is_wrong(folder: Path) -> None:
    shown = check(REAL)
    assert shown.exit_code == DISAGREED, shown.output
    assert "x wrong exactly when offset ≥ 1" in shown.output
    assert "make and no space" in check("def make(padding): ...\n").output


def test_what_is_finished_is_printed_at_ctrl_c(folder: Path) -> None:
    """As Ctrl-C does it, whenever the survey makes a configuration: `interrupts.FINISHED` says what there is."""
    text = "import crosscheck.interrupts as i\n" + RIGHT + REAL.replace("    x = ", "    i.print_finished()\n    x = ")
    shown = check(text)
    _, *told = shown.stdout.split("my_layer (float64): agree")
    assert len(told) > 3, shown.output
    assert "configuration" in told[1]
    assert "x: right in all" in "".join(told[:-1]) or "x: wrong" in "".join(told[:-1])


REAL = """
import numpy as np


def make(offset, rows):
    x = np.random.default_rng(0).normal(size=(rows, 3))
    return lambda x: x * x + offset, lambda g, x: {"x": 2 * g * (x + offset)}, {"x": x}


space = {"offset": (0, 1, 2), "rows": (2, 4)}
"""
