"""The command line: its commands come as entry points, and nothing is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from crosscheck import cli
from crosscheck.cli import MISUSED, main

ROOT = Path(__file__).parents[1]


class Announced:
    """An entry point of our making, which counts how often it is loaded."""

    def __init__(self, name: str, command: Callable[[], click.Command]) -> None:
        self.name, self.command, self.loaded = name, command, 0

    def load(self) -> click.Command:
        self.loaded += 1
        return self.command()


@click.command("greet")
@click.option("--name", default="you")
def greet(name: str) -> None:
    """Say hello."""
    click.echo(f"hello {name}")


def broken() -> click.Command:
    raise ImportError("it needs something")


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> dict[str, Announced]:
    made = {e.name: e for e in (Announced("greet", lambda: greet), Announced("absent", broken))}

    def entry_points(*, group: str) -> list[Any]:
        assert group == "crosscheck.commands"
        return list(made.values())

    monkeypatch.setattr(cli, "entry_points", entry_points)
    return made


def test_an_announced_command_runs(entries: dict[str, Announced]) -> None:
    shown = CliRunner().invoke(main, ["greet", "--name", "Ada"])
    assert shown.exit_code == 0, shown.output
    assert shown.output == "hello Ada\n"
    assert entries["absent"].loaded == 0


def test_a_commands_own_help(entries: dict[str, Announced]) -> None:
    for option in ("--help", "-h"):
        shown = CliRunner().invoke(main, ["greet", option])
        assert "Say hello." in shown.output
        assert "--name" in shown.output


def test_the_commands_are_listed_by_name(entries: dict[str, Announced]) -> None:
    entries["absent"].command = lambda: click.Command("absent", help="Is missed.")
    shown = CliRunner().invoke(main, ["--help"])
    assert shown.exit_code == 0
    assert shown.output.index("absent") < shown.output.index("greet")
    assert "Exit status" in shown.output
    assert max(map(len, shown.output.splitlines())) <= 80


def test_an_unknown_command_is_wrong_use_and_named(entries: dict[str, Announced]) -> None:
    shown = CliRunner().invoke(main, ["greed"])
    assert shown.exit_code == MISUSED
    assert "'greed'" in shown.output


def test_without_any_package_that_announces_one_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "entry_points", lambda *, group: [])
    assert CliRunner().invoke(main, ["--help"]).exit_code == 0
    assert CliRunner().invoke(main, ["run"]).exit_code == MISUSED


def python(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_as_a_module_it_is_the_command_line() -> None:
    shown = python("-m", "crosscheck", "--help")
    assert shown.startswith("Usage: crosscheck")
    assert "Exit status" in shown


def test_help_loads_neither_jax_nor_numpy() -> None:
    code = (
        "import sys\n"
        "from crosscheck.cli import main\n"
        "main(['--help'], prog_name='crosscheck', standalone_mode=False)\n"
        "print([name for name in ('jax', 'numpy') if name in sys.modules])\n"
    )
    assert python("-c", code).splitlines()[-1] == "[]"
