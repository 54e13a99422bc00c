"""Whole programs with gradients derived by hand, in NumPy at any precision, or in mpmath: what the copies' σ must hold.

    python -m tests.rounding.programs

prints, for each program: the largest error of JAX against the truth and of hand-written code in float64, then
in float32, against JAX, in units of the allowance, and the allowance over the root mean square error.

The truth is the hand-written code in longdouble (64 binary digits) or mpmath at 50 digits.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
from jax import lax

from crosscheck.rounding import Rounded, Roundings, roundings

Array = np.ndarray
Arrays = dict[str, Array]


class Program(NamedTuple):
    """A forward in JAX, inputs, and the gradient by hand: `hand(g, **inputs)` in the inputs' own precision.

    `exact` says that `hand` is in mpmath: then it is the truth at once, and no float64 code.
    """

    name: str
    forward: Callable[..., Any]
    inputs: Arrays
    hand: Callable[..., Arrays]
    exact: bool = False


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# ---------------------------------------------------------------------- recurrent, attention, norms


def rnn(steps: int = 30, units: int = 16) -> Program:
    w = np.linalg.qr(rng().normal(size=(units, units)))[0]

    def forward(x: Any, w: Any) -> Any:
        return lax.scan(lambda h, xt: (jnp.tanh(xt + w @ h), None), jnp.zeros(units), x)[0]

    def hand(g: Array, x: Array, w: Array) -> Arrays:
        hs = [np.zeros(units, x.dtype)]
        for t in range(steps):
            hs.append(np.tanh(x[t] + w @ hs[-1]))
        gx, gw = np.zeros_like(x), np.zeros_like(w)
        for t in reversed(range(steps)):
            d = g * (1 - hs[t + 1] ** 2)
            gx[t] = d
            gw += np.outer(d, hs[t])
            g = w.T @ d
        return {"x": gx, "w": gw}

    return Program("RNN, 16 units, 30 steps", forward, {"x": 0.1 * rng(1).normal(size=(steps, units)), "w": w}, hand)


def softmax(s: Array) -> Array:
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention_back(g: Array, q: Array, k: Array, v: Array) -> tuple[Array, Array, Array]:
    root = np.sqrt(q.dtype.type(q.shape[-1]))
    p = softmax(q @ k.swapaxes(-1, -2) / root)
    dp = g @ v.swapaxes(-1, -2)
    ds = p * (dp - (dp * p).sum(-1, keepdims=True)) / root
    return ds @ k, ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ g


def attention() -> Program:
    inputs = {name: rng(i).normal(size=(2, 3, 9, 8)) for i, name in enumerate("qkv")}

    def forward(q: Any, k: Any, v: Any) -> Any:
        return jax.nn.softmax(q @ k.swapaxes(-1, -2) / jnp.sqrt(8.0), -1) @ v

    return Program(
        "attention",
        forward,
        inputs,
        lambda g, q, k, v: dict(zip("qkv", attention_back(g, q, k, v), strict=True)),
    )


def normalised(z: Array) -> tuple[Array, Array]:
    centred = z - z.mean(-1, keepdims=True)
    s = np.sqrt((centred**2).mean(-1, keepdims=True) + z.dtype.type(1e-5))
    return centred / s, s


def normalised_back(d: Array, h: Array, s: Array) -> Array:
    return (d - d.mean(-1, keepdims=True) - h * (d * h).mean(-1, keepdims=True)) / s


def transformer(blocks: int = 2, width: int = 16) -> Program:
    """x + attention(LN(x)) W, then x + tanh(LN(x) U) V, twice."""
    draw = lambda seed, *shape: rng(seed).normal(size=shape) / np.sqrt(shape[-2])  # noqa: E731
    names = ("wq", "wk", "wv", "wo", "u", "v")
    sizes = [(width, width)] * 4 + [(width, 2 * width), (2 * width, width)]
    inputs = {n: draw(i, blocks, *size) for i, (n, size) in enumerate(zip(names, sizes, strict=True))}

    def forward(x: Any, wq: Any, wk: Any, wv: Any, wo: Any, u: Any, v: Any) -> Any:
        norm = lambda z: (z - z.mean(-1, keepdims=True)) / jnp.sqrt(z.var(-1, keepdims=True) + 1e-5)  # noqa: E731
        for b in range(blocks):
            h = norm(x)
            x = x + jax.nn.softmax((h @ wq[b]) @ (h @ wk[b]).T / 4.0) @ (h @ wv[b]) @ wo[b]
            x = x + jnp.tanh(norm(x) @ u[b]) @ v[b]
        return x

    def hand(g: Array, x: Array, **w: Array) -> Arrays:
        saved = []
        for b in range(blocks):
            h, s = normalised(x)
            q, k, y = (h @ w[n][b] for n in ("wq", "wk", "wv"))
            mixed = softmax(q @ k.T / 4) @ y
            x = x + mixed @ w["wo"][b]
            h2, s2 = normalised(x)
            z = np.tanh(h2 @ w["u"][b])
            saved.append((h, s, q, k, y, mixed, h2, s2, z))
            x = x + z @ w["v"][b]
        out = {n: np.zeros_like(a) for n, a in w.items()}
        for b in reversed(range(blocks)):
            h, s, q, k, y, mixed, h2, s2, z = saved[b]
            out["v"][b] = z.T @ g
            d = (g @ w["v"][b].T) * (1 - z**2)
            out["u"][b] = h2.T @ d
            g = g + normalised_back(d @ w["u"][b].T, h2, s2)
            out["wo"][b] = mixed.T @ g
            dq, dk, dy = attention_back(g @ w["wo"][b].T, q, k, y)
            for n, d in (("wq", dq), ("wk", dk), ("wv", dy)):
                out[n][b] = h.T @ d
            back = dq @ w["wq"][b].T + dk @ w["wk"][b].T + dy @ w["wv"][b].T
            g = g + normalised_back(back, h, s)
        return {"x": g, **out}

    return Program("two pre-LN transformer blocks", forward, {"x": rng(9).normal(size=(6, width)), **inputs}, hand)


def batch_norm() -> Program:
    def forward(x: Any, gamma: Any, beta: Any) -> Any:
        return gamma * (x - x.mean(0)) / jnp.sqrt(x.var(0) + 1e-5) + beta

    def hand(g: Array, x: Array, gamma: Array, beta: Array) -> Arrays:
        h, s = normalised(x.T)
        d = normalised_back((g * gamma).T, h, s).T
        return {"x": d, "gamma": (g * h.T).sum(0), "beta": g.sum(0)}

    return Program(
        "batch norm",
        forward,
        {"x": rng(1).normal(size=(64, 8)) + 3, "gamma": rng(2).normal(size=8), "beta": rng(3).normal(size=8)},
        hand,
    )


def circular(real: bool) -> Program:
    def forward(x: Any, h: Any) -> Any:
        if real:
            return jnp.fft.irfft(jnp.fft.rfft(x) * jnp.fft.rfft(h), 8)
        return jnp.real(jnp.fft.ifft(jnp.fft.fft(x) * jnp.fft.fft(h)))

    def hand(g: Array, x: Array, h: Array) -> Arrays:
        shift = (np.arange(8)[:, None] - np.arange(8)[None, :]) % 8  # y[j] = Σ_k x[k] h[j - k]
        gh = np.zeros_like(h)
        for j in range(8):
            for k in range(8):
                gh[(j - k) % 8] += (g[:, j] * x[:, k]).sum()
        return {"x": g @ h[shift], "h": gh}

    inputs = {"x": rng(1).normal(size=(3, 8)), "h": rng(2).normal(size=8)}
    return Program(f"circular convolution by {'rfft' if real else 'fft'}", forward, inputs, hand)


# ---------------------------------------------------------------------- elementwise, sums, loops


def cube() -> Program:
    x = rng(1).normal(size=200) * np.logspace(-6, 6, 200)
    return Program("x³ over twelve decades", lambda x: x**3, {"x": x}, lambda g, x: {"x": 3 * x**2 * g})


def decay(steps: int = 10_000) -> Program:
    """h · 0.9999, where the hand-written constant is one ulp up."""

    def forward(h: Any) -> Any:
        return lax.scan(lambda h, _: (h * 0.9999, None), h, None, steps)[0]

    def hand(g: Array, h: Array) -> Arrays:
        for _ in range(steps):
            g = g * h.dtype.type(np.nextafter(0.9999, 1))
        return {"h": g}

    return Program("h · 0.9999, 10,000 steps", forward, {"h": np.array([1.0, 0.3])}, hand)


def adding(steps: int = 100_000) -> Program:
    def forward(h: Any) -> Any:
        return lax.scan(lambda s, _: (s + h * h, None), jnp.zeros(()), None, steps)[0]

    def hand(g: Array, h: Array) -> Arrays:
        return {"h": g * 2 * h * steps}

    return Program("a scan adding 100,000 equal terms", forward, {"h": np.array(0.3)}, hand)


def scatter(count: int = 100_000) -> Program:
    places = np.zeros(count, int)

    def hand(g: Array, table: Array) -> Arrays:
        out = np.zeros_like(table)
        out[0] = g.sum(0)
        return {"table": out}

    return Program("a gather of 100,000 equal indices", lambda table: table[places], {"table": np.ones((3, 2))}, hand)


def cumulative() -> Program:
    x = rng(1).normal(size=(5, 300))
    return Program(
        "cumsum",
        lambda x: jnp.cumsum(x, 1) ** 2,
        {"x": x},
        lambda g, x: {"x": np.cumsum((2 * g * np.cumsum(x, 1))[:, ::-1], 1)[:, ::-1]},
    )


def logsumexp() -> Program:
    return Program(
        "logsumexp",
        lambda x: jax.nn.logsumexp(x, axis=1),
        {"x": 20 * rng(1).normal(size=(8, 30))},
        lambda g, x: {"x": g[:, None] * softmax(x)},
    )


# ---------------------------------------------------------------------- by mpmath: linear algebra, functions


def matrix(a: Array) -> Any:
    return mpmath.matrix(a.tolist())


def array(a: Any) -> Array:
    return np.array([[a[i, j] for j in range(a.cols)] for i in range(a.rows)], object)


def solve() -> Program:
    m = rng(4).normal(size=(6, 6))
    inputs = {"a": m @ np.diag(10.0 ** -np.linspace(0, 8, 6)) @ m.T, "b": rng(5).normal(size=6)}

    def hand(g: Array, a: Array, b: Array) -> Arrays:
        left = array(mpmath.lu_solve(matrix(a.T), mpmath.matrix(g.tolist())))[:, 0]
        x = array(mpmath.lu_solve(matrix(a), mpmath.matrix(b.tolist())))[:, 0]
        return {"a": -np.outer(left, x), "b": left}

    return Program("solve, condition 10⁸ and more", jnp.linalg.solve, inputs, hand, exact=True)


def symmetric(seed: int) -> Array:
    m = rng(seed).normal(size=(5, 5))
    return m @ m.T + np.diag(np.arange(5.0))


def cholesky() -> Program:
    def hand(g: Array, a: Array) -> Arrays:
        return {"a": array(mpmath.inverse(matrix(a))) * float(g)}

    return Program(
        "logdet by Cholesky",
        lambda a: 2 * jnp.sum(jnp.log(jnp.diagonal(jnp.linalg.cholesky(a)))),
        {"a": symmetric(6)},
        hand,
        exact=True,
    )


def qr() -> Program:
    def hand(g: Array, a: Array) -> Arrays:
        return {"a": array(mpmath.inverse(matrix(a)).T) * float(g)}

    return Program(
        "log|det| by QR",
        lambda a: jnp.sum(jnp.log(jnp.abs(jnp.diagonal(jnp.linalg.qr(a)[1])))),
        {"a": rng(7).normal(size=(5, 5))},
        hand,
        exact=True,
    )


def svd() -> Program:
    def hand(g: Array, a: Array) -> Arrays:
        u, _, vt = mpmath.svd_r(matrix(a), full_matrices=False)
        return {"a": array(u * mpmath.diag(g.tolist()) * vt)}

    return Program(
        "singular values",
        lambda a: jnp.linalg.svd(a, full_matrices=False)[1],
        {"a": rng(8).normal(size=(6, 4))},
        hand,
        exact=True,
    )


def eigh() -> Program:
    def hand(g: Array, a: Array) -> Arrays:
        _, q = mpmath.eigsy(matrix(a))
        return {"a": array(q * mpmath.diag(g.tolist()) * q.T)}

    return Program("eigenvalues", lambda a: jnp.linalg.eigh(a)[0], {"a": symmetric(9)}, hand, exact=True)


def of_function(name: str, forward: Callable[..., Any], slope: Callable[..., Any], x: Array) -> Program:
    def hand(g: Array, x: Array) -> Arrays:
        return {"x": np.array([slope(mpmath.mpf(float(v))) * float(w) for v, w in zip(x, g, strict=True)], object)}

    return Program(f"gradient of {name}", forward, {"x": x}, hand, exact=True)


def functions() -> list[Program]:
    m, special = mpmath, jax.scipy.special
    near = np.array([1.0, 1.4616321449683622, 2.0, 1.5, 0.3, 7.0, 40.0]) * (1 + 1e-9)
    inside = np.array([-0.999, -0.4, -0.2, 0.3, 0.45, 0.7, 1 - 1e-9])
    wide = np.array([-20.0, -0.4, -0.2, 0.01, 1.0, 5.0, 20.0])
    return [
        of_function("lgamma", special.gammaln, m.digamma, near),
        of_function("digamma", special.digamma, lambda x: m.polygamma(1, x), near),
        of_function("polygamma", lambda x: special.polygamma(1, x), lambda x: m.polygamma(2, x), near),
        of_function("exp2", jnp.exp2, lambda x: m.log(2) * m.mpf(2) ** x, wide * 40),
        of_function("log1p", jnp.log1p, lambda x: 1 / (1 + x), inside),
        of_function("erfc", special.erfc, lambda x: -2 / m.sqrt(m.pi) * m.exp(-x * x), wide),
        of_function("erf_inv", special.erfinv, lambda x: m.sqrt(m.pi) / 2 * m.exp(m.erfinv(x) ** 2), inside[1:-1]),
        of_function("atanh", jnp.arctanh, lambda x: 1 / (1 - x * x), inside),
        of_function("sinh", jnp.sinh, m.cosh, wide),
    ]


def programs() -> list[Program]:
    return [
        rnn(),
        attention(),
        transformer(),
        batch_norm(),
        circular(True),
        circular(False),
        cube(),
        decay(),
        adding(),
        scatter(),
        cumulative(),
        logsumexp(),
        solve(),
        cholesky(),
        qr(),
        svd(),
        eigh(),
        *functions(),
    ]


# ---------------------------------------------------------------------- their law


class Held(NamedTuple):
    """What was found of a program."""

    name: str
    jax: float  # the largest error of JAX, in units of the allowance
    hand: float  # of hand-written float64 code against JAX
    width: float  # the allowance over the root mean square error of either
    found: Roundings

    def __str__(self) -> str:
        return f"{self.name:36} {self.jax:8.3f} {self.hand:8.3f} {self.width:9.1f}   {self.found.equations:5} equations"


def vjp(program: Program, seed: int = 0) -> tuple[Any, list[Array]]:
    """The trace of the VJP, and its arguments: a cotangent and the inputs."""
    values = list(program.inputs.values())
    with jax.enable_x64(True):
        shape = jax.eval_shape(program.forward, *values).shape
        g = rng(seed).choice([-1.0, 1.0], shape) * rng(seed + 1).uniform(0.5, 2, shape)
        closed = jax.make_jaxpr(lambda g, *a: jax.vjp(program.forward, *a)[1](g))(g, *values)
    return closed, [g, *values]


def held(program: Program) -> Held:
    """JAX against the truth, and hand-written float64 code against JAX."""
    closed, arguments = vjp(program)
    found = roundings(closed, arguments)
    with mpmath.workdps(50):
        true = by_hand(program, arguments, np.float64 if program.exact else np.longdouble)
        shares = [distances(found, out, a) for out, a in zip(found.outputs, true, strict=True)]
    near = [] if program.exact else by_hand(program, arguments, np.float64)
    return joined(
        program.name, found, shares, [distances(found, o, a) for o, a in zip(found.outputs, near, strict=False)]
    )


def held_in_single(program: Program) -> Held:
    """Hand-written float32 code against JAX in float64, whose roundings count as float32's."""
    single = {name: a.astype(np.float32).astype(np.float64) for name, a in program.inputs.items()}
    closed, (g, *values) = vjp(program._replace(inputs=single))
    arguments = [g.astype(np.float32).astype(np.float64), *values]
    found = roundings(closed, arguments, unit=2.0**-24)
    near = by_hand(program, arguments, np.float32)
    return joined(program.name, found, [], [distances(found, o, a) for o, a in zip(found.outputs, near, strict=True)])


