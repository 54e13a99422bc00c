"""Custom rules of JAX and of packages for it: where each lives, and at which point it is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

from tools.frameworks_torch import Row, at

BLOCKS = "the rule divides a block's sum by its count + 1e-8: off by 1e-8 of it, and forward and differences say so"


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def positive(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(0.25, 2.0, size=shape)


def inside(*shape: int, seed: int = 0) -> Any:
    """Of absolute value below one."""
    return np.random.default_rng(seed).uniform(-0.9, 0.9, size=shape)


def spd(n: int) -> Any:
    a = normal(n, n)
    return a @ a.T + n * np.eye(n)


def row(package: str, module: str, name: str, *args: Any, why: str = "", **options: Any) -> Row:
    """A rule that the package exports; what kind of rule it is, is found out."""

    def ask() -> Any:
        f = at(module, name)
        return door_of(f)(f, *args, **options)

    return Row(package, name, ask, why)


def door_of(f: Any) -> Callable[..., Any]:
    rule = import_module("crosscheck.jax.undecorated").rule_of(f)
    room = import_module("crosscheck.jax")
    return room.check_custom_vjp if isinstance(rule, import_module("jax").custom_vjp) else room.check_custom_jvp


def rows() -> Iterator[Row]:
    yield from of_jax()
    yield from of_packages()


def of_jax() -> Iterator[Row]:
    nn, special = "jax.nn", "jax.scipy.special"
    yield row("jax", nn, "relu", normal(7))
    yield row("jax", nn, "relu6", 6 * normal(7))
    yield row("jax", nn, "softplus", normal(7))
    yield row("jax", "jax._src.nn.functions", "log1mexp", positive(7))
    for name in ("logit", "xlogx"):
        module = special if name == "logit" else "jax._src.scipy.special"
        yield row("jax", module, "logit" if name == "logit" else "_xlogx", np.clip(positive(7), 0.1, 0.9))
    yield row("jax", special, "xlogy", positive(5), positive(5, seed=1))
    yield row("jax", special, "xlog1py", positive(5), positive(5, seed=1))
    yield row("jax", special, "log_ndtr", 3 * normal(7))
    yield row("jax", special, "expi", positive(5))
    yield row("jax", special, "zeta", 1.5 + positive(5), positive(5, seed=1), wrt=("q",))
    yield row("jax", special, "hyp1f1", positive(3), 1 + positive(3, seed=1), inside(3), wrt=("x",))
    yield row("jax", special, "erfcx", normal(5))
    yield row("jax", special, "poch", 1 + positive(4), 1 + positive(4, seed=1))
    yield row("jax", "jax.numpy", "i0", normal(5))
    yield row("jax", "jax.numpy", "sinc", normal(5))
    yield row("jax", "jax.numpy", "logaddexp", normal(5), normal(5, seed=1))
    yield row("jax", "jax.numpy", "logaddexp2", normal(5), normal(5, seed=1))
    yield row("jax", "jax._src.numpy.linalg", "_det", spd(3))
    yield row("jax", "jax.numpy.linalg", "slogdet", spd(3))
    yield row("jax", "jax.numpy.linalg", "pinv", normal(4, 3))


def of_packages() -> Iterator[Row]:
    yield row("optax", "optax.projections._projections", "_projection_unit_simplex", normal(5))
    yield row("optax", "optax.losses._classification", "weighted_logsoftmax", normal(5), positive(5), why="")
    yield row(
        "optax",
        "optax._src.utils",
        "_scale_gradient",
        normal(5),
        0.5,
        wrt=("inputs",),
        why="by design: it scales the gradient that passes, and nothing else",
    )
    yield row("jaxopt", "jaxopt._src.projection", "_projection_unit_simplex", normal(5))
    yield row("jaxopt", "jaxopt._src.projection", "_projection_unit_sparse_simplex", normal(5), 2, False)
    yield row("jaxopt", "jaxopt._src.isotonic", "_isotonic_l2_pav", normal(5), why=BLOCKS)
    yield row("ott-jax", "ott.math.utils", "norm", normal(5), None, None, False)
    yield row("ott-jax", "ott.math.utils", "logsumexp", normal(3, 4), 1, False, None, False)
    yield row(
        "ott-jax",
        "ott.math.utils",
        "softmin",
        normal(5),
        0.7,
        None,
        why="by design: gamma is a constant, its gradient is None",
    )
    yield row("ott-jax", "ott.math.utils", "lambertw", positive(5), 1e-12, 100)
    yield row("ott-jax", "ott.math.matrix_square_root", "sqrtm_only", spd(3), 1e-14, 0, 10, 1000, 1e-6, accuracy=1e-6)
    yield row(
        "ott-jax", "ott.math.matrix_square_root", "inv_sqrtm_only", spd(3), 1e-14, 0, 10, 1000, 1e-6, accuracy=1e-6
    )
    yield row("numpyro", "numpyro.distributions.util", "log1mexp", -positive(5))
    yield row(
        "e3nn-jax",
        "e3nn_jax._src.spherical_harmonics",
        "_custom_jvp_spherical_harmonics",
        (0, 1, 2, 3),
        normal(4, 3),
        "component",
        ("recursive", "dense"),
    )
    yield row("e3nn-jax", "e3nn_jax._src.utils.einsum", "einsum", "ij,jk->ik", normal(3, 4), normal(4, 2))
    yield row("lineax", "lineax._norm", "_two_norm", {"a": normal(3), "b": normal(2, 2)})
    yield row(
        "equinox",
        "equinox.internal._nextafter",
        "nextafter",
        normal(5),
        why="by design: one ulp up, with the gradient of the identity",
    )
    yield row(
        "equinox",
        "equinox.internal._nextafter",
        "prevbefore",
        normal(5),
        why="by design: one ulp down, with the gradient of the identity",
    )
    for name in ("multiply_no_nan", "power_no_nan"):
        yield Row("distrax", name, in_distrax(name))
    for name in ("safe_arccos", "safe_arcsin"):
        yield Row("brax", name, in_brax(name))
    yield Row(
        "jax-md",
        "_quaternion_rotate",
        quaternion,
        "by design: the gradient in q is projected on the tangents of the unit sphere",
    )


def in_brax(name: str) -> Callable[[], Any]:
    def ask() -> Any:
        from tools.frameworks_torch import in_file

        f = in_file("brax", "math.py", name)
        return door_of(f)(f, inside(5))

    return ask


def in_distrax(name: str) -> Callable[[], Any]:
    def ask() -> Any:
        from tools.frameworks_torch import in_file

        f = in_file("distrax", "_src/utils/math.py", name)
        return door_of(f)(f, positive(5), positive(5, seed=1))

    return ask


def quaternion() -> Any:
    f = at("jax_md.rigid_body", "_quaternion_rotate")
    q = normal(4)
    return door_of(f)(f, q / np.linalg.norm(q), normal(3, seed=1))
