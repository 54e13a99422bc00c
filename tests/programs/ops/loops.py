"""Loops: a recurrence written out, and the same by lax.scan or lax.fori_loop.

Every loop keeps its states on the way forward and runs them backwards. An operation ending in `_scan` or `_fori` is
the same NumPy code as its sibling; only the reference differs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.programs.ops.row import Drawn, Op

RATE = 0.125


# h_t = a·h_{t-1} + x_t, all states returned


def recurrence(xp: Any, x: Any, a: Any) -> Any:
    h = 0 * x[0]
    states = []
    for row in x:
        h = a * h + row
        states.append(h)
    return xp.stack(states)


def recurrence_vjp(xp: Any, g: Any, y: Any, x: Any, a: Any) -> Any:
    grad_x, grad_a, carried = [], 0 * a, 0 * g[0]
    for t in reversed(range(len(x))):
        carried = g[t] + carried
        grad_x.append(carried)
        grad_a = grad_a + carried * (y[t - 1] if t else 0 * y[0])
        carried = carried * a
    return xp.stack(grad_x[::-1]), grad_a


def recurrence_scan(xp: Any, x: Any, a: Any) -> Any:
    def step(h: Any, row: Any) -> Any:
        h = a * h + row
        return h, h

    return xp.lax.scan(step, 0 * x[0], x)[1]


def drawn_recurrence(sketch: Any, x: str) -> Drawn:
    shape = sketch.shape(x)
    return ((x, sketch.fit(sketch.partner(shape[1:]), "unit")), {}) if shape and shape[0] > 1 else None


# h_t = tanh(x_t + h_{t-1} W), the last state returned


def states_of(xp: Any, x: Any, w: Any) -> list[Any]:
    states = [0 * x[0]]
    for row in x:
        states.append(xp.tanh(row + states[-1] @ w))
    return states


def rnn(xp: Any, x: Any, w: Any) -> Any:
    return states_of(xp, x, w)[-1]


def rnn_vjp(xp: Any, g: Any, y: Any, x: Any, w: Any) -> Any:
    states = states_of(xp, x, w)
    grad_x, grad_w = [], 0 * w
    for t in reversed(range(len(x))):
        g = g * (1 - states[t + 1] ** 2)
        grad_x.append(g)
        grad_w = grad_w + xp.outer(states[t], g)
        g = g @ w.T
    return xp.stack(grad_x[::-1]), grad_w


def rnn_scan(xp: Any, x: Any, w: Any) -> Any:
    return xp.lax.scan(lambda h, row: (xp.tanh(row + h @ w), None), 0 * x[0], x)[0]


def drawn_rnn(sketch: Any, x: str) -> Drawn:
    shape = sketch.shape(x)
    return ((x, sketch.partner((shape[1], shape[1]))), {}) if len(shape) == 2 and shape[0] > 1 else None


# z ← z + RATE·(b - A z): Richardson's iteration towards A⁻¹b


def iteration(xp: Any, a: Any, b: Any, steps: int) -> Any:
    z = 0 * b
    for _ in range(steps):
        z = z + RATE * (b - a @ z)
    return z


def iteration_vjp(xp: Any, g: Any, y: Any, a: Any, b: Any, steps: int) -> Any:
    states = [0 * b]
    for _ in range(steps):
        states.append(states[-1] + RATE * (b - a @ states[-1]))
    grad_a, grad_b = 0 * a, 0 * b
    for z in reversed(states[:-1]):
        grad_b = grad_b + RATE * g
        grad_a = grad_a - RATE * xp.outer(g, z)
        g = g - RATE * (a.T @ g)
    return grad_a, grad_b


def iteration_fori(xp: Any, a: Any, b: Any, steps: int) -> Any:
    return xp.lax.fori_loop(0, steps, lambda _, z: z + RATE * (b - a @ z), 0 * b)


def drawn_iteration(sketch: Any, x: str) -> Drawn:
    if not sketch.is_square(x):
        return None
    return (x, sketch.partner(sketch.shape(x)[:1])), {"steps": sketch.integer(2, 12)}


# x ← x + RATE·sin x: Euler's steps through an equation


def euler(xp: Any, x: Any, steps: int) -> Any:
    for _ in range(steps):
        x = x + RATE * xp.sin(x)
    return x


def euler_vjp(xp: Any, g: Any, y: Any, x: Any, steps: int) -> Any:
    for _ in range(steps):
        g = g * (1 + RATE * xp.cos(x))
        x = x + RATE * xp.sin(x)
    return (g,)


def euler_fori(xp: Any, x: Any, steps: int) -> Any:
    return xp.lax.fori_loop(0, steps, lambda _, z: z + RATE * xp.sin(z), x)


def any_value(sketch: Any, x: str) -> Drawn:
    return (x,), {"steps": sketch.integer(2, 12)}


# z ← ½(z + x/z): Newton towards √x


def newton(xp: Any, x: Any, steps: int) -> Any:
    z = 1 + x
    for _ in range(steps):
        z = 0.5 * (z + x / z)
    return z


def newton_vjp(xp: Any, g: Any, y: Any, x: Any, steps: int) -> Any:
    states = [1 + x]
    for _ in range(steps):
        states.append(0.5 * (states[-1] + x / states[-1]))
    grad_x = 0 * x
    for z in reversed(states[:-1]):
        grad_x = grad_x + 0.5 * g / z
        g = 0.5 * g * (1 - x / (z * z))
    return (grad_x + g,)


def newton_fori(xp: Any, x: Any, steps: int) -> Any:
    return xp.lax.fori_loop(0, steps, lambda _, z: 0.5 * (z + x / z), 1 + x)


def positive_value(sketch: Any, x: str) -> Drawn:
    return (sketch.fit(x, "positive"),), {"steps": sketch.integer(2, 8)}


# v ← ½v - RATE·s·z, z ← z + v: descent with momentum on ½s z²


def momentum(xp: Any, x: Any, s: Any, steps: int) -> Any:
    z, v = x, 0 * x
    for _ in range(steps):
        v = 0.5 * v - RATE * s * z
        z = z + v
    return z


def momentum_vjp(xp: Any, g: Any, y: Any, x: Any, s: Any, steps: int) -> Any:
    places, v = [x], 0 * x
    for _ in range(steps):
        v = 0.5 * v - RATE * s * places[-1]
        places.append(places[-1] + v)
    grad_v, grad_s = 0 * g, 0 * g
    for z in reversed(places[:-1]):
        grad_v = grad_v + g
        grad_s = grad_s - RATE * grad_v * z
        g = g - RATE * s * grad_v
        grad_v = 0.5 * grad_v
    return g, grad_s


def momentum_scan(xp: Any, x: Any, s: Any, steps: int) -> Any:
    def step(carried: Any, _: Any) -> Any:
        z, v = carried
        v = 0.5 * v - RATE * s * z
        return (z + v, v), None

    return xp.lax.scan(step, (x, 0 * x), None, length=steps)[0][0]


def drawn_momentum(sketch: Any, x: str) -> Drawn:
    s = sketch.fit(sketch.partner(sketch.shape(x)), "unit")
    return (x, s), {"steps": sketch.integer(2, 10)}


# Horner's rule: ((c_0 x + c_1) x + c_2) ...


def horner(xp: Any, x: Any, c: Any) -> Any:
    y = 0 * x
    for k in range(len(c)):
        y = y * x + c[k]
    return y


def horner_vjp(xp: Any, g: Any, y: Any, x: Any, c: Any) -> Any:
    states = [0 * x]
    for k in range(len(c)):
        states.append(states[-1] * x + c[k])
    grad_x, grad_c = 0 * x, []
    for state in reversed(states[:-1]):
        grad_c.append(xp.sum(g))
        grad_x = grad_x + g * state
        g = g * x
    return grad_x, np.stack(grad_c[::-1])


def drawn_horner(sketch: Any, x: str) -> Drawn:
    return (x, sketch.partner((sketch.integer(2, 6),))), {}


OPS = [
    Op("recurrence", "loop", recurrence, recurrence_vjp, drawn_recurrence),
    Op("recurrence_scan", "loop", recurrence, recurrence_vjp, drawn_recurrence, jax=recurrence_scan),
    Op("rnn", "loop", rnn, rnn_vjp, drawn_rnn),
    Op("rnn_scan", "loop", rnn, rnn_vjp, drawn_rnn, jax=rnn_scan),
    Op("iteration", "loop", iteration, iteration_vjp, drawn_iteration),
    Op("iteration_fori", "loop", iteration, iteration_vjp, drawn_iteration, jax=iteration_fori),
    Op("euler", "loop", euler, euler_vjp, any_value),
    Op("euler_fori", "loop", euler, euler_vjp, any_value, jax=euler_fori),
    Op("newton_fori", "loop", newton, newton_vjp, positive_value, jax=newton_fori),
    Op("momentum", "loop", momentum, momentum_vjp, drawn_momentum),
    Op("momentum_scan", "loop", momentum, momentum_vjp, drawn_momentum, jax=momentum_scan),
    Op("horner", "loop", horner, horner_vjp, drawn_horner),
]
