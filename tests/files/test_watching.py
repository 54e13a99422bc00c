"""`--watch`: again on every save, until Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crosscheck.cli import MISUSED, main
from crosscheck.files import watching
from crosscheck.files.loading import UserFile

ROOT = Path(__file__).parents[2]
VERDICT = r"^\S+ \(float64\): (\w+)"  # in the first line of a page
RIGHT = """
from beside import factor
inputs = {"x": (3,)}
def forward(x): return 2 * x
def backward(grad_output, x): return factor * grad_output
"""


class Saved:
    """Stands for `watchfiles.watch`: makes the next save whenever it is waited for, and ends like Ctrl-C."""

    def __init__(self, *saves: Callable[[], Any]) -> None:
        self.saves = iter(saves)

    def __call__(self, *folders: Path, **options: Any) -> Iterator[set[Any]]:
        assert all(folder.is_dir() for folder in folders)
        assert options["recursive"] is False
        while True:
            save = next(self.saves, None)
            if save is None:
                raise KeyboardInterrupt
            save()
            yield set()


def write(name: str, text: str) -> Callable[[], Any]:
    return lambda: Path(name).write_text(text, encoding="utf-8")


def test_every_save_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file, what it imports from its folder, half-written code, a file that is away for a moment."""
    monkeypatch.chdir(tmp_path)
    write("mine.py", RIGHT)()
    write("beside.py", "factor = 3")()
    saves = Saved(
        write("unrelated.py", ""),
        write("beside.py", "factor = 2.0"),
        write("mine.py", RIGHT + "def broken("),
        Path("mine.py").unlink,
        write("mine.py", RIGHT.replace("2 * x", "3 * x")),
    )
    shown = watched(saves, monkeypatch)
    assert re.findall(VERDICT, shown.output, re.MULTILINE) == ["disagree", "agree", "disagree"]
    assert shown.output.count("\nwatching mine.py; Ctrl-C ends\n") == 4
    assert shown.output.count("SyntaxError") == 1


def test_what_is_imported_may_go_and_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sibling that is gone for good does not end the watch; one that is written later is waited for."""
    monkeypatch.chdir(tmp_path)
    write("mine.py", RIGHT)()
    write("beside.py", "factor = 2.0")()
    saves = Saved(
        Path("beside.py").unlink,
        write("mine.py", RIGHT.replace("beside", "later")),
        write("later.py", "factor = 3.0"),
    )
    shown = watched(saves, monkeypatch)
    assert re.findall(VERDICT, shown.output, re.MULTILINE) == ["agree", "disagree"]
    assert shown.output.count("raised ModuleNotFoundError") == 2


def watched(saves: Saved, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setattr(watching, "watcher", lambda: saves)
    shown = CliRunner().invoke(main, ["check", "mine.py", "--watch"])
    assert isinstance(shown.exception, KeyboardInterrupt | SystemExit)
    return shown


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    path = tmp_path / "mine.py"
    path.write_text(RIGHT, encoding="utf-8")
    shown = CliRunner().invoke(main, ["check", str(path), "--watch"])
    assert shown.exit_code == MISUSED
    assert "crosscheck[watch]" in shown.output


def test_what_was_imported_from_elsewhere_stays(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("factor = 3", encoding="utf-8")
    path = tmp_path / "mine.py"
    path.write_text("import numpy, click\nimport beside_it\n", encoding="utf-8")
    numpy = sys.modules["numpy"]
    file = UserFile(path)
    file.load()
    assert "beside_it" in sys.modules
    assert str(tmp_path) not in sys.path
    file.forget()
    assert file.files == {path, tmp_path / "beside_it.py"}
    assert "beside_it" not in sys.modules
    assert sys.modules["numpy"] is numpy


# Where this runs in the background, SIGINT is ignored, and children inherit that.
HEARING = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "runpy.run_module('crosscheck', run_name='__main__', alter_sys=True)"
)


def pressed(run: subprocess.Popen[str]) -> int:
    """Its exit status after Ctrl-C, pressed again where a library in C has dropped it, as people do."""
    for _ in range(20):
        run.send_signal(signal.SIGINT)
        try:
            return run.wait(1)
        except subprocess.TimeoutExpired:
            continue
    run.kill()  # else leaving its context would wait for ever
    return run.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="signals as Unix has them")
def test_a_real_save_and_a_real_ctrl_c(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    path = tmp_path / "mine.py"
    path.write_text(RIGHT.replace("from beside import factor", "factor = 3"), encoding="utf-8")
    command = [sys.executable, "-c", HEARING, "check", str(path), "--watch"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment) as run:
        assert run.stdout is not None
        seen = []
        for line in run.stdout:
            seen.append(line)
            if line.startswith("watching"):
                if "agree" in re.findall(VERDICT, "".join(seen), re.MULTILINE):
                    break
                time.sleep(0.2)
                path.write_text(RIGHT.replace("from beside import factor", "factor = 2"), encoding="utf-8")
        assert pressed(run) == 130
    assert re.findall(VERDICT, "".join(seen), re.MULTILINE) == ["disagree", "agree"]
