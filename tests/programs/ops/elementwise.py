"""Functions of one number: y = f(x), and the gradient is g · f'(x)."""

from __future__ import annotations

from typing import Any

from tests.programs.ops.row import Drawn, Op, unary


def sigmoid(xp: Any, x: Any) -> Any:
    return 1 / (1 + xp.exp(-x))


def normal_density(xp: Any, x: Any) -> Any:
    return xp.exp(-0.5 * x * x) / xp.sqrt(xp.constant(2.0) * xp.pi)


def normal_share(xp: Any, x: Any) -> Any:
    return 0.5 * xp.erfc(-x / root(xp, 2.0))


def root(xp: Any, number: float) -> Any:
    """√number as a plain number, so that float32 stays float32."""
    return xp.sqrt(xp.constant(number)) if xp.name == "exact" else number**0.5


def log_of(xp: Any, number: float) -> Any:
    return xp.log(xp.constant(number)) if xp.name == "exact" else LOGARITHMS[number]


LOGARITHMS = {2.0: 0.6931471805599453, 10.0: 2.302585092994046}


def gelu_inner(xp: Any, x: Any) -> Any:
    return root(xp, 2.0) / root_of_pi(xp) * (x + 0.044715 * x**3)


def root_of_pi(xp: Any) -> Any:
    return xp.sqrt(xp.pi) if xp.name == "exact" else xp.pi**0.5


def gelu_tanh_slope(xp: Any, x: Any, y: Any) -> Any:
    t = xp.tanh(gelu_inner(xp, x))
    inner = root(xp, 2.0) / root_of_pi(xp) * (1 + 3 * (0.044715 * (x * x)))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner


# name, f(xp, x), f'(xp, x, y), where it is defined
SMOOTH = [
    ("negative", lambda xp, x: -x, lambda xp, x, y: -1.0, "any"),
    ("exp", lambda xp, x: xp.exp(x), lambda xp, x, y: y, "moderate"),
    ("exp2", lambda xp, x: xp.exp2(x), lambda xp, x, y: y * log_of(xp, 2.0), "moderate"),
    ("expm1", lambda xp, x: xp.expm1(x), lambda xp, x, y: xp.exp(x), "moderate"),
    ("log", lambda xp, x: xp.log(x), lambda xp, x, y: 1 / x, "positive"),
    ("log2", lambda xp, x: xp.log2(x), lambda xp, x, y: 1 / (x * log_of(xp, 2.0)), "positive"),
    ("log10", lambda xp, x: xp.log10(x), lambda xp, x, y: 1 / (x * log_of(xp, 10.0)), "positive"),
    ("log1p", lambda xp, x: xp.log1p(x), lambda xp, x, y: 1 / (1 + x), "above minus one"),
    ("sqrt", lambda xp, x: xp.sqrt(x), lambda xp, x, y: 0.5 / y, "positive"),
    ("cbrt", lambda xp, x: xp.cbrt(x), lambda xp, x, y: y / (3 * x), "nonzero"),
    ("square", lambda xp, x: x * x, lambda xp, x, y: 2 * x, "any"),
    ("cube", lambda xp, x: x**3, lambda xp, x, y: 3 * x * x, "any"),
    ("reciprocal", lambda xp, x: 1 / x, lambda xp, x, y: -y * y, "nonzero"),
    ("sin", lambda xp, x: xp.sin(x), lambda xp, x, y: xp.cos(x), "any"),
    ("cos", lambda xp, x: xp.cos(x), lambda xp, x, y: -xp.sin(x), "any"),
    ("tan", lambda xp, x: xp.tan(x), lambda xp, x, y: 1 + y * y, "any"),
    ("sinh", lambda xp, x: xp.sinh(x), lambda xp, x, y: xp.cosh(x), "moderate"),
    ("cosh", lambda xp, x: xp.cosh(x), lambda xp, x, y: xp.sinh(x), "moderate"),
    ("tanh", lambda xp, x: xp.tanh(x), lambda xp, x, y: 1 - y * y, "any"),
    ("arcsin", lambda xp, x: xp.arcsin(x), lambda xp, x, y: 1 / xp.sqrt((1 - x) * (1 + x)), "unit"),
    ("arccos", lambda xp, x: xp.arccos(x), lambda xp, x, y: -1 / xp.sqrt((1 - x) * (1 + x)), "unit"),
    ("arctan", lambda xp, x: xp.arctan(x), lambda xp, x, y: 1 / (1 + x * x), "any"),
    ("arcsinh", lambda xp, x: xp.arcsinh(x), lambda xp, x, y: 1 / xp.sqrt(1 + x * x), "any"),
    ("arccosh", lambda xp, x: xp.arccosh(x), lambda xp, x, y: 1 / xp.sqrt((x - 1) * (x + 1)), "above one"),
    ("arctanh", lambda xp, x: xp.arctanh(x), lambda xp, x, y: 1 / ((1 - x) * (1 + x)), "unit"),
    ("erf", lambda xp, x: xp.erf(x), lambda xp, x, y: 2 / root_of_pi(xp) * xp.exp(-x * x), "any"),
    ("erfc", lambda xp, x: xp.erfc(x), lambda xp, x, y: -2 / root_of_pi(xp) * xp.exp(-x * x), "any"),
    ("erfinv", lambda xp, x: xp.erfinv(x), lambda xp, x, y: 0.5 * root_of_pi(xp) * xp.exp(y * y), "unit"),
    ("lgamma", lambda xp, x: xp.lgamma(x), lambda xp, x, y: xp.digamma(x), "positive"),
    ("digamma", lambda xp, x: xp.digamma(x), lambda xp, x, y: xp.trigamma(x), "positive"),
    ("sigmoid", sigmoid, lambda xp, x, y: y * sigmoid(xp, -x), "any"),
    ("log_sigmoid", lambda xp, x: -xp.logaddexp(0 * x, -x), lambda xp, x, y: sigmoid(xp, -x), "any"),
    ("softplus", lambda xp, x: xp.logaddexp(x, 0 * x), lambda xp, x, y: sigmoid(xp, x), "any"),
    (
        "silu",
        lambda xp, x: x * sigmoid(xp, x),
        lambda xp, x, y: sigmoid(xp, x) * (1 + x * sigmoid(xp, -x)),
        "any",
    ),
    (
        "gelu",
        lambda xp, x: x * normal_share(xp, x),
        lambda xp, x, y: normal_share(xp, x) + x * xp.exp(-0.5 * x * x) / (root(xp, 2.0) * root_of_pi(xp)),
        "any",
    ),
    ("gelu_tanh", lambda xp, x: 0.5 * x * (1 + xp.tanh(gelu_inner(xp, x))), gelu_tanh_slope, "any"),
    ("x_log_x", lambda xp, x: x * xp.log(x), lambda xp, x, y: xp.log(x) + 1, "positive"),
    ("gaussian", lambda xp, x: xp.exp(-0.5 * x * x), lambda xp, x, y: -x * y, "any"),
]

