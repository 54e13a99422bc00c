"""Every row of the table: its three forwards say the same, and its derivative is the derivative.

The hand-derived derivative is written once and run in two arithmetics, so it is held against something that knows
nothing of it: differences of the exact forward, with so many digits that they leave no doubt, and JAX's own derivative
at ties.
"""

import mpmath
import numpy as np
import pytest

from tests.programs.backends import EXACT, exact, jax_backend
from tests.programs.generate import REGIMES, Sketch, Unfit, finite, grown
from tests.programs.ops import OPS
from tests.programs.program import Program, exact_inputs, functions, pruned, run
from tests.programs.truth import truth

# Half of the digits, of the largest entry: rounding stays far below at these values, a wrong formula far above.
HALF = 2.0**-26

# JAX's gradient is NaN there, which is why the operation is in the table.
NOT_IN_JAX = {"trapped_sqrt"}
# Another answer at a tie, between the two one-sided ones, as JAX's is: 0 for |x| at 0 where JAX says 1.
AS_RIGHT = {"sum_of_magnitudes"}


def alone(op: str, regime: str) -> Program:
    """A program of this operation, and of what makes its operands fit."""
    rng = np.random.default_rng([sorted(OPS).index(op), sorted(REGIMES).index(regime)])
    for _ in range(300):
        sketch = Sketch(rng, regime, np.dtype(np.float64))
        try:
            if not grown(sketch, op, 1):
                continue
        except Unfit:
            continue
        shape = sketch.values[list(sketch.steps)[-1]].shape
        program = pruned(Program(sketch.inputs, sketch.steps, rng.normal(size=shape)))
        if finite(program):
            return program
    raise AssertionError(f"{op} cannot be drawn")


def close(x: np.ndarray, y: np.ndarray, share: float) -> bool:
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return x.shape == y.shape and float(np.max(np.abs(x - y), initial=0.0)) <= share * float(
        np.max(np.abs(y), initial=0)
    )


def differences(program: Program) -> dict[str, np.ndarray]:
    """Central differences of the exact forward: a step of 10^-40 leaves an error of about 10^-80."""
    inputs, arriving = exact_inputs(program), exact(program.grad_output)
    found = {}
    for name, x in inputs.items():
        grad = np.empty(x.shape, dtype=object)
        for i in np.ndindex(x.shape):
            step = mpmath.mpf(10) ** -40 * (abs(x[i]) if x[i] != 0 else 1)
            sides = []
            for moved in (x[i] + step, x[i] - step):
                there = x.copy()
                there[i] = moved
                sides.append(np.sum(run(EXACT, program, {**inputs, name: there})[program.output] * arriving))
            grad[i] = (sides[0] - sides[1]) / (2 * step)
        found[name] = grad
    return found


def test_there_are_at_least_sixty() -> None:
    assert len(OPS) >= 60


@pytest.mark.parametrize("op", OPS)
def test_the_derivative_is_the_limit_of_differences(op: str) -> None:
    program = alone(op, "normal")
    known = truth(program)
    with mpmath.workdps(160):
        for name, grad in differences(program).items():
            largest = max((abs(v) for v in grad.flat), default=mpmath.mpf(0))
            for a, b in zip(grad.flat, known.gradients[name].flat, strict=True):
                assert abs(a - b) <= mpmath.mpf(10) ** -40 * (largest + 1)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("regime", ["normal", "integers", "positive"])
def test_numpy_computes_the_truth(op: str, regime: str) -> None:
    program = alone(op, regime)
    known = truth(program)
    forward, backward, _ = functions(program)
    assert close(forward(**program.inputs), known.output.astype(float), HALF)
    for name, grad in backward(program.grad_output, **program.inputs).items():
        assert grad.dtype == np.float64
        assert close(grad, known.gradients[name].astype(float), HALF), name


@pytest.mark.parametrize("op", OPS)
def test_jax_agrees_and_has_the_same_conventions_at_ties(op: str) -> None:
    import jax

    program = alone(op, "integers")
    forward, backward, reference = functions(program)
    with jax.enable_x64(True), np.errstate(all="ignore"):
        xp = jax_backend()
        inputs = {k: xp.asarray(v) for k, v in program.inputs.items()}
        y, pull = jax.vjp(lambda named: reference(**named), inputs)
        (grads,) = pull(xp.asarray(program.grad_output))
    assert close(forward(**program.inputs), np.asarray(y), HALF)
    for name, grad in backward(program.grad_output, **program.inputs).items():
        if op in NOT_IN_JAX:
            assert np.isfinite(grad).all()
        elif op in AS_RIGHT:
            tied = program.inputs[name] == 0
            assert close(grad[~tied], np.asarray(grads[name])[~tied], HALF)
            assert (np.abs(grad[tied]) <= np.abs(np.asarray(grads[name])[tied])).all()
        else:
            assert close(grad, np.asarray(grads[name]), HALF), name


def test_the_truth_refuses_what_it_would_round() -> None:
    for name in ("exp", "sqrt", "cos"):
        assert getattr(EXACT, name)(exact(np.ones(1)))[0]._mpf_ is not None
    with pytest.raises(AttributeError):
        EXACT.linalg  # noqa: B018
    with pytest.raises(AttributeError):
        EXACT.mean  # noqa: B018
