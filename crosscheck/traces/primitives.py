"""The one table of JAX's primitives: what each does, in words and in numbers, one row a primitive.

A trace (a jaxpr) is a list of equations, each of which applies one primitive. Whoever walks over a trace asks the row,
and no other file of the judge names a primitive to say what kind of thing it is:

    row = primitive("dot_general")
    row.kind                what it does: Kind.CONTRACTS
    row.words               what the report calls it: "the matrix product"
    row.operand(0)          and its operands: "the left factor"
    row.double, row.single  how far XLA's result may be from the true one, in units of u: `Ulps`
    row.lattice             what becomes of a lattice of exact numbers: "product"
    row.decides             whether it compares: the source of kinks and ties
    row.lock                how a result that jumps is held to one side of the jump, else None

A primitive without a row is Kind.UNKNOWN: its rounding is estimated as if it were a backward stable algorithm, it is no
polynomial, and it is called by its own name. Nothing fails; the report says that it was estimated.

The `Ulps` of the functions are measured: `python -m tests.rounding.measure` prints them beside the table's, and a law
fails where a row is too small (an error outside) or too large (a hundred times the error that occurs).
"""

from __future__ import annotations

import enum
from typing import Any, NamedTuple


class Kind(enum.Enum):
    """What a primitive does to numbers; most columns of a row follow from it."""

    MOVES = "moves"  # every entry of the result is an entry of an operand, placed by shapes and integers alone
    SELECTS = "selects"  # every entry of the result is an entry of an operand, chosen by comparing
    DECIDES = "decides"  # a result that is piecewise constant: comparisons, sign, floor, argmax
    BITS = "bits"  # integers and booleans among themselves
    ADDS = "adds"
    MULTIPLIES = "multiplies"
    DIVIDES = "divides"
    CONTRACTS = "contracts"  # sums of products of two operands
    SUMS = "sums"  # many entries into one
    PRODUCTS = "products"  # the product of many entries
    FUNCTION = "function"  # entry by entry, rounded once by a library's routine
    ALGEBRA = "linear algebra"
    FOURIER = "Fourier transform"
    CASTS = "casts"  # another format
    CREATES = "creates"  # from nothing, or from a random key
    LOOPS = "loops"  # repeats or chooses between jaxprs
    CALLS = "calls"  # a jaxpr, to be stepped into
    UNKNOWN = "unknown"


class Ulps(NamedTuple):
    """How far a result may be from f at the same operands: u · (value · |y| + slope · |x f'(x)|)."""

    value: float
    slope: float = 0.0


EXACT = Ulps(0.0)
ONCE = Ulps(1.0)

# What becomes of a lattice, integer · multiple · 2^-q: "same" (of the first operand), "joined" (the finest of all),
# "product", "quotient", "power", "integers" (whatever came in), "cast", None (the result lies on none).
LATTICE = {
    Kind.MOVES: "same",
    Kind.SELECTS: "joined",
    Kind.DECIDES: "integers",
    Kind.BITS: "integers",
    Kind.ADDS: "joined",
    Kind.MULTIPLIES: "product",
    Kind.DIVIDES: "quotient",
    Kind.CONTRACTS: "product",
    Kind.SUMS: "same",
    Kind.CASTS: "cast",
    Kind.CREATES: "integers",
}
DECIDING = frozenset([Kind.SELECTS, Kind.DECIDES])
ONCE_ROUNDED = frozenset([Kind.ADDS, Kind.MULTIPLIES, Kind.DIVIDES])


