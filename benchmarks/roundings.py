"""What random roundings cost: `python -m benchmarks.roundings [name ...]` (or `make bench-roundings`).

Each program, a forward and its VJP, in a process of its own: the seconds of a first check (compilations included), of a
second one of the same shapes, of the plain program once compiled, and the most memory that the process had.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from crosscheck.rounding import roundings
from crosscheck.rounding.loops import count

RNG = np.random.default_rng(0)


def pendulum(steps: int) -> tuple[Callable[..., Any], list[Any]]:
    """Runge-Kutta steps in a Python loop: 180 equations each, its VJP included."""

    def slope(y: Any, p: Any) -> Any:
        return jnp.stack([y[1], -p[0] * jnp.sin(y[0]) - p[1] * y[1]])

    def forward(y: Any, p: Any) -> Any:
        h = 0.04
        for _ in range(steps):
            k1 = slope(y, p)
            k2 = slope(y + h / 2 * k1, p)
            k3 = slope(y + h / 2 * k2, p)
            k4 = slope(y + h * k3, p)
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return y

    return forward, [np.array([1.0, 0.3]), np.array([2.0, 0.2])]


def scan(steps: int) -> tuple[Callable[..., Any], list[Any]]:
    w = np.linalg.qr(RNG.normal(size=(16, 16)))[0]

    def forward(x: Any, w: Any) -> Any:
        return lax.scan(lambda h, _: (jnp.tanh(x + w @ h), None), x, None, steps)[0]

    return forward, [RNG.normal(size=16), w]


def convolution() -> tuple[Callable[..., Any], list[Any]]:
    return (
        lambda x, w: lax.conv_general_dilated(x, w, (1, 1), "SAME"),
        [RNG.normal(size=(8, 64, 56, 56)), RNG.normal(size=(64, 64, 3, 3))],
    )


PROGRAMS: dict[str, Callable[[], tuple[Callable[..., Any], list[Any]]]] = {
    "1,000 equations": lambda: pendulum(6),
    "5,000 equations": lambda: pendulum(28),
    "scan, 10,000 steps": lambda: scan(10_000),
    "convolution 64→64": convolution,
    "tanh of 10⁷": lambda: (jnp.tanh, [RNG.normal(size=10**7)]),
}


def seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - started


def measure(name: str) -> str:
    forward, arguments = PROGRAMS[name]()
    with jax.enable_x64(True):
        shape = jax.eval_shape(forward, *arguments).shape
        g = RNG.normal(size=shape)

        def both(g: Any, *a: Any) -> Any:
            y, pull = jax.vjp(forward, *a)
            return y, pull(g)

        closed = jax.make_jaxpr(both)(g, *arguments)
    first = seconds(lambda: roundings(closed, [g, *arguments]).t)
    second = seconds(lambda: roundings(closed, [g, *arguments]).t)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = count(closed.jaxpr)
    once = "       -"
    if size < 100:  # the plain program of a long one is compiled for minutes
        with jax.enable_x64(True):
            plain, moved = jax.jit(core.jaxpr_as_fun(closed)), [jnp.asarray(a) for a in (g, *arguments)]
            seconds(lambda: plain(*moved))
            taken = min(seconds(lambda: plain(*moved)) for _ in range(3))
        once = f"{taken:8.3f} ({second / taken:.0f} times)"
    return f"{name:20} {size:9} {first:8.1f} {second:8.2f} {most:9.0f}   {once}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(measure(sys.argv[2]))
    else:
        print(f"{'program':20} equations  first s second s  peak MiB    plain s")
        for name in sys.argv[1:] or PROGRAMS:
            subprocess.run([sys.executable, "-m", "benchmarks.roundings", "--one", name], check=True)