def by_hand(program: Program, arguments: list[Array], dtype: Any) -> list[Array]:
    g, *values = (a.astype(dtype) for a in arguments)
    gradients = program.hand(g, **dict(zip(program.inputs, values, strict=True)))
    return [gradients[name] for name in program.inputs]


def distances(found: Roundings, out: Rounded, other: Array) -> Array:
    """How far a gradient is from JAX's, in units of the allowance."""
    allowed = np.maximum(found.t * out.sigma, 1e-300)
    return np.ravel(np.abs((other - out.value).astype(np.float64)) / allowed)


def joined(name: str, found: Roundings, jax_shares: list[Array], hand_shares: list[Array]) -> Held:
    worst = [float(max((s.max() for s in shares), default=0.0)) for shares in (jax_shares, hand_shares)]
    rms = float(np.sqrt(np.mean(np.concatenate(jax_shares + hand_shares) ** 2)))
    return Held(name, worst[0], worst[1], 1 / max(rms, 1e-30), found)


if __name__ == "__main__":
    print(f"{'program':36} {'JAX/t·σ':>8} {'hand/t·σ':>8} {'t·σ/rms':>9}")
    broken = 0
    for check, what in ((held, ""), (held_in_single, ", float32")):
        for program in programs():
            if what and program.exact:
                continue
            result = check(program._replace(name=program.name + what))
            broken += max(result.jax, result.hand) > 1
            print(result, flush=True)
    sys.exit(f"{broken} programs are off by more than their allowance" if broken else 0)
