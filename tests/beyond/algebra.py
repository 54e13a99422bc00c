"""Linear algebra: Cholesky, solve, log-determinant, QR.

A = L Lᵀ         Ā = sym(L⁻ᵀ Φ(Lᵀ L̄) L⁻¹),   Φ: lower triangle, diagonal halved
X = A⁻¹ B        B̄ = A⁻ᵀ X̄,   Ā = -B̄ Xᵀ
y = log |det A|  Ā = ȳ A⁻ᵀ
A = Q R          Ā = (Q̄ + Q copy(M)) R⁻ᵀ,   M = R R̄ᵀ - Q̄ᵀ Q,   copy: the lower triangle mirrored
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.beyond.planted import Array, Arrays, Rng, Slip, Subject, of_size, spd


def draw_cholesky(rng: Rng, size: int) -> Arrays:
    return {"a": spd(rng, (4, 5)[size])}


def cholesky(a: Array) -> Array:
    return np.linalg.cholesky((a + a.T) / 2)


def cholesky_backward(g: Array, slip: str, a: Array) -> Arrays:
    low = cholesky(a)
    inside = low.T @ np.tril(g)
    if slip == "the diagonal not halved":
        phi = np.tril(inside)
    elif slip == "no triangle taken":
        phi = inside
    else:
        phi = np.tril(inside) - np.diag(np.diag(inside)) / 2
    inverse = np.linalg.inv(low)
    out = inverse.T @ phi @ inverse
    if slip == "the factors swapped":
        out = inverse @ phi @ inverse.T
    if slip == "not symmetrised":
        return {"a": out}
    out = (out + out.T) / 2
    if slip == "only the lower triangle":
        out = np.tril(out)
    if slip == "the off-diagonal entries twice":
        out = 2 * out - np.diag(np.diag(out))
    return {"a": out}


def cholesky_reference(a: Any) -> jax.Array:
    return jnp.linalg.cholesky(a)


def draw_solve(rng: Rng, size: int) -> Arrays:
    n, m = of_size(size, (4, 3), (2, 5))
    return {"a": rng.normal(size=(n, n)) + 3 * np.eye(n), "b": rng.normal(size=(n, m))}


def solve(a: Array, b: Array) -> Array:
    return np.linalg.solve(a, b)


def solve_backward(g: Array, slip: str, a: Array, b: Array) -> Arrays:
    x = np.linalg.solve(a, b)
    grad_b = np.linalg.solve(a if slip == "a not transposed" else a.T, g)
    grad_a = -grad_b @ (b if slip == "a's gradient reads b" else x).T
    if slip == "the sign of a's gradient":
        grad_a = -grad_a
    if slip == "a's gradient transposed":
        grad_a = grad_a.T
    if slip == "a's gradient reads the incoming gradient":
        grad_a = -g @ x.T
    return {"a": grad_a, "b": grad_b}


def solve_reference(a: Any, b: Any) -> jax.Array:
    return jnp.linalg.solve(a, b)


def draw_logdet(rng: Rng, size: int) -> Arrays:
    n, k = of_size(size, (4, 3), (2, 5))
    return {"x": rng.normal(size=(n, k)), "m": rng.normal(size=(n, n)) + 4 * np.eye(n)}


def logdet(x: Array, m: Array) -> Array:
    return np.linalg.slogdet(m + x @ x.T)[1]


def logdet_backward(g: Array, slip: str, x: Array, m: Array) -> Arrays:
    a = m + x @ x.T
    inverse = np.linalg.inv(a)
    grad = g * (inverse if slip == "the inverse not transposed" else inverse.T)
    if slip == "only the diagonal":
        grad = np.diag(np.diag(grad))
    if slip == "the determinant's gradient":
        grad = grad * np.linalg.det(a)
    grad_x = 2 * grad @ x if slip == "taken for symmetric" else (grad + grad.T) @ x
    if slip == "x's gradient through one factor":
        grad_x = grad @ x
    return {"x": grad_x, "m": grad}


def logdet_reference(x: Any, m: Any) -> jax.Array:
    a = m + x @ x.T
    return jnp.linalg.slogdet(a)[1]


def draw_qr(rng: Rng, size: int) -> Arrays:
    return {"a": rng.normal(size=of_size(size, (5, 6), (3, 4)))}


def qr(a: Array) -> Array:
    return np.concatenate(np.linalg.qr(a))


def qr_backward(g: Array, slip: str, a: Array) -> Arrays:
    q, r = np.linalg.qr(a)
    grad_q, grad_r = g[: len(q)], np.triu(g[len(q) :])
    m = r @ grad_r.T - grad_q.T @ q
    if slip == "the sign of Q̄ᵀQ":
        m = r @ grad_r.T + grad_q.T @ q
    if slip == "R's path dropped":
        m = -grad_q.T @ q
    copied = np.tril(m) + np.tril(m, -1).T
    if slip == "the other triangle copied":
        copied = np.triu(m) + np.triu(m, 1).T
    if slip == "nothing copied":
        copied = m
    if slip == "the diagonal twice":
        copied = np.tril(m) + np.tril(m).T
    return {"a": (grad_q + q @ copied) @ np.linalg.inv(r).T}


def qr_reference(a: Any) -> jax.Array:
    q, r = jnp.linalg.qr(a)
    return jnp.concatenate([q, r])


SUBJECTS = (
    Subject(
        "Cholesky",
        draw_cholesky,
        cholesky,
        cholesky_backward,
        cholesky_reference,
        (
            Slip("the diagonal not halved", "diagonal scaled", ("diagonal",)),
            Slip("no triangle taken", "triangle", ("triangle",)),
            Slip("the factors swapped", "transposed", ("transposed", "swapped")),
            Slip("not symmetrised", "half-symmetric missing-terms", ("symmetr", "transpose")),
            Slip("only the lower triangle", "triangle", ("lower triangle",)),
            Slip("the off-diagonal entries twice", "half-symmetric diagonal", ("diagonal",)),
        ),
    ),
    Subject(
        "solve",
        draw_solve,
        solve,
        solve_backward,
        solve_reference,
        (
            Slip("a not transposed", "transposed", ("transposed",)),
            Slip("the sign of a's gradient", "sign", ("sign",)),
            Slip("a's gradient transposed", "transposed", ("transposed",)),
            Slip("a's gradient reads b", "wrong-operand wrong-factor", ("reads the right-hand side",)),
            Slip(
                "a's gradient reads the incoming gradient",
                "wrong-operand missing-terms wrong-factor",
                ("for the solution",),
            ),
        ),
    ),
    Subject(
        "log-determinant",
        draw_logdet,
        logdet,
        logdet_backward,
        logdet_reference,
        (
            Slip("the inverse not transposed", "transposed", ("transposed",)),
            Slip("only the diagonal", "diagonal", ("diagonal",)),
            Slip("the determinant's gradient", "scaled wrong-derivative", ("det", "exp")),
            Slip(
                "taken for symmetric",
                "half-symmetric transposed",
                ("symmetr", "product transposed"),
            ),
            Slip("x's gradient through one factor", "missing-terms", ("path",)),
        ),
    ),
    Subject(
        "QR",
        draw_qr,
        qr,
        qr_backward,
        qr_reference,
        (
            Slip("the sign of Q̄ᵀQ", "sign", ("adds Q̄ᵀ Q",)),
            Slip("R's path dropped", "missing-terms", ("path",)),
            Slip("the other triangle copied", "triangle", ("triangle",)),
            Slip("nothing copied", "triangle", ("triangle",)),
            Slip("the diagonal twice", "diagonal", ("diagonal",)),
        ),
    ),
)
