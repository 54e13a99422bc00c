"""Custom rules of JAX, right ones and wrong ones of many kinds; of a wrong one, what the page must say of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

RNG = np.random.default_rng(0)


class Rule(NamedTuple):
    """A rule with its point; `words`: what is said of a wrong one, "" of a right one."""

    name: str
    f: Callable[..., Any]
    args: tuple[Any, ...]
    words: str = ""
    forward_mode: bool = False


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


def with_vjp(fun: Any, fwd: Any, bwd: Any, static: tuple[int, ...] = (), **options: Any) -> Any:
    f = jax.custom_vjp(fun, nondiff_argnums=static)
    f.defvjp(fwd, bwd, **options)
    return f


def with_jvp(fun: Any, rule: Any, static: tuple[int, ...] = (), **options: Any) -> Any:
    f = jax.custom_jvp(fun, nondiff_argnums=static)
    f.defjvp(rule, **options)
    return f


def both(value: Any, of: Any) -> Any:
    """A fwd that keeps its argument."""
    return lambda *a: (value(*a), of(*a))


def same(*a: Any) -> Any:
    return a[0] if len(a) == 1 else a


# ---------------------------------------------------------------------- functions


def sine(x: Any) -> Any:
    return jnp.sin(x)


def branch(p: Any) -> Any:
    return {"y": p["a"] * p["b"], "s": p["a"].sum()}


def picked(x: Any, i: Any) -> Any:
    return x[i]


def product(x: Any, y: Any) -> Any:
    return x * y


def in_float32(x: Any) -> Any:
    return jnp.sin(x.astype(jnp.float32))


def root(a: Any) -> Any:
    return jax.lax.fori_loop(0, 40, lambda i, x: 0.5 * (x + a / x), jnp.ones_like(a))


def symbolic_fwd(x: Any, y: Any) -> Any:
    return x.value * y.value, (y.value if x.perturbed else None, x.value if y.perturbed else None)


def symbolic_bwd(kept: Any, g: Any) -> Any:
    if type(g) is SymbolicZero:
        return None, None
    return tuple(None if k is None else g * k for k in kept)


def affine(p: Any, x: Any) -> Any:
    return x @ p["w"] + p["b"]


def layer_norm(x: Any, scale: Any) -> Any:
    h = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return h * scale


def layer_norm_fwd(x: Any, scale: Any) -> Any:
    s = 1 / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)
    h = (x - x.mean(-1, keepdims=True)) * s
    return h * scale, (h, s, scale)


def layer_norm_bwd(kept: Any, g: Any) -> Any:
    h, s, scale = kept
    d = g * scale
    return s * (d - d.mean(-1, keepdims=True) - h * (d * h).mean(-1, keepdims=True)), (g * h).sum(0)


def logged(x: Any) -> Any:
    """log(1 + eˣ) by a while loop's worth of trouble: clipped, so that its own derivative is NaN nowhere."""
    return jnp.log1p(jnp.exp(-jnp.abs(x))) + jnp.maximum(x, 0)


def cumulative(x: Any) -> Any:
    return jax.lax.scan(lambda c, a: (c * 0.9 + a, c * 0.9 + a), jnp.zeros(x.shape[1:], x.dtype), x)[1]


def cumulative_bwd(kept: Any, g: Any) -> Any:
    return (jax.lax.scan(lambda c, a: (c * 0.9 + a, c * 0.9 + a), jnp.zeros(g.shape[1:], g.dtype), g, reverse=True)[1],)


COUNT: list[int] = []


def forgetful(x: Any, g: Any) -> Any:
    COUNT.append(1)
    return (g * jnp.cos(x) * (1.0 + len(COUNT) / 4),)


X, W, B = normal(4, 3), normal(3, 2), normal(2)
TREE = {"a": normal(3), "b": normal(3)}

