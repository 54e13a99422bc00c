"""The second suite without its clock: one convolution of each kind of each network, validated; its file, its table."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import contenders, network_cells, network_table
from benchmarks.network_cells import Cell, cells, contest, done, read
from benchmarks.networks import NETWORKS
from benchmarks.workloads import Workload
from reference.precision import double_precision

SIDE, CHANNELS = 20, 12  # at most, where nothing is timed


@pytest.fixture(autouse=True)
def precise() -> Iterator[None]:
    with double_precision():
        yield


def small(workload: Workload) -> Workload:
    """Two images of the same kind."""
    side = max(min(workload.height, SIDE), workload.kernel)
    inputs, outputs = (min(n, CHANNELS) for n in (workload.input_channels, workload.output_channels))
    groups = inputs if workload.groups > 1 else 1
    return workload._replace(
        batch=2, input_channels=inputs, output_channels=outputs, height=side, width=side, groups=groups
    )


KINDS = {
    f"{network} {layer.kernel}×{layer.kernel} stride {layer.stride}{' depthwise' * (layer.groups > 1)}": layer
    for network, layers in NETWORKS.items()
    for layer in layers
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_each_kind(kind: str) -> None:
    dtype = contenders.DTYPES[list(KINDS).index(kind) % 2]
    calls, engine = contest(Cell(small(KINDS[kind]), dtype, "both"), ["auto", "jax"])
    assert list(calls) == ["auto", "jax"]
    assert engine


def test_a_wrong_gradient_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = contenders.convolution.backward

    def wrong(*arguments: Any) -> Any:
        gradients = [gradient.copy() for gradient in right(*arguments)]
        gradients[1].flat[-1] += 1
        return tuple(gradients)

    monkeypatch.setattr(contenders.convolution, "backward", wrong)
    with pytest.raises(ValueError, match="result 2 differs in 1 of"):
        contest(Cell(small(KINDS["mobilenetv2 3×3 stride 2 depthwise"]), "float32", "both"), ["auto", "jax"])


def test_the_layers_are_those_of_the_papers() -> None:
    """Counts and multiplications per image that the papers and model zoos give."""
    millions = {
        name: sum(times * layer.multiplications for layer, times in layers.items()) / 1e6
        for name, layers in NETWORKS.items()
    }
    assert sum(NETWORKS["resnet50"].values()) == 53
    assert millions["resnet50"] == pytest.approx(4089, rel=0.01)  # without the last layer, of 2 million
    assert sum(NETWORKS["vgg16"].values()) == 13
    assert millions["vgg16"] == pytest.approx(15_347, rel=0.01)
    assert sum(NETWORKS["mobilenetv2"].values()) == 52
    assert millions["mobilenetv2"] == pytest.approx(300, rel=0.01)
    assert millions["alexnet"] == pytest.approx(656, rel=0.01)


def record(ours: float, theirs: float, engine: str = "gemm") -> dict[str, Any]:
    return {"seconds": {"auto": [2 * ours, ours], "torch": [theirs], "jax": [theirs]}, "engine": engine}


def test_later_lines_stand_before_earlier_ones(tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl"
    lines = [{"key": "a", **record(1.0, 2.0)}, {"key": "a", "seconds": {"auto": [0.5]}, "engine": "small"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    found = read(path)
    assert found["a"]["seconds"] == {"auto": [0.5], "torch": [2.0], "jax": [2.0]}
    assert found["a"]["engine"] == "small"
    assert done(found["a"], ["auto", "torch"], engines=False)
    assert not done(found["a"], ["auto", "gemm"], engines=False)
    assert read(tmp_path / "none.jsonl") == {}


def test_a_network_counts_a_layer_as_often_as_it_has_it() -> None:
    one, other = list(NETWORKS["unet"])[:2]
    measured = {
        ("unet", 4, "float32", "forward"): {one: (record(1e-3, 1e-3), 1), other: (record(3e-3, 1e-3), 2)},
        ("vgg16", 4, "float32", "forward"): {one: (record(1e-3, 1e-3), 1)},
    }
    text = network_table.printed(measured, worst=1)
    assert f"| unet, 2 of {len(NETWORKS['unet'])} layers | 4 | float32 | forward | 7.0 | **2.33** | **2.33** |" in text
    assert "| PyTorch float32 | 2 | **1.73** |" in text  # the geometric mean of 1 and 3, each cell once
    assert "3.00: 4×" in text


def test_the_choice_beside_the_best_engine() -> None:
    """Of two layers one is left to an engine that takes half as long again as the best that "auto" may take."""
    one, other = list(NETWORKS["unet"])[:2]
    chosen = [network_table.choice(layer._replace(batch=4), "float32") for layer in (one, other)]
    seconds = [{name: [1e-3], "channels": [2e-3], "winograd4x4": [1e-4]} for name in chosen]
    seconds[1] |= {"channels": [1e-3 / 1.5]}
    records = {layer: ({"seconds": of, "engine": ""}, 1) for layer, of in zip((one, other), seconds, strict=True)}
    text = network_table.printed({("unet", 4, "float32", "both"): records}, worst=1)
    assert "within 15 % of the best engine in 50% of 2 cells" in text
    assert f"- 1.50: {network_table.title(other._replace(batch=4))} float32: {chosen[1]}; channels" in text


def test_no_cell_twice() -> None:
    everything = list(cells(list(NETWORKS), (4,), ("float32",), ("forward",)))
    assert len(everything) == len(set(everything)) == len({layer for layers in NETWORKS.values() for layer in layers})
    assert len({cell.key for cell in everything}) == len(everything)
    assert network_cells.BATCHES == (1, 4, 32)
