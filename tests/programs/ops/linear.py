"""Linear algebra and transforms.

With Ẏ = the nudge of the output and ⟨G, Ẏ⟩ = ⟨Ā, Ȧ⟩:

    Y = A⁻¹B      Ẏ = A⁻¹(Ḃ - ȦY)         B̄ = A⁻ᵀG,  Ā = -B̄Yᵀ
    Y = A⁻¹       Ẏ = -YȦY               Ā = -YᵀGYᵀ
    y = det A     ẏ = y tr(A⁻¹Ȧ)          Ā = gyA⁻ᵀ;   log|det A| without the y
    A = LLᵀ       Φ(L⁻¹ȦL⁻ᵀ) = L⁻¹L̇       Ā = ½L⁻ᵀ(Φ(P) + Φ(P)ᵀ)L⁻¹ of P = LᵀG; Φ the lower triangle, half the diagonal
    A = QR        M = RR̄ᵀ - Q̄ᵀQ           Ā = (Q̄ + Q·sym(M))R⁻ᵀ; sym copies the lower triangle up
    λ of A = Aᵀ   λ̇ = diag(VᵀȦV)          Ā = V diag(g) Vᵀ;    singular values likewise U diag(g) Vᵀ

Fourier: a circular convolution y = x∗w has x̄ = the circular correlation of g with w.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.programs.ops.row import Drawn, Op, square_matrix


def identity(a: Any) -> Any:
    return np.eye(a.shape[0], dtype=bool)


def drawn_solve(sketch: Any, x: str) -> Drawn:
    if not sketch.is_square(x):
        return None
    return (x, sketch.partner((sketch.shape(x)[0], sketch.integer(1, 3)))), {}


def solve_vjp(xp: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
    grad_b = xp.solve(a.T, g)
    return -grad_b @ y.T, grad_b


def solve_triangular(xp: Any, a: Any, b: Any) -> Any:
    return xp.solve(a * np.tri(len(a), dtype=bool), b)


def solve_triangular_in_jax(xp: Any, a: Any, b: Any) -> Any:
    return xp.jax.scipy.linalg.solve_triangular(a, b, lower=True)


def solve_triangular_vjp(xp: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
    lower = np.tri(len(a), dtype=bool)
    grad_b = xp.solve((a * lower).T, g)
    return -(grad_b @ y.T) * lower, grad_b


def positive_definite(xp: Any, a: Any) -> Any:
    return a @ a.T + identity(a)


def cholesky(xp: Any, a: Any) -> Any:
    return xp.cholesky(positive_definite(xp, a))


def cholesky_vjp(xp: Any, g: Any, y: Any, a: Any) -> Any:
    p = xp.tril(y.T @ g)
    below = p - xp.where(identity(p), 0.5 * p, 0 * p)
    half = 0.5 * (below + below.T)
    inverse = xp.inv(y)
    s = inverse.T @ half @ inverse
    return ((s + s.T) @ a,)


def qr_vjp(xp: Any, grad_q: Any, grad_r: Any, a: Any) -> Any:
    q, r = xp.qr(a)
    m = r @ grad_r.T - grad_q.T @ q
    lower = xp.tril(m)
    symmetric = lower + xp.tril(m, -1).T
    return (xp.solve(r, (grad_q + q @ symmetric).T).T,)


def tall(sketch: Any, x: str) -> Drawn:
    shape = sketch.shape(x)
    return ((x,), {}) if len(shape) == 2 and shape[0] >= shape[1] > 1 else None


def eigenvalues(xp: Any, a: Any) -> Any:
    return xp.eigh(0.5 * (a + a.T))[0]


def eigenvalues_vjp(xp: Any, g: Any, y: Any, a: Any) -> Any:
    vectors = xp.eigh(0.5 * (a + a.T))[1]
    return ((vectors * g) @ vectors.T,)


def singular_values_vjp(xp: Any, g: Any, y: Any, a: Any) -> Any:
    u, _, v = xp.svd(a)
    return ((u * g) @ v,)


def circular(xp: Any, x: Any, w: Any) -> Any:
    return xp.fft.irfft(xp.fft.rfft(x) * xp.fft.rfft(w), n=x.shape[-1]).astype(x.dtype)


def circular_correlation(xp: Any, g: Any, w: Any) -> Any:
    return xp.fft.irfft(xp.fft.rfft(g) * xp.conj(xp.fft.rfft(w)), n=g.shape[-1]).astype(g.dtype)


def circular_complex(xp: Any, x: Any, w: Any) -> Any:
    return xp.real(xp.fft.ifft(xp.fft.fft(x) * xp.fft.fft(w))).astype(x.dtype)


def circular_correlation_complex(xp: Any, g: Any, w: Any) -> Any:
    return xp.real(xp.fft.ifft(xp.fft.fft(g) * xp.conj(xp.fft.fft(w)))).astype(g.dtype)


def circular_exact(xp: Any, x: Any, w: Any) -> Any:
    """y[n] = Σ_k x[k] w[n-k], the indices modulo the length."""
    n = x.shape[-1]
    return x @ np.stack([np.roll(w[::-1], k + 1) for k in range(n)], axis=1)


def correlation_exact(xp: Any, g: Any, w: Any) -> Any:
    """x̄[k] = Σ_n g[n] w[n-k]."""
    n = g.shape[-1]
    return np.asarray([g @ np.roll(w, k) for k in range(n)], dtype=object)


def both(correlation: Any) -> Any:
    """The gradients of a convolution, from the correlation: it is symmetric in its operands."""
    return lambda xp, g, y, x, w: (correlation(xp, g, w), correlation(xp, g, x))


def drawn_circular(sketch: Any, x: str) -> Drawn:
    shape = sketch.shape(x)
    return ((x, sketch.partner(shape)), {}) if len(shape) == 1 and shape[0] > 1 else None


def waves(xp: Any, n: int) -> tuple[Any, Any]:
    """cos and sin of 2πkn/N, exactly."""
    angles = 2 * xp.pi * np.outer(np.arange(n), np.arange(n)).astype(object) / n
    return xp.cos(angles), xp.sin(angles)


def hartley(xp: Any, x: Any) -> Any:
    """Σ_n x[n] (cos + sin)(2πkn/N): the real part of the transform less the imaginary one. Its matrix is symmetric."""
    z = xp.fft.fft(x)
    return (xp.real(z) - xp.imag(z)).astype(x.dtype)


def hartley_exact(xp: Any, x: Any) -> Any:
    cosines, sines = waves(xp, x.shape[-1])
    return x @ (cosines + sines)


def power_spectrum(xp: Any, x: Any) -> Any:
    z = xp.fft.rfft(x)
    return (xp.real(z) ** 2 + xp.imag(z) ** 2).astype(x.dtype)


def power_spectrum_vjp(xp: Any, g: Any, y: Any, x: Any) -> Any:
    """y_k = |X_k|²: x̄[n] = 2 Re Σ_k g_k X_k e^{+2πikn/N}."""
    n = x.shape[-1]
    z = np.zeros(n, dtype=np.result_type(x.dtype, np.complex64))
    z[: n // 2 + 1] = g * xp.fft.rfft(x)
    return ((2 * n * xp.real(xp.fft.ifft(z))).astype(x.dtype),)


def power_spectrum_exact(xp: Any, x: Any) -> Any:
    cosines, sines = (w[:, : x.shape[-1] // 2 + 1] for w in waves(xp, x.shape[-1]))
    return (x @ cosines) ** 2 + (x @ sines) ** 2


def power_spectrum_exact_vjp(xp: Any, g: Any, y: Any, x: Any) -> Any:
    cosines, sines = (w[:, : x.shape[-1] // 2 + 1] for w in waves(xp, x.shape[-1]))
    return (2 * cosines @ (g * (x @ cosines)) + 2 * sines @ (g * (x @ sines)),)


def vector(sketch: Any, x: str) -> Drawn:
    shape = sketch.shape(x)
    return ((x,), {}) if len(shape) == 1 and shape[0] > 1 else None


OPS = [
    Op("solve", "linear algebra", lambda xp, a, b: xp.solve(a, b), solve_vjp, drawn_solve),
    Op(
        "solve_triangular",
        "linear algebra",
        solve_triangular,
        solve_triangular_vjp,
        drawn_solve,
        jax=solve_triangular_in_jax,
    ),
    Op("inv", "linear algebra", lambda xp, a: xp.inv(a), lambda xp, g, y, a: (-y.T @ g @ y.T,), square_matrix),
    Op("det", "linear algebra", lambda xp, a: xp.det(a), lambda xp, g, y, a: (g * y * xp.inv(a).T,), square_matrix),
    Op(
        "logabsdet",
        "linear algebra",
        lambda xp, a: xp.logabsdet(a),
        lambda xp, g, y, a: (g * xp.inv(a).T,),
        square_matrix,
    ),
    Op("cholesky", "linear algebra", cholesky, cholesky_vjp, square_matrix),
    Op(
        "qr_q",
        "linear algebra",
        lambda xp, a: xp.qr(a)[0],
        lambda xp, g, y, a: qr_vjp(xp, g, 0 * xp.qr(a)[1], a),
        tall,
    ),
    Op(
        "qr_r",
        "linear algebra",
        lambda xp, a: xp.qr(a)[1],
        lambda xp, g, y, a: qr_vjp(xp, 0 * a, xp.triu(g), a),
        tall,
    ),
    Op("eigenvalues", "linear algebra", eigenvalues, eigenvalues_vjp, square_matrix),
    Op("singular_values", "linear algebra", lambda xp, a: xp.svd(a)[1], singular_values_vjp, tall),
    Op(
        "circular_convolution",
        "transform",
        circular,
        both(circular_correlation),
        drawn_circular,
        exact=circular_exact,
        exact_vjp=both(correlation_exact),
    ),
    Op(
        "circular_convolution_complex",
        "transform",
        circular_complex,
        both(circular_correlation_complex),
        drawn_circular,
        exact=circular_exact,
        exact_vjp=both(correlation_exact),
    ),
    Op(
        "hartley",
        "transform",
        hartley,
        lambda xp, g, y, x: (hartley(xp, g),),
        vector,
        exact=hartley_exact,
        exact_vjp=lambda xp, g, y, x: (hartley_exact(xp, g),),
    ),
    Op(
        "power_spectrum",
        "transform",
        power_spectrum,
        power_spectrum_vjp,
        vector,
        exact=power_spectrum_exact,
        exact_vjp=power_spectrum_exact_vjp,
    ),
]
