"""Ctrl-C: real processes get a real SIGINT, in the middle of Python, of a compilation, of a check."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from crosscheck import interrupts
from crosscheck.interrupts import INTERRUPTED, listening, when_interrupted

ROOT = Path(__file__).parents[1]
# A second on a machine that does nothing else; a busy one may take longer to start a thread.
SOON = 5.0
# Where this runs in the background, SIGINT is ignored, and children inherit that.
HEARING = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"


def interrupted(code: str, sign: str = "ready", times: int = 1) -> tuple[int, str, str, float]:
    """Run `code`, send SIGINT once it prints `sign`: exit code, output, errors, and the seconds it took to leave.

    Pressed `times` times, as people do, where a single one may be lost on its way through a library in C that asks for
    an attribute or a hash and drops whatever that raised.
    """
    command = [sys.executable, "-c", HEARING + textwrap.dedent(code)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    patience = threading.Timer(120, child.kill)  # whatever goes wrong, nobody waits for ever
    patience.start()
    read = []
    for line in child.stdout:
        read.append(line)
        if line.strip() == sign:
            break
    else:
        pytest.fail(f"it ended before it was ready: {child.communicate()[1]}")
    time.sleep(0.3)
    sent = time.perf_counter()
    child.send_signal(signal.SIGINT)
    for _ in range(times - 1):
        try:
            child.wait(SOON / 5)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGINT)
    try:
        out, errors = child.communicate(timeout=60)
    finally:
        child.kill()
        patience.cancel()
    return child.returncode, "".join(read) + out, errors, time.perf_counter() - sent


def test_it_leaves_a_compilation() -> None:
    code, out, errors, seconds = interrupted(
        """
        import jax
        from crosscheck.interrupts import listening, when_interrupted

        def unrolled(x):
            for i in range(4000):
                x = jax.numpy.sin(x) * (1 + 1 / (i + 2)) + x[::-1]
            return x

        def work():
            lowered = jax.jit(unrolled).lower(jax.numpy.ones(7))
            print("ready", flush=True)
            lowered.compile()
            print("compiled", flush=True)

        with when_interrupted(lambda: print("this is finished")):
            listening(work)
        """
    )
    assert code == INTERRUPTED, errors
    assert out.splitlines() == ["ready", "this is finished"]
    assert errors.strip() == "interrupted"
    assert seconds < SOON


def test_it_leaves_a_users_slow_forward() -> None:
    code, _, errors, seconds = interrupted(
        """
        import numpy as np
        import crosscheck
        from crosscheck.interrupts import listening

        def forward(x):
            print("ready", flush=True)
            for i in range(10**9):
                x = x + 0.0
            return x

        listening(lambda: crosscheck.check(forward, lambda g, x: {"x": g}, {"x": np.ones(3)}))
        """
    )
    assert code == INTERRUPTED, errors
    assert errors.strip() == "interrupted"
    assert seconds < SOON


def test_the_command_prints_the_cases_that_are_finished() -> None:
    pytest.importorskip("crosscheck.lecture")
    code, out, errors, seconds = interrupted(
        """
        import threading
        import time
        import crosscheck.lecture.running as running
        from crosscheck.cli import main

        check_case, lock, done = running.check_case, threading.Lock(), []

        def slow(case, seed, deadline):
            with lock:
                if len(done) < 2:
                    done.append(check_case(case, seed, deadline))
                    return done[-1]
            print("ready\\n", end="", flush=True)  # in one piece: several threads say so
            time.sleep(1000)

        running.check_case = slow
        main(["run", "--layer", "relu", "--layer", "flatten", "--layer", "linear"])
        """
    )
    assert code == INTERRUPTED, errors
    assert seconds < SOON
    lines = out.splitlines()
    assert "gradients agree" in lines[-1]
    assert "2 of " in lines[-1]
    assert sum(line.startswith("  x ") for line in lines) == 2


def test_in_a_library_call_it_comes_at_the_next_evaluation() -> None:
    code, out, errors, _ = interrupted(
        """
        import signal
        import sys
        import time
        import numpy as np
        import crosscheck

        def forward(x):
            print("ready", flush=True)
            time.sleep(0.05)
            return np.tanh(x)

        try:
            while True:
                crosscheck.check(forward, lambda g, x: {"x": g}, {"x": np.ones(300)})
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            print("it came", flush=True)
            sys.exit(7)
        """,
        times=4,
    )
    assert code == 7, errors
    assert out.splitlines()[-1] == "it came"


# ---------------------------------------------------------------------- without a signal


def test_values_and_exceptions_come_back() -> None:
    assert listening(lambda: 42) == 42
    with pytest.raises(SystemExit) as left:
        listening(lambda: sys.exit(3))
    assert left.value.code == 3
    with pytest.raises(ZeroDivisionError):
        listening(lambda: 1 / 0)


def test_the_work_is_beside_the_thread_that_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.default_int_handler)
    assert listening(threading.current_thread) is not threading.main_thread()


def test_where_nobody_would_hear_it_is_plainly_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)
    assert listening(threading.current_thread) is threading.main_thread()


def test_what_there_is_to_say_is_forgotten_after_the_block() -> None:
    def say() -> None:
        print("finished")

    with when_interrupted(say):
        assert interrupts.FINISHED[-1] is say
    assert say not in interrupts.FINISHED
