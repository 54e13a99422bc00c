"""How large the rounding of one operation of PyTorch is: the same sizes as of JAX's primitives, by the names of ATen.

    adds, multiplies, divides     u |y|
    f(x)                          u (c₀ |y| + c₁ |x f'(x)|)        the c of `traces.primitives`
    Σ of k terms                  u √k Σ|terms|, the operation of absolute values
    linear algebra, FFT           a backward error of the operands, and as much of the largest entry of the result
    moves, selects, decides       nothing

What is in none of these tables is decomposed by PyTorch's own decompositions (a batch norm's backward becomes sums and
products). What has no decomposition moves numbers if every number of its result is one of its operands'; else it is
taken for a backward stable algorithm, and its name is kept: its rounding is estimated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from crosscheck.rounding.sizes import BACKWARD
from crosscheck.torch.needs import pytorch
from crosscheck.traces.primitives import primitive


def names_in(words: str) -> frozenset[str]:
    """Names in a text."""
    return frozenset(words.split())


ONCE = names_in(
    """
    add sub rsub mul div true_divide reciprocal hypot fmod remainder square sqrt
    """
)
# By the name of ATen, that of JAX's primitive.
FUNCTIONS = {
    **dict.fromkeys(
        names_in(
            """
            exp exp2 expm1 log log2 log1p tanh sin cos tan asin acos atan atan2 sinh cosh asinh acosh atanh erf
            erfc lgamma digamma polygamma rsqrt pow
            """
        ),
        "",
    ),
    "log10": "log2",
    "sigmoid": "logistic",
    "erfinv": "erf_inv",
    "special_erfcx": "erfc",
    "special_log_ndtr": "erfc",
    "special_ndtri": "erf_inv",
    "igamma": "igamma",
    "igammac": "igammac",
    "special_zeta": "zeta",
    "special_i0e": "bessel_i0e",
    "special_i1e": "bessel_i1e",
    "i0": "bessel_i0e",
    "special_i1": "bessel_i1e",
    "sinc": "sin",
    "bessel_i0e": "bessel_i0e",
    "bessel_i1e": "bessel_i1e",
}
SUMS = names_in(
    """
    sum nansum mean cumsum index_add scatter_add segment_reduce avg_pool1d avg_pool2d avg_pool3d
    _adaptive_avg_pool2d avg_pool2d_backward avg_pool3d_backward _adaptive_avg_pool2d_backward
    adaptive_avg_pool2d trace embedding_bag index_put col2im upsample_bilinear2d upsample_bilinear2d_backward
    upsample_linear1d upsample_linear1d_backward unfold_backward embedding_dense_backward
    max_pool2d_with_indices_backward max_pool3d_with_indices_backward
    """
)
CONTRACTS = names_in(
    """
    mm bmm mv dot vdot addmm baddbmm addbmm addmv addr convolution convolution_backward _convolution matmul
    slow_conv2d_forward mkldnn_convolution
    """
)
PRODUCTS = frozenset(["prod", "cumprod"])
ALGEBRA = names_in(
    """
    linalg_inv_ex linalg_cholesky_ex cholesky linalg_solve_triangular triangular_solve _linalg_solve_ex
    linalg_lu_factor_ex linalg_lu linalg_lu_solve _linalg_slogdet _linalg_det _linalg_svd _linalg_eigh
    linalg_eig linalg_qr cholesky_solve cholesky_inverse linalg_lstsq linalg_householder_product
    linalg_matrix_exp ormqr linalg_ldl_factor_ex linalg_ldl_solve linalg_eigvals
    """
)
# Sums of functions of many entries: as if every entry had been rounded, and the result.
THROUGH = names_in(
    """
    var std norm linalg_vector_norm var_mean std_mean _cdist_forward _pdist_forward logcumsumexp
    """
)
FOURIER = frozenset(["_fft_r2c", "_fft_c2r", "_fft_c2c"])
# Floats that are constant between jumps.
DECIDES = names_in(
    """
    sign floor ceil round trunc heaviside sgn
    """
)
MOVES = names_in(
    """
    view _unsafe_view reshape expand permute t transpose slice select cat stack clone copy index gather
    index_select where squeeze unsqueeze neg abs max min amax amin maximum minimum fmax fmin clamp clamp_min
    clamp_max relu sort topk flip roll zeros ones full empty fill zero detach alias lift lift_fresh
    constant_pad_nd unbind split split_with_sizes diagonal tril triu masked_fill scatter contiguous real imag
    view_as_real view_as_complex complex conj _conj _conj_physical _neg_view repeat new_zeros new_ones new_empty
    new_full new_empty_strided zeros_like ones_like full_like empty_like rand_like randn_like nonzero embedding
    max_pool2d_with_indices as_strided select_backward slice_backward scalar_tensor diag_embed median kthvalue
    mode cummax cummin arange eye linspace unfold im2col masked_select take resize bernoulli normal uniform
    random rand randn randperm randint threshold isnan isinf eq ne lt le gt ge argmax argmin bitwise_and
    bitwise_or bitwise_not logical_and logical_or logical_not any all empty_strided _local_scalar_dense
    is_same_size item set_ _reshape_alias value_selecting_reduction_backward max_pool3d_with_indices
    reflection_pad2d replication_pad2d upsample_nearest2d pixel_shuffle view_copy broadcast_in_dim split_dim
    squeeze_copy masked_scatter index_fill fill_diagonal dropout isfinite signbit nan_to_num
    """
)


def base_name(func: Any) -> str:
    """The name of an operation, without its overload and without the sign of writing in place."""
    name = func._schema.name.split("::")[-1]
    return name if name.startswith("__") else name.rstrip("_")


def row_of(name: str) -> str:
    """Of which kind an operation is; "" of none that is known."""
    if name in MOVES:
        return "moves"
    if name in DECIDES:
        return "decides"
    if name in ("_to_copy", "convert_element_type", "to"):
        return "casts"
    for kind, names in KINDS.items():
        if name in names:
            return kind
    return ""


KINDS: dict[str, Any] = {
    "once": ONCE,
    "function": FUNCTIONS,
    "sums": SUMS,
    "contracts": CONTRACTS,
    "products": PRODUCTS,
    "algebra": ALGEBRA,
    "through": THROUGH,
    "fourier": FOURIER,
}


def decomposition(func: Any) -> Callable[..., Any] | None:
    """PyTorch's own, of an operation that writes to none of its operands."""
    if func._schema.is_mutable:
        return None
    try:
        from torch._decomp import decomposition_table  # pyright: ignore[reportMissingImports]
    except ImportError:  # another version of PyTorch: nothing is decomposed
        return None
    return decomposition_table.get(func)


