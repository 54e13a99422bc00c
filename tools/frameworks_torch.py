"""Hand-written Functions of PyTorch packages: where each lives, at which point it is checked, and what is known of it.

A surrogate gradient (a step forward, the slope of a smooth function backward) is not the gradient of its forward, by
design. Where its author names the smooth function, the same backward is checked against that one, too.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

STEP = "by design: a straight-through estimator, the gradient of the identity behind a step"
SURROGATE = "by design: a surrogate, the slope of a smooth function behind a step"


class Row(NamedTuple):
    """One function to be checked.

    Args:
        package: as the registry has it.
        name: of the function in its package.
        ask: gives the result.
        why: what explains a disagreement, found by reading the code; "" where none is expected.
    """

    package: str
    name: str
    ask: Callable[[], Any]
    why: str = ""


def torch() -> Any:
    return import_module("torch")


def normal(*shape: int, seed: int = 0, positive: bool = False, grad: bool = True) -> Any:
    found = torch().randn(*shape, dtype=torch().float64, generator=torch().Generator().manual_seed(seed))
    return (found.abs() + 0.25 if positive else found).requires_grad_(grad)


def spd(n: int, seed: int = 0) -> Any:
    a = normal(n, n, seed=seed, grad=False)
    return (a @ a.T + n * torch().eye(n, dtype=a.dtype)).requires_grad_()


def at(module: str, name: str) -> Any:
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def in_file(package: str, path: str, name: str) -> Any:
    """A class of one file, where importing the package would need more than the file does."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"No module named {package!r}")
    place = Path(next(iter(spec.submodule_search_locations))) / path
    own = importlib.util.spec_from_file_location(f"{package}_{place.stem}", place)
    assert own is not None
    assert own.loader is not None
    module = importlib.util.module_from_spec(own)
    own.loader.exec_module(module)
    return getattr(module, name)


def check(function: Callable[[], Any], *args: Any, **options: Any) -> Callable[[], Any]:
    """`check_function` at arguments that are made when it runs."""

    def ask() -> Any:
        door = import_module("crosscheck.torch").check_function
        return door(function(), *[a() if callable(a) else a for a in args], **options)

    return ask


def row(package: str, module: str, name: str, *args: Any, why: str = "", **options: Any) -> Row:
    return Row(package, name, check(lambda: at(module, name), *args, **options), why)


def with_forward(function: Any, forward: Callable[..., Any]) -> Any:
    """The same backward behind the smooth function that it is meant for."""
    return type(f"{function.__name__} of its smooth function", (function,), {"forward": staticmethod(forward)})


def rows() -> Iterator[Row]:
    yield from entmax()
    yield from spiking()
    yield from quantized()
    yield from gaussian()
    yield from others()


def entmax() -> Iterator[Row]:
    def x() -> Any:
        return normal(3, 5)

    bisect = "entmax.root_finding"
    bounded = {"accuracy": 1e-9}
    fixed = "the gradient of the bisection's fixed point; autograd of 50 bisections gives another number, by design"
    yield row("entmax", "entmax.activations", "SparsemaxFunction", x, -1, None)
    yield row("entmax", "entmax.activations", "Entmax15Function", x, -1, None)
    for name in ("EntmaxBisectFunction", "SparsemaxBisectFunction"):
        args = (1.5, -1, 50, True) if name.startswith("Ent") else (-1, 50, True)
        smooth = "entmax15" if name.startswith("Ent") else "sparsemax"
        reference = lambda x, *rest, smooth=smooth: plain_entmax(smooth, x)  # noqa: E731
        yield row("entmax", bisect, name, x, *args, reference=reference, why=fixed, **bounded)
    for loss in ("SparsemaxLossFunction", "Entmax15LossFunction"):
        yield row("entmax", "entmax.losses", loss, x, lambda: torch().tensor([0, 3, 2]), None)
    yield row("sparsemax", "sparsemax.sparsemax", "SparsemaxFunction", x, -1)


