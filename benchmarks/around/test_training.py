"""One training step of the lecture's CNN, by us, by jitted JAX and, if it is installed, by PyTorch.

A step is a forward pass, a backward pass and an update by SGD with momentum and weight decay. Every contender holds its
parameters and velocity and moves them at each call; the learning rate is so small that the numbers stay where they are.
Before anything is timed, one step of each is compared with ours within the bounds of cross-checked training.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import pytest

from benchmarks.contenders import DTYPES, TORCH, Array, Field, torch
from crosscheck.evidence.estimate import HAND, Estimate
from crosscheck.evidence.pair import compare
from crosscheck.lecture.cases import lecture_network
from crosscheck.lecture.checked_training import Checked, StepChecker, step_in_jax
from manual import LayeredNeuralNetwork, SoftmaxCrossEntropy
from manual.data import load_digits
from manual.optimizers import SGD
from manual.training import Step, fit

RATE, MOMENTUM, DECAY = 1e-7, 0.9, 1e-3


def contest(batch: int, dtype: str, names: Sequence[str]) -> Field:
    """Ours ("manual"), "jax" and "torch". Raises ValueError where one of them takes another step than ours."""
    images, labels = load_digits(dtype=np.dtype(dtype).type)
    x, target = images[:batch], labels[:batch]
    network, loss, optimizer = lecture_network(0).astype(x.dtype), SoftmaxCrossEntropy(), SGD(RATE, MOMENTUM, DECAY)
    start = network.parameters

    def ours() -> Array:
        network.backward_to_parameters(loss.gradient(network.forward(x), target))
        optimizer.step(network)
        return network.parameters

    take_step = jax.jit(step_in_jax(network, loss, optimizer))
    constants = {name: x.dtype.type(value) for name, value in optimizer.hyperparameters().items()}
    held = [jax.device_put(start), {"velocity": jax.device_put(np.zeros_like(start))}]
    device_x, device_target = jax.device_put(x), jax.device_put(target)

    def theirs() -> Any:
        _, held[0], held[1], _ = take_step(device_x, device_target, *held, x.dtype.type(1), constants, {})
        return jax.block_until_ready(held[0])

    steps: dict[str, Any] = {"manual": ours, "jax": theirs}
    if torch is not None:
        steps["torch"] = torch_step(network, x, target)
    validate(network, x, target, steps)
    found = Field(dtype, facts={"batch": batch})
    for name in names:
        found.enter(name, steps[name])
    return found


def torch_step(network: LayeredNeuralNetwork, x: Array, target: Array) -> Callable[[], Array]:
    """The same network and optimizer in PyTorch, from the same parameters."""
    nn = torch.nn
    dtype = torch.float32 if x.dtype == np.float32 else torch.float64
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10),
    ).to(dtype)  # fmt: skip
    with torch.no_grad():
        for parameter, (name, value) in zip(model.parameters(), network.named_parameters().items(), strict=True):
            parameter.copy_(torch.from_numpy(np.array(value.T if name.endswith("weights") else value)))
    optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, weight_decay=DECAY)
    loss, images, labels = nn.CrossEntropyLoss(), torch.from_numpy(x.copy()), torch.from_numpy(target.copy())

    def step() -> Array:
        optimizer.zero_grad()
        loss(model(images), labels).backward()
        optimizer.step()
        return np.concatenate(
            [(p.detach().numpy().T if p.ndim == 2 else p.detach().numpy()).ravel() for p in model.parameters()]
        )

    return step


def validate(network: LayeredNeuralNetwork, x: Array, target: Array, steps: dict[str, Callable[[], Array]]) -> None:
    """Compare everyone's first step with JAX's, which carries the bounds."""
    seen: list[Step] = []
    twin, loss, optimizer = network.astype(network.dtype), SoftmaxCrossEntropy(), SGD(RATE, MOMENTUM, DECAY)
    checker = StepChecker(twin, loss, optimizer, None, None)
    judged: list[Checked] = []

    def watch(step: Step) -> None:
        seen.append(step)
        judged.append(checker.step(step))

    fit(twin, loss, optimizer, x, target, epochs=1, batch_size=len(x), rng=0, after_step=watch)
    if judged[0].verdict != "agree":
        raise ValueError(f"our step is not JAX's: {judged[0].verdict}")
    bound = judged[0].pairs["parameters"].bounds / 2
    for name, step in steps.items():
        mine = Estimate(HAND, seen[0].updated.astype(np.float64), bound)
        pair = compare(mine, Estimate(name, np.asarray(step(), np.float64), bound))
        if pair.disagree.any():
            raise ValueError(
                f"{name} takes another step than ours at {int(pair.disagree.sum())} of {bound.size} parameters, "
                f"by up to {pair.error:.3g}"
            )


@pytest.fixture
def field(validated, batch: str, dtype: str) -> Field:
    return validated(lambda names: contest(int(batch), dtype, names))


@pytest.mark.parametrize("contender", ["manual", "jax", TORCH])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", ["32", "256"])
def test_training(field: Field, in_turns) -> None:
    in_turns()
