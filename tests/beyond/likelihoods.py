"""Likelihoods: Gaussian with its own variance, with a covariance matrix, Poisson and negative binomial counts.

Gaussian   ½ Σ (s + (t - m)² e^{-s}),  s = log variance      m̄ = -(t - m) e^{-s},   s̄ = ½ (1 - (t - m)² e^{-s})
normal     ½ (rᵀ A⁻¹ r + log det A),   r = x - m             r̄ = A⁻¹ r,   Ā = ½ (A⁻¹ - A⁻¹ r rᵀ A⁻¹)
Poisson    Σ e^η - k η                                       η̄ = e^η - k
negative   Σ ln Γ(r) - ln Γ(k + r) - r ln σ(-η) - k ln σ(η)  r̄ = ψ(r) - ψ(k + r) - ln σ(-η),   η̄ = (k + r) σ(η) - k
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from tests.beyond.planted import Array, Arrays, Rng, Slip, Subject, of_size, sigmoid, spd


def draw_gaussian(rng: Rng, size: int) -> Arrays:
    shape = of_size(size, (4, 3), (3, 5))
    return {k: rng.normal(size=shape) for k in ("mean", "log_variance", "target")}


def gaussian(mean: Array, log_variance: Array, target: Array) -> Array:
    return 0.5 * (log_variance + (target - mean) ** 2 / np.exp(log_variance)).sum(1)


def gaussian_backward(g: Array, slip: str, mean: Array, log_variance: Array, target: Array) -> Arrays:
    g, off, variance = g[:, None], target - mean, np.exp(log_variance)
    grad_mean = -g * off / variance
    grad_s = 0.5 * g * (1 - off**2 / variance)
    if slip == "the normaliser left out":
        grad_s = -0.5 * g * off**2 / variance
    if slip == "the ½ left out of the square":
        grad_s = g * (0.5 - off**2 / variance)
    if slip == "the exponential's derivative left out":
        grad_s = 0.5 * g * (1 - off**2 / variance**2)
    if slip == "the sign of the mean":
        grad_mean = -grad_mean
    if slip == "the deviation for the variance":
        grad_mean = -g * off / np.sqrt(variance)
    return {"mean": grad_mean, "log_variance": grad_s, "target": g * off / variance}


def gaussian_reference(mean: Any, log_variance: Any, target: Any) -> jax.Array:
    variance = jnp.exp(log_variance)
    square = (target - mean) ** 2 / variance
    return jnp.sum(0.5 * (log_variance + square), axis=1)


def draw_normal(rng: Rng, size: int) -> Arrays:
    n = (4, 3)[size]
    return {"x": rng.normal(size=n), "mean": rng.normal(size=n), "covariance": spd(rng, n)}


def normal(x: Array, mean: Array, covariance: Array) -> Array:
    a, r = (covariance + covariance.T) / 2, x - mean
    return 0.5 * (r @ np.linalg.solve(a, r) + np.linalg.slogdet(a)[1])


def normal_backward(g: Array, slip: str, x: Array, mean: Array, covariance: Array) -> Arrays:
    inverse = np.linalg.inv((covariance + covariance.T) / 2)
    u = inverse @ (x - mean)
    grad_a = 0.5 * g * (inverse - np.outer(u, u))
    if slip == "the log-determinant left out":
        grad_a = -0.5 * g * np.outer(u, u)
    if slip == "the sign of the outer product":
        grad_a = 0.5 * g * (inverse + np.outer(u, u))
    if slip == "the off-diagonal entries twice":
        grad_a = 2 * grad_a - np.diag(np.diag(grad_a))
    if slip == "the ½ left out of the log-determinant":
        grad_a = g * (inverse - 0.5 * np.outer(u, u))
    if slip == "the lower triangle only":
        grad_a = np.tril(grad_a)
    return {"x": g * u, "mean": -g * u, "covariance": grad_a}


def normal_reference(x: Any, mean: Any, covariance: Any) -> jax.Array:
    low = jnp.linalg.cholesky(covariance)
    white = jax.scipy.linalg.solve_triangular(low, x - mean, lower=True)
    log_det = 2 * jnp.sum(jnp.log(jnp.diag(low)))
    return 0.5 * (white @ white + log_det)


def draw_counts(rng: Rng, size: int) -> Arrays:
    n = (5, 7)[size]
    return {"eta": rng.normal(size=n), "k": rng.integers(1, 6, n)}


def poisson(eta: Array, k: Array) -> Array:
    return (np.exp(eta) - k * eta).sum()


def poisson_backward(g: Array, slip: str, eta: Array, k: Array) -> Arrays:
    rate = np.exp(eta)
    if slip == "the rate's gradient":
        return {"eta": g * (1 - k / rate)}
    if slip == "the exponential's derivative left out":
        return {"eta": g * (1 - k)}
    if slip == "the counts' term left out":
        return {"eta": g * rate}
    return {"eta": g * (rate - k)}


def poisson_reference(eta: Any, k: Any) -> jax.Array:
    rate = jnp.exp(eta)
    return jnp.sum(rate - k * eta)


def draw_negative(rng: Rng, size: int) -> Arrays:
    n = (5, 6)[size]
    return {"r": rng.uniform(0.5, 4.0, n), "eta": rng.normal(size=n), "k": rng.integers(1, 6, n)}


def log_sigmoid(a: Array) -> Array:
    return -np.logaddexp(0, -a)


def negative(r: Array, eta: Array, k: Array) -> Array:
    gammas = special.gammaln(r) - special.gammaln(k + r)
    return gammas - r * log_sigmoid(-eta) - k * log_sigmoid(eta)


def negative_backward(g: Array, slip: str, r: Array, eta: Array, k: Array) -> Arrays:
    after = special.digamma(k if slip == "ψ at k" else k + r)
    before = special.digamma(r)
    if slip == "ψ(r) left out":
        before = np.zeros_like(before)
    if slip == "the sign of ψ(k + r)":
        after = -after
    grad_r = before - after - (0 if slip == "the logarithm left out" else log_sigmoid(-eta))
    total = k if slip == "r left out of the total" else k + r
    return {"r": g * grad_r, "eta": g * (total * sigmoid(eta) - k)}


def negative_reference(r: Any, eta: Any, k: Any) -> jax.Array:
    gammas = jax.lax.lgamma(r) - jax.lax.lgamma(k + r)
    return gammas - r * jax.nn.log_sigmoid(-eta) - k * jax.nn.log_sigmoid(eta)


SUBJECTS = (
    Subject(
        "Gaussian likelihood",
        draw_gaussian,
        gaussian,
        gaussian_backward,
        gaussian_reference,
        (
            Slip("the normaliser left out", "missing-terms", ("path", "log_variance")),
            Slip("the ½ left out of the square", "scaled", ("twice",)),
            Slip("the exponential's derivative left out", "missing-terms", ("exponential",)),
            Slip("the sign of the mean", "sign", ("sign",)),
            Slip("the deviation for the variance", "wrong-derivative wrong-operand missing-terms wrong-factor", ()),
        ),
    ),
    Subject(
        "multivariate normal",
        draw_normal,
        normal,
        normal_backward,
        normal_reference,
        (
            Slip("the log-determinant left out", "missing-terms", ("log_det", "slogdet")),
            Slip("the sign of the outer product", "sign", ("sign",)),
            Slip("the off-diagonal entries twice", "half-symmetric diagonal", ("diagonal",)),
            Slip("the ½ left out of the log-determinant", "scaled", ("twice",)),
            Slip("the lower triangle only", "triangle", ("lower",)),
        ),
    ),
    Subject(
        "Poisson likelihood",
        draw_counts,
        poisson,
        poisson_backward,
        poisson_reference,
        (
            Slip("the rate's gradient", "missing-terms wrong-derivative", ("rate", "exponential")),
            Slip("the exponential's derivative left out", "missing-terms", ("exponential",)),
            Slip("the counts' term left out", "missing-terms", ("path",)),
        ),
    ),
    Subject(
        "negative binomial likelihood",
        draw_negative,
        negative,
        negative_backward,
        negative_reference,
        (
            Slip("ψ(r) left out", "missing-terms", ("path", "lgamma")),
            Slip("the sign of ψ(k + r)", "sign", ("sign",)),
            Slip("the logarithm left out", "missing-terms", ("path",)),
            Slip("r left out of the total", "missing-terms", ("path",)),
            Slip("ψ at k", "wrong-operand wrong-derivative wrong-factor", ("lgamma", "k")),
        ),
    ),
)