class Primitive(NamedTuple):
    """One row.

    Attributes:
        operands: their words, in order, as far as they have any.
        double, single: the rounding of the primitive itself in float64 and in float32; sums, contractions and linear
            algebra have theirs by their kind (`rounding.sizes`), and these are 0.
        lattice: see `LATTICE`.
        decides: whether operands are compared, so that the result has a kink or a jump where they are equal.
        lock: how a result that jumps where a decision flips is held to the main run's side: "step" (it is constant
            there), "linear" (it is linear there in the operands that are differentiated), "first order".
        limited: whether the function is undefined beyond an edge, where a perturbed operand may lie.
        elementwise: whether entry i of the result depends on entry i of the operand alone.
        rewrites: whether the result holds the same numbers in the same order.
        inside: of a call, the parameter that holds the jaxpr.
        own_rule: of a call, whether it brings a derivative rule of its own.
        opens: of a call, whether a jaxpr has to be made of it (`traces.opening`).
        reverse_only: whether it has no forward derivative.
        layer: whether a network's layer is made of it (what it passes back may be rearranged by mistake).
        stable: of linear algebra, what its backward error is relative to: "norms", "columns", "diagonal", "entries".
        note: why its allowance is wider than a hundred times what is seen, where it is.
    """

    name: str
    kind: Kind
    words: str
    operands: tuple[str, ...] = ()
    double: Ulps = EXACT
    single: Ulps = EXACT
    lattice: str | None = None
    decides: bool = False
    lock: str | None = None
    limited: bool = False
    elementwise: bool = False
    rewrites: bool = False
    inside: str | None = None
    own_rule: bool = False
    opens: bool = False
    reverse_only: bool = False
    layer: bool = False
    stable: str = "norms"
    note: str = ""

    @property
    def known(self) -> bool:
        return self.kind is not Kind.UNKNOWN

    def operand(self, place: int) -> str:
        """What operand `place` is called."""
        if place < len(self.operands):
            return self.operands[place]
        return ("the first term", "the second term")[place] if place < 2 else f"operand {place}"


TABLE: dict[str, Primitive] = {}


def row(name: str, kind: Kind, words: str = "", operands: tuple[str, ...] = (), **columns: Any) -> None:
    """Add one row; what `columns` does not say follows from the kind."""
    rounded = ONCE if kind in ONCE_ROUNDED else EXACT
    defaults = {
        "double": rounded,
        "single": rounded,
        "lattice": LATTICE.get(kind),
        "decides": kind in DECIDING,
        "elementwise": kind is Kind.FUNCTION,
    }
    if name in TABLE:
        raise ValueError(f"{name} has two rows")
    TABLE[name] = Primitive(name, kind, words or name.replace("_", " "), operands, **{**defaults, **columns})


def rows(kind: Kind, names: str, **columns: Any) -> None:
    """Rows that differ by their names only."""
    for name in names.split():
        row(name, kind, **columns)


def primitive(name: str) -> Primitive:
    """The row of `name`; one of Kind.UNKNOWN where there is none."""
    return TABLE.get(name) or Primitive(name, Kind.UNKNOWN, name.replace("_", " "))


# ---------------------------------------------------------------------- moves and selects

row("reshape", Kind.MOVES, "the reshape", rewrites=True, layer=True)
row("broadcast_in_dim", Kind.MOVES, "the broadcasting", rewrites=True)
row("squeeze", Kind.MOVES, "the squeezing", rewrites=True)
row("expand_dims", Kind.MOVES, "the new axis", rewrites=True)
rows(Kind.MOVES, "copy copy_p", words="the copy", rewrites=True)
rows(Kind.MOVES, "stop_gradient optimization_barrier device_put pvary name sharding_constraint", rewrites=True)
row("transpose", Kind.MOVES, "the transpose")
row("slice", Kind.MOVES, "the slice")
row("rev", Kind.MOVES, "the reversal")
rows(Kind.MOVES, "split unstack", words="the splitting")
row("tile", Kind.MOVES, "the tiling")
row("real", Kind.MOVES, "the real part")
row("imag", Kind.MOVES, "the imaginary part")
row("empty2", Kind.MOVES)
row("concatenate", Kind.MOVES, "the concatenation", lattice="joined")
row("stack", Kind.MOVES, "the stacking", lattice="joined")
row("pad", Kind.MOVES, "the padding", lattice="joined")
row("dynamic_update_slice", Kind.MOVES, "the writing into a slice", lattice="joined")
row("scatter", Kind.MOVES, "the writing by index", lattice="joined")
row("complex", Kind.MOVES, "the complex number of two parts", lattice="joined")
row("neg", Kind.MOVES, "the negation")
row("conj", Kind.MOVES, "the conjugate")
row("gather", Kind.MOVES, "the indexing")
row("dynamic_slice", Kind.MOVES, "the indexing")

