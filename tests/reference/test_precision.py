"""float64 stays float64 and float32 stays float32, and the process's JAX is left as it was."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reference import network
from reference.precision import double_precision
from tests.manual.layers import called_by_rows

ROOT = Path(__file__).parents[2]


class Example(NamedTuple):
    operation: str
    shapes: tuple[tuple[int, ...], ...]  # of x and of the parameters
    hyperparameters: dict[str, Any]
    indices: dict[int, np.ndarray] = {}  # noqa: RUF012  by position: arrays of integers, which are taken as they are


EXAMPLES = [
    Example("convolution", ((1, 2, 3, 3), (2, 1, 2, 2), (2,)), {"padding": (1, 0), "groups": 2}),
    Example("flatten", ((2, 3, 2),), {}),
    Example("linear", ((2, 3), (3, 2), (2,)), {}),
    Example("linear_activation", ((2, 3),), {}),
    Example("max_pooling", ((1, 2, 3, 3),), {"pool_size": (2, 2), "stride": (1, 1)}),
    Example("mean_squared_error", ((2, 3),), {"target": np.ones((2, 3))}),
    Example("relu", ((2, 3),), {}),
    Example("sigmoid", ((2, 3),), {}),
    Example("soft_relu", ((2, 3),), {}),
    Example("softmax_cross_entropy", ((2, 3),), {"target": np.array([0, 2])}),
    Example("tanh", ((2, 3),), {}),
]

LECTURE = {example.operation for example in EXAMPLES}
BEYOND = {call.operation: Example(*call) for call in called_by_rows().values() if call.operation not in LECTURE}
EXAMPLES += BEYOND.values()


def test_every_operation_has_an_example():
    assert {example.operation for example in EXAMPLES} == set(network.operations())


@pytest.fixture(params=EXAMPLES, ids=lambda example: example.operation)
def example(request: pytest.FixtureRequest) -> Example:
    return request.param


@pytest.fixture(params=[np.float32, np.float64])
def arrays(request: pytest.FixtureRequest, example: Example, rng: np.random.Generator) -> dict[str, np.ndarray]:
    drawn = {n: rng.normal(size=shape).astype(request.param) for n, shape in enumerate(example.shapes)}
    return {str(n): example.indices.get(n, a) for n, a in drawn.items()}


def run_through_network(example: Example, arrays: dict[str, Any]) -> jax.Array:
    hyper = {k: in_dtype(v, list(arrays.values())[-1].dtype) for k, v in example.hyperparameters.items()}
    if example.operation in BEYOND:
        y = import_module(f"reference.{example.operation}").forward(*arrays.values(), **hyper)
        return y[0] if isinstance(y, tuple) else y
    x, *names = arrays
    stage = (example.operation, names, hyper)
    return network.forward(arrays[x], arrays, stages=[stage])


def in_dtype(value: Any, dtype: Any) -> Any:
    return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def test_forward_keeps_the_dtype(example: Example, arrays: dict[str, np.ndarray]):
    before = jnp.ones(1).dtype
    y = run_through_network(example, arrays)
    assert isinstance(y, jax.Array)
    assert y.dtype == list(arrays.values())[-1].dtype
    assert jnp.ones(1).dtype == before


def test_gradient_is_traced_in_the_dtype(example: Example, arrays: dict[str, np.ndarray]):
    def value_and_gradients(arrays: dict[str, np.ndarray]) -> tuple[jax.Array, jax.Array]:
        y, vjp = jax.vjp(lambda arrays: run_through_network(example, arrays), arrays)
        return y, *vjp(jnp.ones_like(y))[0].values()

    with double_precision():
        traced = jax.make_jaxpr(value_and_gradients)(arrays)
    dtype = list(arrays.values())[-1].dtype
    of_arrays = [dtype if a.dtype == dtype else jax.dtypes.float0 for a in arrays.values()]
    assert [a.dtype for a in traced.out_avals] == [dtype, *of_arrays]
    # Nor does anything on the way pass through the other width.
    other = {"float32": "f64[", "float64": "f32["}[dtype.name]
    assert other not in str(traced)


def test_double_precision_nests_and_is_left_when_an_exception_passes():
    @double_precision()
    def fail() -> None:
        with double_precision():
            pass
        raise KeyError(jnp.ones(1).dtype.name)

    before = jnp.ones(1).dtype
    with pytest.raises(KeyError, match="float64"):
        fail()
    assert jnp.ones(1).dtype == before


def in_a_fresh_process(script: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


CALL_EVERYTHING = """
import threading
import jax, jax.numpy as jnp, numpy as np
from reference import network, relu
from reference.precision import double_precision
from tests.manual.layers import called_by_rows

assert jax.config.jax_enable_x64 is X64
before = jnp.ones(3).dtype
for dtype in (np.float64, np.float32):
    x = np.ones((1, 1, 3, 3), dtype)
    parameters = {"filters": np.ones((1, 1, 2, 2), dtype), "biases": np.ones(1, dtype)}
    stages = [("convolution", ("filters", "biases"), {}), ("relu", (), {})]
    y = network.forward(x, parameters, stages=stages)
    assert y.dtype == relu.forward(x).dtype == np.asarray(y).dtype == dtype
    with double_precision():
        run = jax.jit(lambda x: jax.vjp(relu.forward, x)[1](x)[0])
        assert run(x).dtype == dtype
        elsewhere = []
        thread = threading.Thread(target=lambda: elsewhere.append(jnp.ones(3).dtype))
        thread.start(), thread.join()
        assert elsewhere == [before]

assert jax.config.jax_enable_x64 is X64
assert jnp.ones(3).dtype == before == (np.float64 if X64 else np.float32)
"""


@pytest.mark.parametrize("x64", [False, True])
def test_the_process_keeps_its_setting(x64: bool):
    in_a_fresh_process(f"X64 = {x64}\n{CALL_EVERYTHING}", JAX_ENABLE_X64=str(x64))


def test_a_transformation_outside_the_context_casts_on_the_way_in():
    """The reason that the judge enters the context first; told in `reference.precision`."""
    in_a_fresh_process(
        "import jax, numpy as np\n"
        "from reference import relu\n"
        "assert jax.vjp(relu.forward, np.ones(3))[0].dtype == np.float32\n"
    )


def test_the_reference_imports_no_subject():
    in_a_fresh_process(
        "import sys\n"
        "from importlib import import_module\n"
        "from reference import network\n"
        "for operation in network.operations():\n"
        "    import_module(f'reference.{operation}')\n"
        "assert not {'manual', 'crosscheck'} & {name.split('.')[0] for name in sys.modules}\n"
    )