RIGHT = [
    Rule(
        "a tree in and out",
        with_vjp(branch, both(branch, same), lambda p, g: ({"a": g["y"] * p["b"] + g["s"], "b": g["y"] * p["a"]},)),
        (TREE,),
    ),
    Rule(
        "nondiff_argnums",
        with_vjp(lambda n, x: x**n, lambda n, x: (x**n, x), lambda n, x, g: (g * n * x ** (n - 1),), (0,)),
        (3, normal(4)),
    ),
    Rule("symbolic zeros", with_vjp(product, symbolic_fwd, symbolic_bwd, symbolic_zeros=True), (normal(3), normal(3))),
    Rule(
        "float32 only",
        with_vjp(in_float32, both(in_float32, same), lambda x, g: (jnp.cos(x.astype(jnp.float32)) * g,)),
        (normal(5),),
    ),
    Rule("a jvp", with_jvp(sine, lambda p, t: (jnp.sin(p[0]), jnp.cos(p[0]) * t[0])), (normal(4),), "", True),
    Rule(
        "integers, None",
        with_vjp(picked, both(picked, same), lambda r, g: (jnp.zeros_like(r[0]).at[r[1]].add(g), None)),
        (normal(6), np.array([0, 2, 2, 5])),
    ),
    Rule(
        "integers, float0",
        with_vjp(
            picked,
            both(picked, same),
            lambda r, g: (jnp.zeros_like(r[0]).at[r[1]].add(g), np.zeros(r[1].shape, jax.dtypes.float0)),
        ),
        (normal(6), np.array([0, 2, 2, 5])),
    ),
    Rule(
        "complex", with_vjp(jnp.square, lambda z: (z * z, z), lambda z, g: (2 * z * g,)), (normal(3) + 1j * normal(3),)
    ),
    Rule(
        "outputs of several kinds",
        with_vjp(
            lambda x: (x.sum(), jnp.argmax(x), 2 * x),
            lambda x: ((x.sum(), jnp.argmax(x), 2 * x), None),
            lambda r, g: (g[0] + 2 * g[2],),
        ),
        (normal(5),),
    ),
    Rule(
        "inside a jit",
        jax.jit(
            with_vjp(branch, both(branch, same), lambda p, g: ({"a": g["y"] * p["b"] + g["s"], "b": g["y"] * p["a"]},))
        ),
        (TREE,),
    ),
    Rule(
        "a Python float",
        with_vjp(lambda x, a: a * x, both(lambda x, a: a * x, same), lambda r, g: (r[1] * g, (r[0] * g).sum())),
        (normal(4), 2.5),
    ),
    Rule(
        "parameters",
        with_vjp(affine, both(affine, same), lambda r, g: ({"w": r[1].T @ g, "b": g.sum(0)}, g @ r[0]["w"].T)),
        ({"w": W, "b": B}, X),
    ),
    Rule(
        "implicit differentiation",
        with_vjp(root, both(root, root), lambda x, g: (g / (2 * x),)),
        (np.abs(normal(3)) + 0.5,),
    ),
    Rule(
        "float32 arrays",
        with_vjp(logged, both(logged, same), lambda x, g: (g * jax.nn.sigmoid(x),)),
        (jnp.asarray(normal(5)),),
    ),
    Rule("a norm", with_vjp(layer_norm, layer_norm_fwd, layer_norm_bwd), (normal(3, 6), normal(6))),
    Rule("a scan backwards", with_vjp(cumulative, both(cumulative, lambda x: None), cumulative_bwd), (normal(5, 2),)),
    Rule(
        "two arguments of a jvp",
        with_jvp(product, lambda p, t: (p[0] * p[1], t[0] * p[1] + p[0] * t[1])),
        (normal(3), normal(3)),
        "",
        True,
    ),
    Rule(
        "a jvp of a function",
        with_jvp(lambda h, x: h(x), lambda h, p, t: jax.jvp(h, p, t), (0,)),
        (jnp.sin, normal(3)),
        "",
        True,
    ),
    Rule(
        "a jvp that cannot be transposed",
        with_jvp(
            sine,
            lambda p, t: (
                jnp.sin(p[0]),
                jax.lax.while_loop(lambda c: c[0] < 1, lambda c: (c[0] + 1, c[1] * jnp.cos(p[0])), (0, t[0]))[1],
            ),
        ),
        (normal(3),),
        "",
        True,
    ),
    Rule("rules inside", lambda x: jax.nn.relu(x) * jax.nn.softplus(x), (normal(5),), "", True),
]