row("abs", Kind.SELECTS, "the absolute value", elementwise=True)
row("max", Kind.SELECTS, "the maximum", elementwise=True)
row("min", Kind.SELECTS, "the minimum", elementwise=True)
row("clamp", Kind.SELECTS, "the clipping", elementwise=True)
row("select_n", Kind.SELECTS, "the selection", elementwise=True, decides=False)
row("reduce_max", Kind.SELECTS, "the maximum", lattice="same")
row("reduce_min", Kind.SELECTS, "the minimum", lattice="same")
row("reduce_window_max", Kind.SELECTS, "the pooling maximum", lattice="same", layer=True)
row("reduce_window_min", Kind.SELECTS, "the pooling minimum", lattice="same", layer=True)
row("cummax", Kind.SELECTS, "the running maximum", lattice="same")
row("cummin", Kind.SELECTS, "the running minimum", lattice="same")
row("sort", Kind.SELECTS, "the sorting", lock="linear")
rows(Kind.SELECTS, "top_k approx_top_k scatter-max scatter-min scatter_max scatter_min pmax pmin")
row("select_and_gather_add", Kind.SELECTS, "the gathering of winners", lattice="same", lock="linear")
row("select_and_scatter", Kind.SELECTS, "the scattering to winners")

# ---------------------------------------------------------------------- decisions and integers

rows(Kind.DECIDES, "eq ne lt le gt ge eq_to lt_to le_to", words="the comparison")
row("argmax", Kind.DECIDES, "the place of the maximum")
row("argmin", Kind.DECIDES, "the place of the minimum")
row("is_finite", Kind.DECIDES, "the question whether it is finite")
row("sign", Kind.DECIDES, "the sign", lock="step")
row("floor", Kind.DECIDES, "the rounding down", lock="step")
row("ceil", Kind.DECIDES, "the rounding up", lock="step")
row("round", Kind.DECIDES, "the rounding to integers", lock="step")
rows(Kind.BITS, "and or not xor reduce_and reduce_or reduce_xor population_count clz")
rows(Kind.BITS, "shift_left shift_right_logical shift_right_arithmetic")

# ---------------------------------------------------------------------- arithmetic

TERMS = ("the first term", "the second term")
row("add", Kind.ADDS, "the sum of two terms", TERMS)
row("add_any", Kind.ADDS, "the sum of two terms", TERMS)
row("sub", Kind.ADDS, "the difference", ("the first term", "the subtracted term"))
row("mul", Kind.MULTIPLIES, "the product", ("the first factor", "the second factor"))
row("div", Kind.DIVIDES, "the quotient", ("the numerator", "the denominator"))
row("rem", Kind.FUNCTION, "the remainder", decides=True, lock="first order")
row("nextafter", Kind.FUNCTION, "the next number")

FACTORS = ("the left factor", "the right factor")
row("dot_general", Kind.CONTRACTS, "the matrix product", FACTORS, layer=True)
row("ragged_dot_general", Kind.CONTRACTS, "the ragged matrix product", FACTORS)
row("conv_general_dilated", Kind.CONTRACTS, "the convolution", ("the input", "the filters"), layer=True)

TREE = "√k Σ|terms| knows nothing of blocks: a library adds pairwise or in lanes"
row("reduce_sum", Kind.SUMS, "the sum", note=TREE)
row("reduce_window_sum", Kind.SUMS, "the window sum", layer=True, note=TREE)
row("cumsum", Kind.SUMS, "the running sum", note=TREE)
row("psum", Kind.SUMS, "the sum over devices", note=TREE)
IN_TURN = "k Σ|terms|: terms that are added in turn round alike where they are equal; others do not"
rows(Kind.SUMS, "scatter-add scatter_add", words="the adding by index", lattice="joined", note=IN_TURN)
row(
    "select_and_scatter_add",
    Kind.SUMS,
    "the adding to winners",
    ("what is added", "what decides"),
    decides=True,
    lock="linear",
    note=IN_TURN,
)
rows(Kind.PRODUCTS, "reduce_prod cumprod", words="the product of many", note="√k |y|, where k factors rarely agree")
rows(Kind.PRODUCTS, "scatter-mul scatter_mul", words="the multiplying by index")

