"""Sums of products: matrix products, einsums, outer products, convolutions."""

from __future__ import annotations

from typing import Any

from tests.programs.ops.row import Drawn, Op

# Each spec with the sizes that the second operand takes where the first does not fix them.
SPECS = ["ij,ij->i", "ij,kj->ik", "ij,j->i", "i,i->", "i,j->ij", "ijk,ikl->ijl", "ij,jk->k", "ijk,k->ji", "i,ij->j"]


def swapped(a: Any) -> Any:
    return a.swapaxes(-1, -2)


def drawn_matmul(sketch: Any, x: str) -> Drawn:
    shape = sketch.shape(x)
    if len(shape) < 2:
        return None
    m = sketch.integer(1, 4)
    return (x, sketch.partner((*shape[:-2], shape[-1], m))), {}


def drawn_matmul_shared(sketch: Any, x: str) -> Drawn:
    """A batch of matrices times one matrix."""
    shape = sketch.shape(x)
    return None if len(shape) < 3 else ((x, sketch.partner((shape[-1], sketch.integer(1, 4)))), {})


def drawn_outer(sketch: Any, x: str) -> Drawn:
    shape = sketch.shape(x)
    return ((x, sketch.partner((sketch.integer(1, 4),))), {}) if len(shape) == 1 else None


def drawn_kron(sketch: Any, x: str) -> Drawn:
    return ((x, sketch.partner((2, sketch.integer(1, 3)))), {}) if len(sketch.shape(x)) == 2 else None


def drawn_einsum(sketch: Any, x: str) -> Drawn:
    shape = sketch.shape(x)
    specs = [s for s in SPECS if len(s.split(",")[0]) == len(shape)]
    if not specs:
        return None
    spec = sketch.choose(specs)
    first, second = spec.split("->")[0].split(",")
    sizes = dict(zip(first, shape, strict=True))
    other = tuple(sizes.setdefault(letter, sketch.integer(1, 4)) for letter in second)
    return (x, sketch.partner(other)), {"spec": spec}


def einsum_vjp(xp: Any, g: Any, y: Any, x: Any, w: Any, spec: str) -> Any:
    """Each operand's gradient is the einsum of g with the other one; a letter that only it has would need repeating."""
    inputs, out = spec.split("->")
    first, second = inputs.split(",")
    return (
        contract_back(xp, g, out, w, second, x, first),
        contract_back(xp, g, out, x, first, w, second),
    )


def contract_back(xp: Any, g: Any, out: str, other: Any, its: str, mine: Any, letters: str) -> Any:
    known = "".join(c for c in letters if c in out or c in its)
    found = xp.einsum(f"{out},{its}->{known}", g, other)
    shape = tuple(n if c in known else 1 for n, c in zip(mine.shape, letters, strict=True))
    return xp.broadcast_to(xp.reshape(found, shape), mine.shape)


def matmul_vjp(xp: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
    return g @ swapped(b), swapped(a) @ g


def matmul_shared_vjp(xp: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
    rows, columns = (xp.reshape(z, (-1, z.shape[-1])) for z in (a, g))
    return g @ b.T, rows.T @ columns


def quadratic_form(xp: Any, x: Any, a: Any) -> Any:
    return x @ a @ x


def quadratic_form_vjp(xp: Any, g: Any, y: Any, x: Any, a: Any) -> Any:
    return g * ((a + a.T) @ x), g * x[:, None] * x[None, :]


def drawn_quadratic_form(sketch: Any, x: str) -> Drawn:
    shape = sketch.shape(x)
    return ((x, sketch.partner((*shape, *shape))), {}) if len(shape) == 1 else None


def kron_vjp(xp: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
    blocks = xp.reshape(g, (a.shape[0], b.shape[0], a.shape[1], b.shape[1]))
    return xp.einsum("ikjl,kl->ij", blocks, b), xp.einsum("ikjl,ij->kl", blocks, a)


def convolution_1d(xp: Any, x: Any, w: Any) -> Any:
    """y[b,o,n] = Σ_{c,k} x[b,c,n+k] w[o,c,k]."""
    return xp.einsum("bcnk,ock->bon", xp.windows(x, (w.shape[2],), (2,)), w)


def convolution_1d_vjp(xp: Any, g: Any, y: Any, x: Any, w: Any) -> Any:
    size = w.shape[2]
    padded = xp.pad(g, ((0, 0), (0, 0), (size - 1, size - 1)))
    grad_x = xp.einsum("bonk,ock->bcn", xp.windows(padded, (size,), (2,)), xp.flip(w, axis=2))
    return grad_x, xp.einsum("bcnk,bon->ock", xp.windows(x, (size,), (2,)), g)


def convolution_2d(xp: Any, x: Any, w: Any) -> Any:
    """y[b,o,h,v] = Σ_{c,i,j} x[b,c,h+i,v+j] w[o,c,i,j]."""
    return xp.einsum("bchvij,ocij->bohv", xp.windows(x, w.shape[2:], (2, 3)), w)


def convolution_2d_vjp(xp: Any, g: Any, y: Any, x: Any, w: Any) -> Any:
    i, j = w.shape[2:]
    padded = xp.pad(g, ((0, 0), (0, 0), (i - 1, i - 1), (j - 1, j - 1)))
    grad_x = xp.einsum("bohvij,ocij->bchv", xp.windows(padded, (i, j), (2, 3)), xp.flip(w, axis=(2, 3)))
    return grad_x, xp.einsum("bchvij,bohv->ocij", xp.windows(x, (i, j), (2, 3)), g)


def in_jax(xp: Any, x: Any, w: Any) -> Any:
    return xp.lax.conv_general_dilated(x, w, (1,) * (x.ndim - 2), "VALID")


def drawn_convolution(rank: int) -> Any:
    def draw(sketch: Any, x: str) -> Drawn:
        shape = sketch.shape(x)
        if len(shape) != rank + 2:
            return None
        window = tuple(sketch.integer(1, min(3, n)) for n in shape[2:])
        return (x, sketch.partner((sketch.integer(1, 2), shape[1], *window))), {}

    return draw


OPS = [
    Op("matmul", "contract", lambda xp, a, b: a @ b, matmul_vjp, drawn_matmul),
    Op("matmul_shared", "contract", lambda xp, a, b: a @ b, matmul_shared_vjp, drawn_matmul_shared),
    Op(
        "outer",
        "contract",
        lambda xp, a, b: xp.outer(a, b),
        lambda xp, g, y, a, b: (g @ b, a @ g),
        drawn_outer,
    ),
    Op(
        "gram",
        "contract",
        lambda xp, a: a @ a.T,
        lambda xp, g, y, a: ((g + g.T) @ a,),
        lambda sketch, x: ((x,), {}) if len(sketch.shape(x)) == 2 else None,
    ),
    Op("quadratic_form", "contract", quadratic_form, quadratic_form_vjp, drawn_quadratic_form),
    Op("kron", "contract", lambda xp, a, b: xp.kron(a, b), kron_vjp, drawn_kron),
    Op("einsum", "contract", lambda xp, x, w, spec: xp.einsum(spec, x, w), einsum_vjp, drawn_einsum),
    Op("convolution_1d", "contract", convolution_1d, convolution_1d_vjp, drawn_convolution(1), jax=in_jax),
    Op("convolution_2d", "contract", convolution_2d, convolution_2d_vjp, drawn_convolution(2), jax=in_jax),
]
