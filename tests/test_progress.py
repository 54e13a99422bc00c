"""What a long check shows: on a terminal one line, elsewhere nothing."""

from __future__ import annotations

import io
import logging
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import crosscheck
from crosscheck import progress
from crosscheck.collecting import moved
from crosscheck.deadline import Deadline
from crosscheck.progress import ERASED, line_of, on_terminal, shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard error as a terminal, on which nothing has to be waited for."""
    made = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=made))  # the capture of tests puts its own into sys
    monkeypatch.setattr(progress, "WAIT", 0.02)
    monkeypatch.setattr(progress, "REDRAWN_EVERY", 0.02)
    return made


def slow(x: Any) -> Any:
    time.sleep(0.02)
    return np.tanh(x)


def check(**more: Any) -> Any:
    return crosscheck.check(
        slow, lambda grad_output, x: {"x": grad_output * (1 - np.tanh(x) ** 2)}, {"x": np.linspace(0.1, 1, 6)}, **more
    )


def test_a_terminal_sees_what_is_done_and_nothing_is_left_of_it(terminal: Terminal) -> None:
    assert check(budget=1000)
    written = terminal.getvalue()
    assert "checking slow: differences of the forward in x; " in written
    assert " of 1000 s" in written
    assert written.endswith(ERASED)
    assert not [t for t in threading.enumerate() if t.name == "crosscheck progress"]


def test_a_short_check_shows_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "WAIT", 600.0)
    assert check()
    assert terminal.getvalue() == ""


def test_a_pipe_sees_nothing(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "WAIT", 0.0)
    assert check()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_no_standard_error_is_no_terminal(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if stream is not None:
        stream.close()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=stream))
    assert not on_terminal()


def test_how_often_a_slow_forward_is_called_is_said_beforehand(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(moved, "LONG_CHECK", 0.5)
    calls = []

    def counted(x: Any) -> Any:
        calls.append(1)
        return slow(x)

    with caplog.at_level(logging.INFO, "crosscheck"):
        crosscheck.check(counted, lambda grad_output, x: {"x": grad_output}, {"x": np.linspace(0.1, 1, 6)})
    (said,) = [record.message for record in caplog.records]
    assert "calls of forward" in said
    assert said in terminal.getvalue()
    most = int(said.split("; ")[-1].split(" calls")[0].replace(",", ""))
    assert len(calls) < most + 100  # and those for side effects, longdouble, further points


def test_one_check_at_a_time_is_shown(terminal: Terminal) -> None:
    with shown("first", Deadline()):
        time.sleep(0.1)
        with shown("second", Deadline()):
            time.sleep(0.1)
    assert "checking first" in terminal.getvalue()
    assert "second" not in terminal.getvalue()


def test_an_error_ends_the_line(terminal: Terminal) -> None:
    def failing() -> None:
        with shown("it", Deadline()):
            time.sleep(0.1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert terminal.getvalue().endswith(ERASED)
    with shown("another", Deadline()):
        time.sleep(0.1)
    assert "another" in terminal.getvalue()


def test_a_line_says_how_long_it_may_take() -> None:
    deadline = Deadline(60.0)
    deadline.calls = 1234
    assert line_of("f", deadline, 7.4) == "checking f: the point; 1,234 calls, 7 of 60 s"
    assert line_of("f", Deadline(), 7.4) == "checking f: the point; 0 calls, 7 s"
