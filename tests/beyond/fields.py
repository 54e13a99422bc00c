"""Graphs, geometry and fields: what is gathered and scattered, measured in a ball, warped, solved for.

graph attention     h = x W,  e = leaky(a·h_src + b·h_dst),  α = softmax of e over the edges into a node,  y = Σ α h_src
Poincaré ball       arcosh(1 + 2 |u - v|² / ((1 - |u|²)(1 - |v|²)))
warp by a flow      y[i, j] = img at (i, j) + flow, bilinear, clamped to the border: clamped places do not move
finite elements     K u = f of a bar of springs k, clamped at one end;  y = u²        k̄ = - Δu Δλ,  K λ = ū
partial likelihood  Σ over events of log Σ over all still at risk of e^η - η  (Cox), ties by Breslow
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.beyond.planted import Array, Arrays, Rng, Slip, Subject, of_size

# ---------------------------------------------------------------------- graph attention

LEAK = 0.2


def draw_graph(rng: Rng, size: int) -> Arrays:
    n, d, f, more = of_size(size, (5, 4), (3, 2), (2, 3), (9, 11))
    every = np.arange(n)  # every node has an edge to itself, so that none is without one
    return {
        "x": rng.normal(size=(n, d)),
        "w": rng.normal(size=(d, f)),
        "a": rng.normal(size=f),
        "b": rng.normal(size=f),
        "src": np.concatenate([every, rng.integers(0, n, more)]),
        "dst": np.concatenate([every, rng.integers(0, n, more)]),
    }


def added(index: Array, values: Array, n: int) -> Array:
    out = np.zeros((n, *values.shape[1:]))
    np.add.at(out, index, values)
    return out


def attended(x: Array, w: Array, a: Array, b: Array, src: Array, dst: Array) -> tuple[Array, Array, Array]:
    h = x @ w
    e = h[src] @ a + h[dst] @ b
    weights = np.exp(np.where(e > 0, e, LEAK * e))
    return h, e, weights / added(dst, weights, len(x))[dst]


def graph(x: Array, w: Array, a: Array, b: Array, src: Array, dst: Array) -> Array:
    h, _, alpha = attended(x, w, a, b, src, dst)
    return added(dst, alpha[:, None] * h[src], len(x))


def graph_backward(g: Array, slip: str, x: Array, w: Array, a: Array, b: Array, src: Array, dst: Array) -> Arrays:
    h, e, alpha = attended(x, w, a, b, src, dst)
    grad_h, n = added(src, alpha[:, None] * g[dst], len(x)), len(x)
    if slip == "a repeated source written once":
        grad_h = np.zeros_like(h)
        grad_h[src] += alpha[:, None] * g[dst]
    grad_alpha = (g[dst] * h[src]).sum(1)
    shared = added(dst, alpha * grad_alpha, n)[dst]
    if slip == "the softmax's sum left out":
        shared = 0 * shared
    grad_e = alpha * (grad_alpha - shared)
    if slip != "the leaky slope left out":
        grad_e = grad_e * np.where(e > 0, 1, LEAK)
    grad_h += added(src, np.outer(grad_e, a), n)
    if slip != "the score's path into the target left out":
        grad_h += added(dst, np.outer(grad_e, b), n)
    return {"x": grad_h @ w.T, "w": x.T @ grad_h, "a": h[src].T @ grad_e, "b": h[dst].T @ grad_e}


def graph_reference(x: Any, w: Any, a: Any, b: Any, src: Any, dst: Any) -> jax.Array:
    n, h = x.shape[0], x @ w
    score = jax.nn.leaky_relu(h[src] @ a + h[dst] @ b, LEAK)
    weights = jnp.exp(score)
    alpha = weights / jax.ops.segment_sum(weights, dst, n)[dst]
    message = alpha[:, None] * h[src]
    return jax.ops.segment_sum(message, dst, n)


# ---------------------------------------------------------------------- Poincaré ball


def draw_ball(rng: Rng, size: int) -> Arrays:
    n, d = of_size(size, (4, 5), (2, 3))

    def inside() -> Array:
        x = rng.normal(size=(n, d))
        return x / np.linalg.norm(x, axis=1, keepdims=True) * rng.uniform(0.2, 0.8, (n, 1))

    return {"u": inside(), "v": inside()}


def ball(u: Array, v: Array) -> Array:
    room = (1 - (u * u).sum(1)) * (1 - (v * v).sum(1))
    return np.arccosh(1 + 2 * ((u - v) ** 2).sum(1) / room)


def ball_backward(g: Array, slip: str, u: Array, v: Array) -> Arrays:
    p, q = 1 - (u * u).sum(1, keepdims=True), 1 - (v * v).sum(1, keepdims=True)
    far = ((u - v) ** 2).sum(1, keepdims=True)
    z = 1 + 2 * far / (p * q)
    grad_z = g[:, None] / np.sqrt(z * z - 1)
    if slip == "the root of z² - 1 left out":
        grad_z = g[:, None] / (z * z - 1)
    apart, at_u, at_v = 4 * (u - v) / (p * q), 4 * far * u / (p * p * q), 4 * far * v / (p * q * q)
    if slip == "the room of v taken as constant":
        at_v = 0 * at_v
    if slip == "the square of the room left out":
        at_u = 4 * far * u / (p * q)
    return {"u": grad_z * (apart + at_u), "v": grad_z * (at_v - apart)}


def ball_reference(u: Any, v: Any) -> jax.Array:
    room_u = 1 - jnp.sum(u * u, axis=1)
    room_v = 1 - jnp.sum(v * v, axis=1)
    far = jnp.sum((u - v) ** 2, axis=1)
    return jnp.arccosh(1 + 2 * far / (room_u * room_v))


# ---------------------------------------------------------------------- warp by a flow


def draw_warp(rng: Rng, size: int) -> Arrays:
    h, w = of_size(size, (4, 5), (5, 3))
    return {"img": rng.normal(size=(h, w)), "flow": 1.5 * rng.normal(size=(2, h, w))}


def corners(img: Array, flow: Array) -> tuple[Array, ...]:
    """The place before clamping, the corner above and left of it, and how far it is from there."""
    h, w = img.shape
    i, j = np.meshgrid(np.arange(h), np.arange(w), indexing="ij")
    r, s = i + flow[0], j + flow[1]
    at_r, at_s = np.clip(r, 0, h - 1), np.clip(s, 0, w - 1)
    top = np.minimum(np.floor(at_r).astype(int), h - 2)
    left = np.minimum(np.floor(at_s).astype(int), w - 2)
    return r, s, top, left, at_r - top, at_s - left


def warp(img: Array, flow: Array) -> Array:
    _, _, i, j, p, q = corners(img, flow)
    above = (1 - q) * img[i, j] + q * img[i, j + 1]
    below = (1 - q) * img[i + 1, j] + q * img[i + 1, j + 1]
    return (1 - p) * above + p * below


def warp_backward(g: Array, slip: str, img: Array, flow: Array) -> Arrays:
    r, s, i, j, p, q = corners(img, flow)
    grad_img = np.zeros_like(img)
    for down, right, share in ((0, 0, (1 - p) * (1 - q)), (0, 1, (1 - p) * q), (1, 0, p * (1 - q)), (1, 1, p * q)):
        if slip == "written where it is to be added":
            grad_img[i + down, j + right] += share * g
        else:
            np.add.at(grad_img, (i + down, j + right), share * g)
    grad_r = g * ((1 - q) * (img[i + 1, j] - img[i, j]) + q * (img[i + 1, j + 1] - img[i, j + 1]))
    grad_s = g * ((1 - p) * (img[i, j + 1] - img[i, j]) + p * (img[i + 1, j + 1] - img[i + 1, j]))
    if slip != "clamped places moved, too":
        grad_r = grad_r * ((r > 0) & (r < len(img) - 1))
        grad_s = grad_s * ((s > 0) & (s < img.shape[1] - 1))
    if slip == "rows and columns of the flow exchanged":
        grad_r, grad_s = grad_s, grad_r
    return {"img": grad_img, "flow": np.stack([grad_r, grad_s])}


def warp_reference(img: Any, flow: Any) -> jax.Array:
    h, w = img.shape
    i, j = jnp.meshgrid(jnp.arange(h), jnp.arange(w), indexing="ij")
    r, s = jnp.clip(i + flow[0], 0, h - 1), jnp.clip(j + flow[1], 0, w - 1)
    top = jnp.minimum(jnp.floor(r).astype(int), h - 2)
    left = jnp.minimum(jnp.floor(s).astype(int), w - 2)
    p, q = r - top, s - left
    above = (1 - q) * img[top, left] + q * img[top, left + 1]
    below = (1 - q) * img[top + 1, left] + q * img[top + 1, left + 1]
    return (1 - p) * above + p * below


# ---------------------------------------------------------------------- finite elements


def draw_bar(rng: Rng, size: int) -> Arrays:
    (n,) = of_size(size, (4, 6))
    return {"k": rng.uniform(0.5, 2, n), "f": rng.normal(size=n)}


def stiffness(k: Array) -> Array:
    out = np.zeros((len(k) + 1, len(k) + 1))
    for e, spring in enumerate(k):
        out[e : e + 2, e : e + 2] += spring * np.array([[1, -1], [-1, 1]])
    return out[1:, 1:]


def bar(k: Array, f: Array) -> Array:
    return np.linalg.solve(stiffness(k), f) ** 2


def bar_backward(g: Array, slip: str, k: Array, f: Array) -> Arrays:
    u = np.linalg.solve(stiffness(k), f)
    grad_u = g if slip == "the square's derivative left out" else 2 * u * g
    lam = np.linalg.solve(stiffness(k), grad_u)
    stretched, pulled = np.diff(u, prepend=0), np.diff(lam, prepend=0)
    grad_k = -stretched * pulled
    if slip == "the force of the wrong sign":
        grad_k = -grad_k
    if slip == "the clamped element left out":
        grad_k = np.concatenate([0 * grad_k[:1], grad_k[1:]])
    return {"k": grad_k, "f": lam}


def bar_reference(k: Any, f: Any) -> jax.Array:
    own = k + jnp.concatenate([k[1:], jnp.zeros(1)])
    whole = jnp.diag(own) - jnp.diag(k[1:], 1) - jnp.diag(k[1:], -1)
    u = jnp.linalg.solve(whole, f)
    return u * u


# ---------------------------------------------------------------------- partial likelihood


def draw_survival(rng: Rng, size: int) -> Arrays:
    n, d = of_size(size, (7, 8), (3, 2))
    time = rng.integers(1, 5, n)
    time[:2] = 2  # a tie
    return {"x": rng.normal(size=(n, d)), "beta": 0.5 * rng.normal(size=d), "time": time}


def survival(x: Array, beta: Array, time: Array) -> Array:
    eta = x @ beta
    at_risk = time[None] >= time[:, None]
    return np.array((np.log(at_risk @ np.exp(eta)) - eta).sum())


def survival_backward(g: Array, slip: str, x: Array, beta: Array, time: Array) -> Arrays:
    hazard = np.exp(x @ beta)
    at_risk = time[None] >= time[:, None]
    total = at_risk @ hazard
    if slip == "those that tie not at risk":
        at_risk = (time[None] > time[:, None]) | np.eye(len(time), dtype=bool)
    grad_eta = hazard * (at_risk.T @ (1 / total)) - 1
    if slip == "the event's own term left out":
        grad_eta = grad_eta + 1
    if slip == "the hazard left out":
        grad_eta = at_risk.T @ (1 / total) - 1
    return {"x": g * np.outer(grad_eta, beta), "beta": g * x.T @ grad_eta}


def survival_reference(x: Any, beta: Any, time: Any) -> jax.Array:
    eta = x @ beta
    at_risk = time[None, :] >= time[:, None]
    hazard = jnp.exp(eta)
    total = jnp.where(at_risk, hazard, 0.0).sum(1)
    return jnp.sum(jnp.log(total) - eta)


PATH = "missing-terms"
SUBJECTS = (
    Subject(
        "graph attention",
        draw_graph,
        graph,
        graph_backward,
        graph_reference,
        (
            Slip("a repeated source written once", "overwritten", ("only the last",)),
            Slip("the softmax's sum left out", PATH),
            Slip("the leaky slope left out", "scaled missing-mask", ("0.2", "leaky")),
            Slip("the score's path into the target left out", PATH, ("h[dst]",)),
        ),
    ),
    Subject(
        "Poincaré ball",
        draw_ball,
        ball,
        ball_backward,
        ball_reference,
        (
            Slip("the root of z² - 1 left out", "wrong-factor wrong-derivative", ("root", "derivative")),
            Slip("the room of v taken as constant", PATH),
            Slip("the square of the room left out", "wrong-operand", ("room",)),
        ),
    ),
    Subject(
        "warp by a flow",
        draw_warp,
        warp,
        warp_backward,
        warp_reference,
        (
            Slip("written where it is to be added", "overwritten", ("only the last",)),
            Slip("clamped places moved, too", "missing-mask missing-terms", ("clip", "clamp")),
            Slip("rows and columns of the flow exchanged", "reversed permuted", ("axis 0", "revers")),
        ),
    ),
    Subject(
        "finite elements",
        draw_bar,
        bar,
        bar_backward,
        bar_reference,
        (
            Slip("the square's derivative left out", PATH, ("square",)),
            Slip("the force of the wrong sign", "sign"),
            Slip("the clamped element left out", "localized missing-terms", ("entry 0", "turn 1")),
        ),
    ),
    Subject(
        "partial likelihood",
        draw_survival,
        survival,
        survival_backward,
        survival_reference,
        (
            Slip("those that tie not at risk", "wrong-mask"),
            Slip("the event's own term left out", PATH),
            Slip("the hazard left out", PATH, ("exp",)),
        ),
    ),
)
