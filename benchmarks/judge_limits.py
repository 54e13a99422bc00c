"""How large a thing may be judged: `python -m benchmarks.judge_limits [ROW ...]` (or `make bench-limits`).

Each row is judged twice in a process of its own, with the right gradient and with a wrong one (half as much again and
a thousandth more), and prints the time of each, what all cores worked, the process' peak memory above what it had
before the check, and both verdicts. A row whose verdicts are not agree and disagree, or that is over its limit, fails.

    unrolled    a Python loop in the reference: no scan, every step traced
    scan        the same loop as `jax.lax.scan`
    large       ten million entries
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

GIB = 2**30


class Problem(NamedTuple):
    """What is judged: `functions` makes forward, backward, inputs, reference."""

    functions: Callable[[], tuple[Callable[..., Any], Callable[..., Any], dict[str, Any], Callable[..., Any]]]
    seconds: float
    memory: float


# ---------------------------------------------------------------------- what is judged


def by_vjp(reference: Callable[..., Any], scanned: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """A right backward: the VJP of the same function, written so that it compiles at once."""
    import jax

    from crosscheck.traces.precision import double_precision

    pull = jax.jit(lambda inputs, v: jax.vjp(lambda d: (scanned or reference)(**d), inputs)[1](v)[0])

    def backward(v: Any, **inputs: Any) -> Any:
        with double_precision():
            return {k: np.asarray(a) for k, a in pull(inputs, v).items()}

    return backward


def pendulum(steps: int, *, scan: bool = False) -> Any:
    """Runge-Kutta steps of a damped pendulum: many scalar operations, of few kinds."""
    import jax
    import jax.numpy as jnp

    def slope(xp: Any, y: Any, p: Any) -> Any:
        return xp.stack([y[1], -p[0] * xp.sin(y[0]) - p[1] * y[1]])

    def step(xp: Any, y: Any, p: Any) -> Any:
        h = 0.04
        a = slope(xp, y, p)
        b = slope(xp, y + h / 2 * a, p)
        c = slope(xp, y + h / 2 * b, p)
        d = slope(xp, y + h * c, p)
        return y + h / 6 * (a + 2 * b + 2 * c + d)

    def loop(xp: Any, y0: Any, p: Any) -> Any:
        y = y0
        for _ in range(steps):
            y = step(xp, y, p)
        return y

    def scanned(y0: Any, p: Any) -> Any:
        return jax.lax.scan(lambda y, _: (step(jnp, y, p), None), y0, None, steps)[0]

    def unrolled(y0: Any, p: Any) -> Any:
        return loop(jnp, y0, p)

    inputs = {"y0": np.array([1.0, 0.3]), "p": np.array([2.0, 0.2])}
    reference = scanned if scan else unrolled
    return lambda y0, p: loop(np, y0, p), by_vjp(reference, scanned), inputs, reference


def recurrent(steps: int, *, scan: bool = False) -> Any:
    """A recurrent network of 32 units on 8 samples: matrix products and tanh, 4 operations a step.

    The weights turn the state and do not shrink it: else no step but the last ones would have a gradient.
    """
    import jax
    import jax.numpy as jnp

    rng = np.random.default_rng(0)

    def loop(xp: Any, h: Any, x: Any, w: Any) -> Any:
        for _ in range(steps):
            h = xp.tanh(h @ w + x)
        return h

    def scanned(h: Any, x: Any, w: Any) -> Any:
        return jax.lax.scan(lambda h, _: (jnp.tanh(h @ w + x), None), h, None, steps)[0]

    def unrolled(h: Any, x: Any, w: Any) -> Any:
        return loop(jnp, h, x, w)

    turn = np.linalg.qr(rng.normal(size=(32, 32)))[0]
    inputs = {"h": 0.1 * rng.normal(size=(8, 32)), "x": 1e-3 * rng.normal(size=(8, 32)), "w": turn}
    reference = scanned if scan else unrolled
    return lambda h, x, w: loop(np, h, x, w), by_vjp(reference, scanned), inputs, reference


def attention(steps: int) -> Any:
    """Each step attends to all before it: every operation has another shape than the step before."""
    import jax.numpy as jnp

    rng = np.random.default_rng(0)

    def loop(xp: Any, x: Any, w: Any) -> Any:
        states = x[None]
        for _ in range(steps):
            scores = states @ (w @ states[-1])
            weights = xp.exp(scores - scores.max())
            mixed = weights / weights.sum() @ states
            states = xp.concatenate([states, xp.tanh(mixed + x)[None]])
        return states[-1]

    def unrolled(x: Any, w: Any) -> Any:
        return loop(jnp, x, w)

    def backward(g: Any, x: Any, w: Any) -> Any:
        """By hand: compiled as one, its VJP alone would take longer than the check."""
        states, kept = x[None], []
        for _ in range(steps):
            scores = states @ (w @ states[-1])
            weights = np.exp(scores - scores.max())
            weights = weights / weights.sum()
            new = np.tanh(weights @ states + x)
            kept.append((states, weights, new))
            states = np.concatenate([states, new[None]])
        grad_x, grad_w, back = np.zeros_like(x), np.zeros_like(w), np.zeros_like(states)
        back[-1] = g
        for states, weights, new in reversed(kept):
            t = len(states)
            inner = back[t] * (1 - new**2)
            grad_x += inner
            back[:t] += np.outer(weights, inner)
            grad_weights = states @ inner
            grad_scores = weights * (grad_weights - weights @ grad_weights)
            back[:t] += np.outer(grad_scores, w @ states[-1])
            summed = states.T @ grad_scores
            grad_w += np.outer(summed, states[-1])
            back[t - 1] += w.T @ summed
        return {"x": grad_x + back[0], "w": grad_w}

    inputs = {"x": rng.normal(size=6), "w": rng.normal(size=(6, 6))}
    return lambda x, w: loop(np, x, w), backward, inputs, unrolled


def growth(steps: int) -> Any:
    """Euler steps of logistic growth, scanned: a few operations a step, and very many steps."""
    import jax
    import jax.numpy as jnp

    def step(y: Any, rate: Any) -> Any:
        return y + 0.001 * rate * y * (1 - y)

    def forward(y: Any, rate: Any) -> Any:
        for _ in range(steps):
            y = step(y, rate)
        return y

    def reference(y: Any, rate: Any) -> Any:
        return jax.lax.scan(lambda y, _: (step(y, rate), None), jnp.asarray(y), None, steps)[0]

    inputs = {"y": np.array([0.1, 0.2, 0.7]), "rate": np.array([0.5, 0.3, 0.9])}
    return forward, by_vjp(reference), inputs, reference


def large(size: int) -> Any:
    """Entry by entry, and so many of them."""
    import jax.numpy as jnp

    inputs = {"x": np.random.default_rng(0).normal(size=size)}
    return (
        lambda x: np.tanh(x) * x,
        lambda v, x: {"x": v * (np.tanh(x) + x * (1 - np.tanh(x) ** 2))},
        inputs,
        lambda x: jnp.tanh(x) * x,
    )


PROBLEMS = {
    "pendulum, 1,000 unrolled": Problem(lambda: pendulum(13), 20, GIB),
    "recurrent, 1,000 unrolled": Problem(lambda: recurrent(334), 20, GIB),
    "attention, 1,000 unrolled": Problem(lambda: attention(50), 20, GIB),
    "pendulum, 5,000 unrolled": Problem(lambda: pendulum(65), 60, GIB),
    "recurrent, 5,000 unrolled": Problem(lambda: recurrent(1667), 60, GIB),
    "growth, scan of 10,000": Problem(lambda: growth(10_000), 20, GIB),
    "recurrent, scan of 10,000": Problem(lambda: recurrent(10_000, scan=True), 20, GIB),
    "large, 10^7 entries": Problem(lambda: large(10**7), 120, 4 * GIB),
}


# ---------------------------------------------------------------------- one row


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def measured(name: str, which: str) -> dict[str, Any]:
    """One row, in this process."""
    import jax

    import crosscheck
    from crosscheck.traces.precision import double_precision

    forward, backward, inputs, reference = PROBLEMS[name].functions()
    with double_precision():
        equations = len(jax.make_jaxpr(lambda d: reference(**d))(inputs).eqns)

    def wrong(v: Any, **inputs: Any) -> Any:
        return {k: 1.5 * g + 1e-3 for k, g in backward(v, **inputs).items()}

    v = np.ones(np.shape(forward(**inputs)))
    backward(v, **inputs)  # what the caller's own code compiles is no part of the check
    before = peak()
    started, worked = time.perf_counter(), time.process_time()
    result = crosscheck.check(forward, backward if which == "right" else wrong, inputs, reference)
    took, cores = time.perf_counter() - started, time.process_time() - worked
    memory = peak() - before
    return {"equations": equations, "seconds": took, "cores": cores, "memory": memory, "verdict": result.verdict}


def in_a_child(name: str, which: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.judge_limits", "--child", name, which]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip()[-200:] or "killed"
        return {"equations": 0, "seconds": np.nan, "cores": np.nan, "memory": np.nan, "verdict": said}
    return json.loads(done.stdout.splitlines()[-1])


def row(name: str) -> bool:
    problem = PROBLEMS[name]
    fine = True
    for which, wanted in (("right", "agree"), ("wrong", "disagree")):
        found = in_a_child(name, which)
        within = found["seconds"] <= problem.seconds and found["memory"] <= problem.memory
        ok = within and found["verdict"] == wanted
        print(
            f"{name:<28} {which:<6} {found['equations']:>6} {found['seconds']:>8.1f} s of {problem.seconds:>3.0f} "
            f"({found['cores']:>5.1f} of all cores) "
            f"{found['memory'] / 2**20:>6.0f} MiB of {problem.memory / 2**20:>5.0f}   "
            f"{found['verdict']}{'' if ok else '   <- not met'}",
            flush=True,
        )
        fine &= ok
    return fine


def main() -> int:
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(measured(*sys.argv[2:])))
        return 0
    wanted = [name for name in PROBLEMS if not sys.argv[1:] or any(part in name for part in sys.argv[1:])]
    return 0 if all([row(name) for name in wanted]) else 1


if __name__ == "__main__":
    sys.exit(main())
