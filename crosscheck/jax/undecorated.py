"""The function that a custom rule was written for, and a function without the custom rules inside of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
from jax.extend import core

from crosscheck.traces.primitives import primitive
from crosscheck.traces.walk import PLAIN_CALLS, inner_jaxpr


def rule_of(f: Any) -> Any:
    """The `custom_vjp` or `custom_jvp` object that f is, or is the `jit` or a `partial` of; None where there is none.

    A `vmap` of a rule is another function: it has rules inside.
    """
    if isinstance(f, (jax.custom_vjp, jax.custom_jvp)):
        return f
    inner = inside(f)
    return None if inner is None else rule_of(inner)


def inside(f: Any) -> Any:
    """What a `jit` or a `partial` calls; None of anything else."""
    if isinstance(f, functools.partial):
        return f.func
    return getattr(f, "__wrapped__", None) if isinstance(f, jax.stages.Wrapped) else None


def plain_of(f: Any) -> Callable[..., Any] | None:
    """The function that f's rule was written for, with the arguments that f's partials hold; None without a rule."""
    if isinstance(f, (jax.custom_vjp, jax.custom_jvp)):
        return f.fun
    plain = None if inside(f) is None else plain_of(inside(f))
    if plain is not None and isinstance(f, functools.partial):
        return functools.partial(plain, *f.args, **f.keywords)
    return plain


def static_places(f: Any, count: int) -> frozenset[int]:
    """The positions of f's `count` arguments that its rule does not differentiate."""
    if isinstance(f, functools.partial):
        held = len(f.args)
        return frozenset(i - held for i in static_places(f.func, count + held) if i >= held)
    if inside(f) is not None:
        return static_places(inside(f), count)
    places = (i if i >= 0 else i + count for i in getattr(f, "nondiff_argnums", ()) or ())
    return frozenset(i for i in places if 0 <= i < count)


def without_rules(f: Callable[..., Any]) -> Callable[..., Any]:
    """f, of which JAX sees every operation: the custom rules inside are replaced by the functions they belong to."""

    def plain(*args: Any) -> Any:
        closed, out = jax.make_jaxpr(f, return_shape=True)(*args)
        values = run(closed.jaxpr, closed.consts, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(out), values)

    return plain


def rules_inside(f: Callable[..., Any], *args: Any) -> tuple[str, ...]:
    """The names of the functions in f that bring a derivative rule of their own, in order."""
    closed = jax.make_jaxpr(f)(*args)
    return tuple(dict.fromkeys(named(closed.jaxpr)))


def named(jaxpr: core.Jaxpr) -> Iterator[str]:
    for eqn in jaxpr.eqns:
        if primitive(eqn.primitive.name).own_rule:
            yield str(eqn.params.get("name") or called(eqn))
        inner = inner_jaxpr(eqn)
        for body in [inner[0]] if inner is not None else [open_body(b) for _, b in bodies(eqn)]:
            yield from named(body)


def called(eqn: core.JaxprEqn) -> str:
    """The name of the function that a custom call belongs to, as its rule knows it."""
    for key in ("jvp_jaxpr_fun", "jvp_jaxpr_thunk", "fwd_jaxpr_thunk", "bwd"):
        function = eqn.params.get(key)
        info = getattr(getattr(function, "debug_info", None), "func_name", None)
        if info:
            return str(info)
    return eqn.primitive.name


# ---------------------------------------------------------------------- a jaxpr without its custom rules


def run(jaxpr: core.Jaxpr, consts: Sequence[Any], values: Sequence[Any]) -> list[Any]:
    """The outputs of `jaxpr`, its calls stepped into."""
    env: dict[Any, Any] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *values), strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, core.Literal) else env[atom]

    for eqn in jaxpr.eqns:
        ins = [read(atom) for atom in eqn.invars]
        row, inner = primitive(eqn.primitive.name), inner_jaxpr(eqn)
        if inner is not None and row.inside in PLAIN_CALLS:
            outs = run(inner[0], inner[1], ins)
        else:
            changed = {key: rewritten(body) for key, body in bodies(eqn) if not isinstance(body, tuple)}
            several = {
                key: tuple(rewritten(b) for b in value)
                for key, value in eqn.params.items()
                if isinstance(value, tuple) and value and all(isinstance(b, core.ClosedJaxpr) for b in value)
            }
            out = eqn.primitive.bind(*ins, **{**eqn.params, **changed, **several})
            outs = list(out) if eqn.primitive.multiple_results else [out]
        env.update(zip(eqn.outvars, outs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def bodies(eqn: core.JaxprEqn) -> Iterator[tuple[str, Any]]:
    """The closed jaxprs among an equation's parameters: the bodies of its loops and branches."""
    for key, value in eqn.params.items():
        for body in value if isinstance(value, tuple) else (value,):
            if isinstance(body, core.ClosedJaxpr):
                yield key, body


def open_body(body: core.ClosedJaxpr) -> core.Jaxpr:
    return body.jaxpr


def rewritten(body: core.ClosedJaxpr) -> core.ClosedJaxpr:
    """A loop's body without its custom rules."""
    if not any(True for _ in named(body.jaxpr)):
        return body
    return jax.make_jaxpr(lambda *values: run(body.jaxpr, body.consts, values))(*body.in_avals)
