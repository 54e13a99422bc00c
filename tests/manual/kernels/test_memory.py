"""Scratch: what a call allocates beyond its results and what it keeps. At most 64 MiB, whatever the batch."""

import tracemalloc

import numpy as np
import pytest

from manual import kernels
from manual.machine import threads
from manual.machine.plans import cache

LIMIT = 64 * 2**20

# (C_in, C_out, H, W, kernel, stride, padding): what networks have at their most demanding, and one very large image.
LAYERS = {
    "resnet56": (64, 64, 56, 56, 3, 1, 1),
    "resnet14": (256, 256, 14, 14, 3, 1, 1),
    "point": (256, 64, 56, 56, 1, 1, 0),
    "stem": (3, 64, 224, 224, 7, 2, 3),
    "large": (32, 32, 64, 64, 11, 1, 5),
    "large image": (16, 24, 256, 256, 11, 1, 5),
    "many channels": (256, 256, 80, 80, 3, 1, 1),
    "strided": (512, 512, 14, 14, 3, 2, 1),
    "strided point": (512, 1024, 28, 28, 1, 2, 0),
    "depthwise": (96, 96, 112, 112, 3, 2, 1, 96),
    "depthwise on small maps": (480, 480, 14, 14, 5, 1, 2, 480),
    "large depthwise": (8, 8, 500, 500, 5, 1, 2, 8),
    "dense": (32, 48, 24, 24, 24, 1, 0),
}
# How many images, where a group of them is larger than four.
BATCHES = {"resnet14": (16, 33), "strided": (32, 65), "strided point": (32, 65)}


def scratch(layer, engine, batch):
    """((forward, backward) in bytes of a first call, the engine)."""
    inputs, outputs, height, width, kernel, stride, padding, *groups = layer
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, inputs, height, width))
    filters = rng.normal(size=(outputs, inputs // (groups or [1])[0], kernel, kernel))
    around = (padding, padding)
    hyper = {"stride": (stride, stride), "padding": (around, around), "engine": engine, "groups": (groups or [1])[0]}
    kernels.cache.clear()
    peak, (y, saved) = peak_of(lambda: kernels.forward(x, filters, np.zeros(outputs), **hyper))
    kept = 0 if saved.kept is None else saved.kept.nbytes
    kernels.cache.clear()
    g = np.ones_like(y)
    peak_back, gradients = peak_of(lambda: kernels.backward(g, saved))
    kernels.cache.clear()
    return (peak - y.nbytes - kept, peak_back - sum(a.nbytes for a in gradients)), saved.engine


@pytest.fixture(autouse=True)
def _every_thread_with_a_plan_of_its_own(monkeypatch):
    """A thread that is done early leaves its plan to the next, if it so happens; here each builds its own, always."""
    run, give = threads.run, cache.give

    def run_side_by_side(*arguments, **options):
        held = []
        with monkeypatch.context() as patch:
            patch.setattr(cache, "give", lambda *plan: held.append(plan))
            run(*arguments, **options)
        for plan in held:
            give(*plan)

    monkeypatch.setattr(threads, "run", run_side_by_side)


def peak_of(work):
    tracemalloc.start()
    try:
        result = work()
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


# The exact engine takes seconds on the last three.
CASES = [(layer, engine) for layer in LAYERS for engine in ("auto", "fast", "exact")]
CASES = [(layer, engine) for layer, engine in CASES if engine != "exact" or not layer.startswith(("large", "many"))]


@pytest.mark.proof
@pytest.mark.parametrize(("layer", "engine"), CASES)
def test_scratch_is_bounded_and_does_not_grow_with_the_batch(layer, engine):
    few, many = BATCHES.get(layer, (4, 9))
    (forward, backward), ran = scratch(LAYERS[layer], engine, few)
    assert 0 < max(forward, backward) <= LIMIT, ran
    for small, large in zip((forward, backward), scratch(LAYERS[layer], engine, many)[0], strict=True):
        assert large <= 1.25 * small + 2**16, ran