WRONG = [
    Rule(
        "exchanged leaves",
        with_vjp(product, both(product, same), lambda r, g: (g * r[0], g * r[1])),
        (normal(4), normal(4)),
        "exchanged",
    ),
    Rule(
        "an output left out",
        with_vjp(lambda x: (x**2, x.sum()), lambda x: ((x**2, x.sum()), x), lambda x, g: (2 * x * g[0],)),
        (normal(3),),
        "leaves out what comes through y[1]",
    ),
    Rule(
        "the flags of symbolic zeros",
        with_vjp(
            product,
            lambda x, y: (x.value * y.value, (y.value if y.perturbed else None, x.value if x.perturbed else None)),
            lambda r, g: tuple(jnp.zeros_like(g) if k is None else g * k for k in r),
            symbolic_zeros=True,
        ),
        (normal(3), normal(3)),
        "one input at a time",
    ),
    Rule(
        "float32, a thousandth",
        with_vjp(in_float32, both(in_float32, same), lambda x, g: (1.001 * jnp.cos(x.astype(jnp.float32)) * g,)),
        (normal(5),),
        "1.001",
    ),
    Rule(
        "a jvp without a path",
        with_jvp(lambda x, y: x * y + y, lambda p, t: (p[0] * p[1] + p[1], p[1] * t[0] + p[0] * t[1])),
        (normal(4), normal(4)),
        "leaves out the path",
        True,
    ),
    Rule(
        "a factor",
        with_vjp(sine, both(sine, same), lambda x, g: (2 * g * jnp.cos(x),)),
        (normal(4),),
        "2 times too large",
    ),
    Rule(
        "None for a gradient",
        with_vjp(product, both(product, same), lambda r, g: (g * r[1], None)),
        (normal(4), normal(4)),
        "zero everywhere",
    ),
    Rule(
        "fwd computes something else",
        with_vjp(sine, lambda x: (jnp.cos(x), x), lambda x, g: (g * jnp.cos(x),)),
        (normal(4),),
        "the forward differs",
    ),
    Rule(
        "the other convention",
        with_vjp(jnp.square, lambda z: (z * z, z), lambda z, g: (2 * jnp.conj(z) * g,)),
        (normal(3) + 1j * normal(3),),
        "conjugated",
    ),
    Rule(
        "set for add",
        with_vjp(picked, both(picked, same), lambda r, g: (jnp.zeros_like(r[0]).at[r[1]].set(g), None)),
        (normal(6), np.array([0, 2, 2, 5])),
        "keeps only the last",
    ),
    Rule(
        "a power",
        with_vjp(lambda n, x: x**n, lambda n, x: (x**n, x), lambda n, x, g: (g * n * x**n,), (0,)),
        (3, normal(4)),
        "multiplied by x",
    ),
    Rule(
        "a bias of one row",
        with_vjp(lambda x, b: x + b, lambda x, b: (x + b, None), lambda r, g: (g, g[0])),
        (normal(4, 3), normal(3)),
        "first sample only",
    ),
    Rule(
        "a mean for a sum",
        with_vjp(
            lambda x: x.sum(-1), lambda x: (x.sum(-1), None), lambda r, g: (jnp.broadcast_to(g[:, None] / 3, (2, 3)),)
        ),
        (normal(2, 3),),
        "3 times too small",
    ),
    Rule("a memory", with_vjp(sine, both(sine, same), forgetful), (normal(4),), "without jit"),
    Rule(
        "a small term",
        with_vjp(jnp.tanh, both(jnp.tanh, same), lambda x, g: (g * (1 - jnp.tanh(x) ** 2) + 1e-7 * g,)),
        (normal(4),),
        "wrong at",
    ),
    Rule(
        "a norm without its mean",
        with_vjp(layer_norm, layer_norm_fwd, lambda r, g: (r[1] * g * r[2], layer_norm_bwd(r, g)[1])),
        (normal(3, 6), normal(6)),
        "wrong at",
    ),
    Rule(
        "a scan forwards",
        with_vjp(cumulative, both(cumulative, lambda x: None), lambda r, g: (cumulative(g),)),
        (normal(5, 2),),
        "wrong at",
    ),
    Rule(
        "a jvp of another function",
        with_jvp(sine, lambda p, t: (jnp.sin(p[0]), jnp.sin(p[0]) * t[0])),
        (normal(4),),
        "its result",
        True,
    ),
    Rule(
        "a jvp that is not linear",
        with_jvp(sine, lambda p, t: (jnp.sin(p[0]), jnp.cos(p[0]) * t[0] * jnp.abs(t[0]))),
        (normal(4),),
        "wrong at",
        True,
    ),
    Rule(
        "a jvp with another value",
        with_jvp(sine, lambda p, t: (jnp.sin(p[0]) + 1e-3, jnp.cos(p[0]) * t[0])),
        (normal(4),),
        "the forward differs",
        True,
    ),
    Rule(
        "straight through",
        with_vjp(lambda x: jnp.round(x), lambda x: (jnp.round(x), None), lambda r, g: (g,)),
        (normal(5),),
        "wrong at",
    ),
]