# ---------------------------------------------------------------------- functions, as measured


def function(name: str, words: str, double: Ulps, single: Ulps, **columns: Any) -> None:
    row(name, Kind.FUNCTION, words, double=double, single=single, **columns)


function("integer_pow", "the power", Ulps(8), Ulps(8), lattice="power")
function("square", "the square", Ulps(1), Ulps(1), lattice="power")
function("pow", "the power", Ulps(2), Ulps(2), limited=True)
function("sqrt", "the square root", Ulps(1), Ulps(1), limited=True)
function("rsqrt", "the reciprocal square root", Ulps(2), Ulps(4), limited=True)
function("cbrt", "the cube root", Ulps(8), Ulps(2))
function("exp", "the exponential", Ulps(4), Ulps(2))
function("exp2", "the power of two", Ulps(4, 2), Ulps(4, 1))
function("expm1", "exp(x) - 1", Ulps(8), Ulps(8))
function("log", "the logarithm", Ulps(2), Ulps(2), limited=True)
function("log2", "the logarithm to base two", Ulps(2), Ulps(4), limited=True)
function(
    "log1p",
    "log(1 + x)",
    Ulps(88),
    Ulps(4),
    note="in float64 XLA is 70 u off in (-1/2, -1/10), and good elsewhere",
    limited=True,
)
function("logistic", "the sigmoid", Ulps(4), Ulps(4))
function("tanh", "tanh", Ulps(16), Ulps(8))
function("sin", "the sine", Ulps(2), Ulps(2))
function("cos", "the cosine", Ulps(2), Ulps(2))
function("tan", "the tangent", Ulps(2), Ulps(2))
function("asin", "the arcsine", Ulps(2), Ulps(4), limited=True)
function("acos", "the arccosine", Ulps(4), Ulps(4), limited=True)
function("atan", "the arctangent", Ulps(2), Ulps(2))
function("atan2", "the angle", Ulps(2), Ulps(2))
function("sinh", "the hyperbolic sine", Ulps(4, 1), Ulps(4, 1))
function("cosh", "the hyperbolic cosine", Ulps(4, 1), Ulps(4, 1))
function("asinh", "the inverse hyperbolic sine", Ulps(4), Ulps(4))
function("acosh", "the inverse hyperbolic cosine", Ulps(4), Ulps(8), limited=True)
function(
    "atanh",
    "the inverse hyperbolic tangent",
    Ulps(160),
    Ulps(4),
    note="made of log1p: 128 u off in (1/10, 1/2), and good elsewhere",
    limited=True,
)
function("erf", "the error function", Ulps(2), Ulps(8))
function("erfc", "the complementary error function", Ulps(4, 8), Ulps(4, 4))
function(
    "erf_inv",
    "the inverse error function",
    Ulps(4, 32),
    Ulps(4, 1),
    note="in float64 its series near ±1 reads 1 - x², which is rounded; good in the middle",
    limited=True,
)
function("lgamma", "the logarithm of Γ", Ulps(160, 64), Ulps(128, 64))
function("digamma", "the digamma function", Ulps(4, 16), Ulps(4, 16))
function("polygamma", "the polygamma function", Ulps(8), Ulps(8))
function(
    "zeta", "the Hurwitz zeta function", Ulps(24), Ulps(24), note="23 u off for large arguments, and good for others"
)
function(
    "igamma",
    "the incomplete gamma function",
    Ulps(512),
    Ulps(512),
    note="its series is as good as its number of terms, which varies",
    limited=True,
)
function(
    "igammac",
    "the complementary incomplete gamma function",
    Ulps(1024),
    Ulps(1024),
    note="its series is as good as its number of terms, which varies",
    limited=True,
)
function(
    "igamma_grad_a",
    "the incomplete gamma function's derivative",
    Ulps(1024),
    Ulps(1024),
    note="not measured: taken for as good as igammac",
    limited=True,
)
function(
    "regularized_incomplete_beta",
    "the incomplete beta function",
    Ulps(1024),
    Ulps(1024),
    note="not measured: taken for as good as igammac",
    limited=True,
)
function("bessel_i0e", "the scaled Bessel function of order 0", Ulps(8), Ulps(8))
function("bessel_i1e", "the scaled Bessel function of order 1", Ulps(16), Ulps(24))
row("cumlogsumexp", Kind.SUMS, "the running log-sum-exp", note="√k (1 + |y|), as its sum of exponentials is rounded")