def plain_entmax(which: str, x: Any) -> Any:
    """The forward of the sorting version, whose own derivative autograd takes."""
    from crosscheck.torch.context import own_forward

    name = "Entmax15Function" if which == "entmax15" else "SparsemaxFunction"
    return own_forward(at("entmax.activations", name))(x, -1, None)


def spiking() -> Iterator[Row]:
    def x() -> Any:
        return normal(7)

    surrogate = "spikingjelly.activation_based.surrogate"
    smooth = {
        "piecewise_quadratic": ("PiecewiseQuadratic", 1.5),
        "piecewise_exp": ("PiecewiseExp", 1.5),
        "sigmoid": ("Sigmoid", 1.5),
        "soft_sign": ("SoftSign", 1.5),
        "atan": ("ATan", 1.5),
        "nonzero_sign_log_abs": ("NonzeroSignLogAbs", 1.5),
        "erf": ("Erf", 1.5),
        "piecewise_leaky_relu": ("PiecewiseLeakyReLU", 1.0, 0.01),
        "squarewave_fourier_series": ("SquarewaveFourierSeries", 2, 8.0),
        "s2nn": ("S2NN", 4.0, 1.0),
        "q_pseudo_spike": ("QPseudoSpike", 2.5),
        "leaky_k_relu": ("LeakyKReLU", 0.1, 1.5),
        "log_tailed_relu": ("LogTailedReLU", 0.5),
    }
    for name, (owner, *numbers) in smooth.items():
        yield row("spikingjelly", surrogate, name, x, *numbers, why=SURROGATE)

        def behind(name: str = name, owner: str = owner) -> Any:
            return with_forward(at(surrogate, name), at(surrogate, owner).primitive_function)

        yield Row(
            "spikingjelly", f"{name} behind {owner}.primitive_function", check(behind, x, *numbers), WHY.get(name, "")
        )
    for name, *numbers in (("super_spike", 2.0), ("fake_numerical_gradient", 0.3), ("rect", 1.0)):
        yield row("spikingjelly", surrogate, name, x, *numbers, why=SURROGATE)
    for name, *numbers in (
        ("StraightThroughEstimator",),
        ("Triangular", 1.0),
        ("FastSigmoid", 25.0),
        ("ATan", 2.0),
        ("Heaviside",),
        ("Sigmoid", 25.0),
        ("SpikeRateEscape", 1.0, 25.0),
        ("LeakySpikeOperator", 0.1),
        ("SparseFastSigmoid", 25.0, 1.0),
    ):
        yield row("snntorch", "snntorch.surrogate", name, x, *numbers, why=SURROGATE)
    threshold = "norse.torch.functional.threshold"
    for name in ("HeaviErfc", "HeaviTanh", "Logistic", "HeaviCirc", "CircDist", "Triangle"):
        yield row("norse", threshold, name, x, 2.0, why=SURROGATE)
    yield row("norse", "norse.torch.functional.superspike", "SuperSpike", x, 10.0, why=SURROGATE)
    yield row("sinabs", "sinabs.activation.quantize", "Quantize", x, why=STEP)


def quantized() -> Iterator[Row]:
    def x() -> Any:
        return 2 * normal(7, grad=False)

    ste = "brevitas.ops.autograd_ste_ops"
    for name, *numbers in (
        ("ScalarClampSteFn", -1.0, 1.0),
        ("ScalarClampMinSteFn", -0.5),
        ("RoundToZeroSteFn",),
        ("DPURoundSteFn",),
        ("CeilSteFn",),
        ("FloorSteFn",),
        ("BinarySignSteFn",),
        ("TernarySignSteFn",),
        ("RoundSteFn",),
    ):
        yield row("brevitas", ste, name, x, *numbers, why=STEP)
    yield row("brevitas", ste, "AbsBinarySignGradFn", x)
    quantize = "spikingjelly.activation_based.quantize"
    for name, *numbers in (
        ("RoundATGF",),
        ("CeilATGF",),
        ("FloorATGF",),
        ("ClampATGF", -1.0, 1.0),
        ("StepQuantizeATGF", 0.25),
        ("KBitQuantizeATGF", 3),
    ):
        yield row("spikingjelly", quantize, name, x, *numbers, why=WHY.get(name, STEP))