# ---------------------------------------------------------------------- sizes


def own_size(kind: str, name: str, func: Any, args: Any, kwargs: Any, y: Any, unit: float) -> Any:
    """How far the rounding of the operation itself may move each entry of one output y; None where it does not."""
    u = max(unit, float(pytorch().finfo(y.dtype).eps) / 2)
    if kind == "once":
        return u * y.abs()
    if kind == "function":
        return of_function(name, func, args, kwargs, y, u)
    if kind in ("products", "through"):
        return u * math.sqrt(terms(args, y)) * y.abs()
    if kind == "casts":
        operand = next(operands(args), None)
        if operand is None:  # of integers or booleans
            return None
        coarser = operand.dtype.is_floating_point and pytorch().finfo(operand.dtype).eps < pytorch().finfo(y.dtype).eps
        return u * y.abs() if coarser else None
    return normwise(y, u, matrices=kind == "algebra")


def of_function(name: str, func: Any, args: Any, kwargs: Any, y: Any, u: float) -> Any:
    row = primitive(FUNCTIONS[name] or name)
    ulps = row.single if u >= 2.0**-24 else row.double
    size = ulps.value * u * y.abs()
    if ulps.slope:
        near = func(*[moved(a) for a in args], **kwargs)
        slope = (near - y).abs() / STEP
        size = size + ulps.slope * u * pytorch().nan_to_num(slope, nan=0.0, posinf=0.0, neginf=0.0)
    return size