# ---------------------------------------------------------------------- linear algebra and Fourier transforms

row("eigh", Kind.ALGEBRA, "the eigendecomposition of a symmetric matrix")
row("eig", Kind.ALGEBRA, "the eigendecomposition")
row("svd", Kind.ALGEBRA, "the singular value decomposition")
rows(Kind.ALGEBRA, "householder_product schur hessenberg tridiagonal")
rows(Kind.ALGEBRA, "symmetric_product cholesky_update ormqr geqp3 triangular_sylvester")
rows(Kind.ALGEBRA, "qr geqrf", words="the QR factorisation", stable="columns")
row("cholesky", Kind.ALGEBRA, "the Cholesky factorisation", stable="diagonal")
row("lu", Kind.ALGEBRA, "the LU factorisation", lock="first order", stable="columns")
row("triangular_solve", Kind.ALGEBRA, "the triangular solve", ("the matrix", "the right side"), stable="entries")
rows(Kind.ALGEBRA, "tridiagonal_solve", words="the tridiagonal solve", stable="entries")
row("lu_pivots_to_permutation", Kind.BITS, "the permutation of the pivots")
row("fft", Kind.FOURIER, "the Fourier transform")

# ---------------------------------------------------------------------- formats, creation, loops, calls

row("convert_element_type", Kind.CASTS, "the conversion", rewrites=True, double=ONCE, single=ONCE)
row("reduce_precision", Kind.CASTS, "the rounding to fewer digits", rewrites=True, double=ONCE, single=ONCE)
row("bitcast_convert_type", Kind.CREATES, "the reading of bits", lattice=None)

rows(Kind.CREATES, "iota create_token after_all axis_index empty platform_index")
RANDOM = "random_bits random_seed random_wrap random_unwrap random_split random_fold_in random_clone threefry2x32"
rows(Kind.CREATES, f"{RANDOM} rng_bit_generator rng_uniform", lattice=None)
function("random_gamma", "the gamma-distributed number", Ulps(4), Ulps(4), lock="first order")

rows(Kind.LOOPS, "scan while cond", words="the loop")
TABLE["cond"] = TABLE["cond"]._replace(words="the branch")

rows(Kind.CALLS, "jit pjit remat remat2 checkpoint", inside="jaxpr")
rows(Kind.CALLS, "closed_call core_call call eval_jaxpr", inside="call_jaxpr")
rows(Kind.CALLS, "custom_jvp_call", inside="call_jaxpr", own_rule=True)
rows(Kind.CALLS, "custom_vjp_call", inside="call_jaxpr", own_rule=True, reverse_only=True)
rows(Kind.CALLS, "custom_vjp_call_jaxpr", inside="fun_jaxpr", own_rule=True, reverse_only=True)
row("custom_linear_solve", Kind.CALLS, "the linear solve", inside="jaxprs")
row("polynomial", Kind.CALLS, "the polynomial", ("the variable",), opens=True)
row("one_minus_square", Kind.CALLS, "1 - x²", opens=True)
row("call_hi_primitive", Kind.CALLS, "the call", opens=True)
row("custom_lin", Kind.CALLS, "a derivative without a forward mode", reverse_only=True)