def gaussian() -> Iterator[Row]:
    variational = "gpytorch.variational"

    def square_distance(a: Any, b: Any) -> Any:
        return (a.unsqueeze(-2) - b.unsqueeze(-3)).pow(2).sum(-1)

    def distance(a: Any, b: Any) -> Any:
        return square_distance(a, b).sqrt()

    def points() -> Any:
        return normal(4, 2, grad=False)

    def other() -> Any:
        return normal(3, 2, seed=1, grad=False)

    def scale() -> Any:
        return torch().full((1, 1), 0.7, dtype=torch().float64).requires_grad_()

    yield row(
        "gpytorch", "gpytorch.functions.rbf_covariance", "RBFCovariance", points, other, scale, lambda: square_distance
    )
    for nu in (0.5, 1.5, 2.5):
        yield Row(
            "gpytorch",
            f"MaternCovariance, ν = {nu}",
            check(
                lambda: at("gpytorch.functions.matern_covariance", "MaternCovariance"),
                points,
                other,
                scale,
                nu,
                lambda: distance,
            ),
        )
    yield row(
        "gpytorch",
        "gpytorch.functions._log_normal_cdf",
        "LogNormalCDF",
        lambda: 2 * normal(9, grad=False),
        why=WHY["LogNormalCDF"],
    )
    large = f"{variational}.large_batch_variational_strategy"
    yield row("gpytorch", large, "QuadFormDiagonal", lambda: spd(3), lambda: normal(3, 4), wrt=("rhs",))
    yield row("gpytorch", large, "QuadFormDiagonal", lambda: spd(3), lambda: normal(3, 4), wrt=("matrix",))
    yield row(
        "gpytorch",
        f"{variational}.variational_strategy",
        "ComputePredictiveUpdates",
        lambda: torch().linalg.cholesky(spd(3).detach()),
        lambda: normal(3, 4),
        lambda: spd(3, 2),
        lambda: normal(3, seed=3),
        wrt=("induc_data_covar", "inducing_values"),
    )
    natural = f"{variational}.natural_variational_distribution"
    yield row(
        "gpytorch", natural, "_NaturalToMuVarSqrt", lambda: normal(3), lambda: -spd(3).detach() / 2, why=WHY["natural"]
    )
    yield row(
        "gpytorch",
        f"{variational}.tril_natural_variational_distribution",
        "_TrilNaturalToMuVarSqrt",
        lambda: normal(3),
        lambda: torch().linalg.cholesky(spd(3).detach()),
        why=WHY["natural"],
    )
    for name, which in (("InvQuad", "_inv_quad"), ("Solve", "_solve"), ("Matmul", "_matmul")):
        yield Row("linear_operator", name, operator(f"linear_operator.functions.{which}", name))


def operator(module: str, name: str) -> Callable[[], Any]:
    """A Function of a linear operator, which it gets as a tree and its tensors; in the right-hand side."""

    def ask() -> Any:
        dense = at("linear_operator.operators", "DenseLinearOperator")(spd(3).detach())
        tree, a = dense.representation_tree(), dense.representation()[0]
        rhs = normal(3, 2)
        args = (tree, False, rhs, a) if name == "Solve" else (tree, rhs, a)
        plain = {
            "InvQuad": lambda tree, rhs, a: (rhs * torch().linalg.solve(a, rhs)).sum(-2),
            "Solve": lambda tree, left, rhs, a: torch().linalg.solve(a, rhs),
            "Matmul": lambda tree, rhs, a: a @ rhs,
        }[name]
        return import_module("crosscheck.torch").check_function(at(module, name), *args, reference=plain)

    return ask