# The same where JAX has a function of its own for it.
IN_JAX = {
    "square": lambda xp, x: xp.square(x),
    "reciprocal": lambda xp, x: xp.reciprocal(x),
    "sigmoid": lambda xp, x: xp.nn.sigmoid(x),
    "log_sigmoid": lambda xp, x: xp.nn.log_sigmoid(x),
    "softplus": lambda xp, x: xp.nn.softplus(x),
    "silu": lambda xp, x: xp.nn.silu(x),
    "gelu": lambda xp, x: xp.nn.gelu(x, approximate=False),
    "gelu_tanh": lambda xp, x: xp.nn.gelu(x, approximate=True),
}


def smooth(name: str, f: Any, slope: Any, domain: str) -> Op:
    return Op(
        name,
        "function",
        forward=f,
        vjp=lambda xp, g, y, x: (g * slope(xp, x, y),),
        draw=unary(domain),
        jax=IN_JAX.get(name),
    )


def with_number(domain: str, numbers: list[float] | None = None) -> Any:
    """One operand and a number, drawn or one of a few."""

    def draw(sketch: Any, x: str) -> Drawn:
        c = sketch.number() if numbers is None else sketch.choose(numbers)
        return (sketch.fit(x, domain),), {"c": c}

    return draw


OPS = [
    *(smooth(*row) for row in SMOOTH),
    Op(
        "rsqrt",
        "function",
        forward=lambda xp, x: 1 / xp.sqrt(x),
        vjp=lambda xp, g, y, x: (-0.5 * g * y / x,),
        draw=unary("positive"),
        jax=lambda xp, x: xp.lax.rsqrt(x),
    ),
    Op(
        "add_constant",
        "add",
        forward=lambda xp, x, c: x + c,
        vjp=lambda xp, g, y, x, c: (g,),
        draw=with_number("any"),
    ),
    Op(
        "multiply_constant",
        "multiply",
        forward=lambda xp, x, c: c * x,
        vjp=lambda xp, g, y, x, c: (g * c,),
        draw=with_number("any"),
    ),
    Op(
        "power_constant",
        "function",
        forward=lambda xp, x, c: x**c,
        vjp=lambda xp, g, y, x, c: (g * c * x ** (c - 1),),
        draw=with_number("positive", [-1.5, -0.5, 0.25, 1.5, 2.5]),
    ),
    Op(
        "integer_power",
        "function",
        forward=lambda xp, x, c: x**c,
        vjp=lambda xp, g, y, x, c: (g * c * x ** (c - 1),),
        draw=with_number("nonzero", [-2, -1, 4, 5]),
    ),
]