def absorbed(name: str, args: Any, kwargs: Any, y: Any) -> Any:
    """Where a sum is one of its two terms, the other being lost beside it: two such sums are one number, and round
    alike (`crosscheck.rounding.sizes.absorbed`). None where that is nowhere, or no sum of two."""
    if name not in ("add", "sub", "rsub") or y.dtype.is_complex:
        return None
    first, second = (args[1], args[0]) if name == "rsub" else args[:2]
    other = kwargs.get("alpha", 1)
    if name == "rsub":
        first, second = first * other, -second
    else:
        second = (-other if name == "sub" else other) * second
    lost = ((y == first) & pytorch().as_tensor(second != 0)) | ((y == second) & pytorch().as_tensor(first != 0))
    return lost if bool(lost.any()) else None


STEP = 2.0**-20


def moved(a: Any) -> Any:
    return a * (1 + STEP) if is_float(a) else a


def of_sums(kind: str, func: Any, args: Any, kwargs: Any, outs: list[Any], unit: float) -> list[Any]:
    """u √k Σ|terms| of every output, by the same operation of absolute values."""
    found = flat(func(*absolute(args), **absolute(kwargs)))
    sizes: list[Any] = []
    for out, total in zip(outs, found, strict=True):
        if not is_float(out):
            sizes.append(None)
            continue
        u = max(unit, float(pytorch().finfo(out.dtype).eps) / 2)
        sizes.append(u * math.sqrt(terms(args, out, contracts=kind == "contracts")) * total.abs())
    return sizes


def terms(args: Any, y: Any, *, contracts: bool = False) -> float:
    """About how many terms an entry adds up."""
    sizes = sorted((a.numel() for a in operands(args) if a.numel()), reverse=True)
    if not sizes or not y.numel():
        return 1.0
    if contracts and len(sizes) > 1:  # m·k and k·n entries make m·n: the root is k
        return max(1.0, math.sqrt(sizes[0] * sizes[1] / y.numel()))
    return max(1.0, sizes[0] / y.numel())


def normwise(y: Any, u: float, *, matrices: bool = True) -> Any:
    """√n of the largest entry of each matrix, where every entry stands."""
    if y.ndim == 0 or not y.numel():
        return BACKWARD * u * y.abs()
    axes = tuple(range(max(0, y.ndim - 2), y.ndim))
    top = y.abs().amax(dim=axes, keepdim=True).expand(y.shape)
    n = max(y.shape[-2:]) if matrices else max(2.0, math.log2(max(2, y.numel())))
    return BACKWARD * math.sqrt(n) * u * top


# ---------------------------------------------------------------------- operands


def is_float(a: Any) -> bool:
    """Whether it is a tensor of floating or complex numbers."""
    torch = pytorch()
    return isinstance(a, torch.Tensor) and (a.dtype.is_floating_point or a.dtype.is_complex)


def operands(args: Any) -> Iterator[Any]:
    """The tensors of floats among the arguments."""
    for a in args:
        if isinstance(a, (list, tuple)):
            yield from operands(a)
        elif is_float(a):
            yield a


def absolute(given: Any) -> Any:
    """Arguments with the absolute values of their floats, the factors of `addmm` included."""
    if isinstance(given, dict):
        return {k: absolute(a) for k, a in given.items()}
    if isinstance(given, (list, tuple)):
        return type(given)(absolute(a) for a in given)
    return given.abs() if is_float(given) else abs(given) if isinstance(given, float) else given


def flat(out: Any) -> list[Any]:
    """The outputs of an operation as a list."""
    return list(out) if isinstance(out, (list, tuple)) else [out]