def others() -> Iterator[Row]:
    def x() -> Any:
        return 2 * normal(2, 7, grad=False)

    for name in ("SwishAutoFn", "MishAutoFn", "HardSigmoidAutoFn", "HardSwishAutoFn", "HardMishAutoFn"):
        yield Row(
            "timm",
            name,
            check(lambda name=name: in_file("timm", "layers/activations_me.py", name), x),
            WHY.get(name, ""),
        )
    yield row("torchdiffeq", "torchdiffeq._impl.misc", "_StitchGradient", x, x, why=WHY["_StitchGradient"])
    yield row(
        "torchdiffeq",
        "torchdiffeq._impl.rk_common",
        "_UncheckedAssign",
        lambda: normal(3, 4),
        lambda: normal(3, seed=1),
        (..., 1),
        why=WHY["_UncheckedAssign"],
    )
    yield Row("kornia", "_NullSpaceBasis, as the projector on its columns", null_space)
    yield row(
        "kornia",
        "kornia.losses.focal",
        "_TargetLogSoftmax",
        lambda: normal(2, 4, 3, 2),
        lambda: torch().randint(0, 4, (2, 1, 3, 2)),
        None,
    )
    yield Row("xitorch", "degen_symeig of a symmetric matrix", symmetric_eigen)
    for kind in ("Additive", "Affine"):
        for number, name in enumerate((f"{kind}BlockFunction", f"{kind}BlockFunction2")):
            yield Row("memcnn", f"{kind}Coupling with {name}", reversible(kind, number), WHY.get(name, ""))


def null_space() -> Any:
    """Of the basis only the subspace counts."""
    function = at("kornia.geometry.epipolar.essential", "_NullSpaceBasis")

    def projector(x: Any) -> Any:
        v = function.apply(x)[0]
        return v @ v.mT

    def reference(x: Any) -> Any:
        eye = torch().eye(x.shape[-1], dtype=x.dtype)
        return eye - x.mT @ torch().linalg.solve(x @ x.mT, x)

    return import_module("crosscheck.torch").check_module(projector, normal(1, 5, 9), reference=reference)


def symmetric_eigen() -> Any:
    function = at("xitorch._impls.linalg.symeig", "degen_symeig")

    def values_and_vectors(a: Any) -> Any:
        return function.apply((a + a.mT) / 2)

    return import_module("crosscheck.torch").check_module(values_and_vectors, spd(3))


def reversible(kind: str, number: int) -> Callable[[], Any]:
    """A reversible block, with the weights of its two functions."""

    def ask() -> Any:
        nn = torch().nn
        made = import_module(f"memcnn.models.{kind.lower()}")
        torch().manual_seed(0)
        f, g = (nn.Sequential(nn.Linear(3, 3), nn.Tanh()).double() for _ in range(2))
        options = {} if kind == "Additive" else {"adapter": made.AffineAdapterNaive}
        block, plain = (
            getattr(made, f"{kind}Coupling")(f, g, implementation_fwd=way, **options) for way in (number, -1)
        )
        return import_module("crosscheck.torch").check_module(block, normal(2, 6).detach(), reference=plain)

    return ask


WHY: dict[str, str] = {
    "s2nn": "the backward takes β/(x + 1) for the slope of β log(|x + 1| + 1e-5): off by 1e-5 of it for x ≥ 0",
    "LogNormalCDF": (
        "below -1 the forward is an approximation (off by 3.6e-4 at z = -1.44), and the backward is neither its "
        "derivative nor that of log Φ"
    ),
    "AffineBlockFunction2": (
        "a mistake in the package: of y₂ = x₂ · s + t the cotangent reaches x₂ without the factor s "
        "(`x2_grad = dd[1] + y2_grad`)"
    ),
    "natural": "by design: the natural gradient, that of the expectation parameters",
    "_StitchGradient": "by design: the gradient of the first argument, the value of the second",
    "_UncheckedAssign": "by design: it writes to its argument behind autograd's back, and says so",
}
