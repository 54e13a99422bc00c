"""The VJP of a long program, with every kind of equation differentiated once.

JAX linearizes and transposes a program equation by equation, and an unrolled loop has the same few kinds of equation a
thousand times. So each kind is handed to `jax.vjp` alone, once, in two pieces:

    (x) → (z, r)                 forward, with what it keeps for the way back
    (r, z̄) → x̄ = (∂z/∂x)ᵀ z̄     backward

and the pieces are put in the place of each equation of the kind, the backward ones in reversed order, cotangents of a
value that is read twice added up:

    x̄ ← x̄ + (∂z/∂x)ᵀ z̄                                                                                (1)

What is differentiated is what JAX differentiates: an equation of which an operand depends on an argument that is asked
for, where both are inexact.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from crosscheck.traces.pieces import Keys

Operand = Any  # a core.Var or a core.Literal


class Pieces(NamedTuple):
    """One kind of equation: how it runs forward, and back."""

    forward: core.ClosedJaxpr
    backward: core.ClosedJaxpr


def vjp_program(
    closed: core.ClosedJaxpr, asked: Sequence[bool], cotangent: jax.ShapeDtypeStruct
) -> core.ClosedJaxpr | None:
    """`(*arguments, cotangent) -> (output, gradient of each argument that is asked for)`.

    Args:
        closed: of one output.
        cotangent: its shape and dtype as they will be given; it is cast and reshaped to the output's.

    Returns:
        None for a program with side effects, of which the order is not ours to change.
    """
    if closed.effects:
        return None
    return Reversing(closed).program(asked, cotangent)


class Reversing:
    """The program while it is written."""

    def __init__(self, closed: core.ClosedJaxpr) -> None:
        self.closed = closed
        self.new = core.gensym()
        self.eqns: list[core.JaxprEqn] = []
        self.constvars: list[core.Var] = list(closed.jaxpr.constvars)
        self.consts: list[Any] = list(closed.consts)
        self.kinds: dict[Hashable, Pieces] = {}
        self.small: dict[Hashable, core.ClosedJaxpr] = {}

    def program(self, asked: Sequence[bool], cotangent: jax.ShapeDtypeStruct) -> core.ClosedJaxpr:
        jaxpr = self.closed.jaxpr
        (y,) = jaxpr.outvars
        kept = self.forward([v for v, is_asked in zip(jaxpr.invars, asked, strict=True) if is_asked])
        v = self.new(jax.typeof(jnp.zeros(cotangent.shape, cotangent.dtype)))
        cotangents: dict[core.Var, Operand] = {}
        if isinstance(y, core.Var):
            shaped = struct(y.aval)
            cast = jax.make_jaxpr(lambda v: v.astype(shaped.dtype).reshape(shaped.shape))(cotangent)
            (cotangents[y],) = self.put(cast, [v])
        for eqn, pieces, active, residuals in reversed(kept):
            self.back(eqn, pieces, active, residuals, cotangents)
        gradients = [
            cotangents[x] if x in cotangents else self.zeros(x.aval)
            for x, is_asked in zip(jaxpr.invars, asked, strict=True)
            if is_asked
        ]
        written = jaxpr.replace(
            constvars=self.constvars,
            invars=[*jaxpr.invars, v],
            outvars=[y, *gradients],
            eqns=self.eqns,
        )
        return core.ClosedJaxpr(written, self.consts)

    def forward(self, asked: list[core.Var]) -> list[tuple[core.JaxprEqn, Pieces, list[int], list[Operand]]]:
        """The equations on the way there, and of those that are differentiated what they keep."""
        jaxpr = self.closed.jaxpr
        moving, key = set(asked), Keys(jaxpr)
        kept: list[tuple[core.JaxprEqn, Pieces, list[int], list[Operand]]] = []
        for eqn in jaxpr.eqns:
            active = [i for i, x in enumerate(eqn.invars) if isinstance(x, core.Var) and x in moving and is_inexact(x)]
            if not active or not any(is_inexact(z) for z in eqn.outvars):
                self.eqns.append(eqn)
                continue
            kind = key(eqn), tuple(str(x.aval) for x in eqn.invars), tuple(active)
            pieces = self.kinds.get(kind)
            if pieces is None:
                pieces = self.kinds[kind] = differentiated(self.alone(eqn), active)
            z_and_r = self.put(pieces.forward, list(eqn.invars), eqn.outvars)
            kept.append((eqn, pieces, active, z_and_r[len(eqn.outvars) :]))
            moving.update(z for z in eqn.outvars if is_inexact(z) and not isinstance(z, core.DropVar))
        return kept

    def back(
        self,
        eqn: core.JaxprEqn,
        pieces: Pieces,
        active: list[int],
        residuals: list[Operand],
        cotangents: dict[core.Var, Operand],
    ) -> None:
        """(1) for one equation."""
        inexact = [z for z in eqn.outvars if is_inexact(z)]
        if not any(z in cotangents for z in inexact):
            return
        given = [cotangents.pop(z) if z in cotangents else self.zeros(z.aval) for z in inexact]
        for i, more in zip(active, self.put(pieces.backward, [*residuals, *given]), strict=True):
            x: Any = eqn.invars[i]
            cotangents[x] = self.sum(cotangents[x], more) if x in cotangents else more

    def put(self, piece: core.ClosedJaxpr, given: Sequence[Operand], named: Sequence[core.Var] = ()) -> list[Operand]:
        """Write a piece down here; its outputs. The first of them are to be called as `named`."""
        inner = piece.jaxpr
        here: dict[core.Var, Operand] = dict(zip(inner.invars, given, strict=True))
        for v, const in zip(inner.constvars, piece.consts, strict=True):
            here[v] = self.new(v.aval)
            self.constvars.append(here[v])
            self.consts.append(const)
        names = {v: name for v, name in zip(inner.outvars, named, strict=False) if isinstance(v, core.Var)}
        for eqn in inner.eqns:
            for v in eqn.outvars:
                if not isinstance(v, core.DropVar):
                    free = v in names and v not in here and not isinstance(names[v], core.DropVar)
                    here[v] = names.pop(v) if free else self.new(v.aval)
            self.eqns.append(
                eqn.replace(
                    invars=[here[x] if isinstance(x, core.Var) else x for x in eqn.invars],
                    outvars=[v if isinstance(v, core.DropVar) else here[v] for v in eqn.outvars],
                )
            )
        outs = [here[v] if isinstance(v, core.Var) else v for v in inner.outvars]
        for i, name in enumerate(named):  # an output that is an operand, a literal or another output as well
            if outs[i] is not name and not isinstance(name, core.DropVar):
                self.copy(outs[i], name)
                outs[i] = name
        return outs

    def alone(self, eqn: core.JaxprEqn) -> core.ClosedJaxpr:
        """One equation as a program, its literals among the operands."""
        operands: list[Any] = [self.new(x.aval) for x in eqn.invars]
        outs = [self.new(z.aval) for z in eqn.outvars]
        one = eqn.replace(invars=operands, outvars=outs)
        return core.ClosedJaxpr(self.closed.jaxpr.replace(constvars=[], invars=operands, outvars=outs, eqns=[one]), [])

    def copy(self, value: Operand, name: core.Var) -> None:
        piece = jax.make_jaxpr(jnp.copy)(struct(name.aval))
        (eqn,) = piece.jaxpr.eqns
        self.eqns.append(eqn.replace(invars=[value], outvars=[name]))

    def zeros(self, aval: Any) -> Operand:
        kind = "zeros", aval.shape, aval.dtype
        if kind not in self.small:
            self.small[kind] = jax.make_jaxpr(lambda: jnp.zeros(aval.shape, aval.dtype))()
        return self.put(self.small[kind], [])[0]

    def sum(self, one: Operand, other: Operand) -> Operand:
        kind = "sum", one.aval.shape, one.aval.dtype
        if kind not in self.small:
            self.small[kind] = jax.make_jaxpr(jnp.add)(struct(one.aval), struct(one.aval))
        return self.put(self.small[kind], [one, other])[0]


def differentiated(alone: core.ClosedJaxpr, active: list[int]) -> Pieces:
    """Both pieces of one kind of equation, which is a program of its own here, by `jax.vjp`."""
    function, operands, outs = core.jaxpr_as_fun(alone), alone.jaxpr.invars, alone.jaxpr.outvars
    backwards: list[Any] = []

    def forward(*given: Any) -> Any:
        def of_active(*values: Any) -> Any:
            every = list(given)
            for i, value in zip(active, values, strict=True):
                every[i] = value
            return function(*every)

        z, pull = jax.vjp(of_active, *(given[i] for i in active))
        residuals, structure = jax.tree.flatten(pull)
        backwards[:] = [structure]
        return z, residuals

    there, (_, kept) = jax.make_jaxpr(forward, return_shape=True)(*(struct(x.aval) for x in operands))

    def backward(residuals: list[Any], cotangents: list[Any]) -> Any:
        given = iter(cotangents)
        shapes = [(is_inexact(z), struct(z.aval).shape) for z in outs]
        whole = [next(given) if inexact else np.zeros(shape, jax.dtypes.float0) for inexact, shape in shapes]
        return jax.tree.unflatten(backwards[0], residuals)(whole)

    back = jax.make_jaxpr(backward)(kept, [struct(z.aval) for z in outs if is_inexact(z)])
    return Pieces(there, back)


def struct(aval: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype)


def is_inexact(v: Any) -> bool:
    return jnp.issubdtype(v.aval.dtype, jnp.inexact)
