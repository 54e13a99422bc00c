"""The table of the networks' convolutions: ratios over all cells, and sums over each network."""

from collections.abc import Iterable, Mapping
from math import exp, log
from typing import Any

import numpy as np

from benchmarks.networks import NETWORKS
from benchmarks.workloads import Workload
from manual import kernels

Measured = Mapping[tuple[str, int, str, str], Mapping[Workload, tuple[dict[str, Any], int]]]

PEERS = {"torch": "PyTorch", "jax": "JAX"}
# (peer, dtype) -> largest geometric mean, sum over a network, 95 % of the cells, worst cell.
TARGETS = {
    ("torch", "float32"): (1.1, 1.3, 2.2, 3.0),
    ("torch", "float64"): (0.7, 1.0, 1.6, 2.5),
    ("jax", "float32"): (0.30, 0.6, 1.0, 1.3),
    ("jax", "float64"): (0.30, 0.6, 1.0, 1.3),
}


def least(record: dict[str, Any], name: str) -> float:
    return min(record["seconds"][name])


def title(workload: Workload) -> str:
    grouped = f" in {workload.groups} groups" if workload.groups > 1 else ""
    stride = f" stride {workload.stride}" if workload.stride > 1 else ""
    channels = f"{workload.input_channels}→{workload.output_channels}{grouped}"
    size = f"{workload.height}×{workload.width}, {workload.kernel}×{workload.kernel}{stride}"
    return f"{workload.batch}×{channels}, {size}, padding {workload.padding}"


def printed(measured: Measured, worst: int) -> str:
    return "\n".join(
        [
            *environments(measured),
            "",
            *overall(measured),
            "",
            *sums(measured),
            "",
            *engines(measured),
            "",
            *worst_cells(measured, worst),
        ]
    )


def cells(measured: Measured, peer: str, dtype: str) -> dict[tuple[Workload, str], dict[str, Any]]:
    """Every cell once, whichever networks have it, that we and this peer were timed on."""
    return {
        (workload._replace(batch=batch), direction): record
        for (_, batch, of, direction), layers in measured.items()
        if of == dtype
        for workload, (record, _) in layers.items()
        if {"auto", peer} <= record["seconds"].keys()
    }


def ratio(record: dict[str, Any], peer: str) -> float:
    return least(record, "auto") / least(record, peer)


def environments(measured: Measured) -> list[str]:
    """What the cells were measured with, a line for each that differs, and the range of a large product's rate."""
    records = [record for layers in measured.values() for record, _ in layers.values()]
    lines: dict[str, dict[str, list[float]]] = {}
    for one in (record["environment"] for record in records if "environment" in record):
        about = ", ".join(f"{name}: {value}" for name, value in one.items() if name != "product")
        for dtype, rate in one["product"].items():
            lines.setdefault(about, {}).setdefault(dtype, []).append(float(rate.split()[0]))
    return [
        f"- {about}, product: {', '.join(f'{dtype} {min(r):.0f} to {max(r):.0f} GF/s' for dtype, r in rates.items())}"
        for about, rates in lines.items()
    ]


def row(*columns: Any) -> str:
    return f"| {' | '.join(map(str, columns))} |"


def marked(value: float, most: float) -> str:
    return f"{value:.2f}" if value <= most else f"**{value:.2f}**"


def overall(measured: Measured) -> list[str]:
    lines = [
        row("time(ours) / time(peer)", "cells", "geometric mean", "90 %", "95 %", "worst", "within the worst wanted"),
        row(*["---"] * 7),
    ]
    for (peer, dtype), (mean, _, most, largest) in TARGETS.items():
        ratios = [ratio(record, peer) for record in cells(measured, peer, dtype).values()]
        if ratios:
            ninety, ninety_five = np.quantile(ratios, (0.9, 0.95)).tolist()
            within = sum(value <= largest for value in ratios) / len(ratios)
            lines.append(
                row(
                    *(f"{PEERS[peer]} {dtype}", len(ratios), marked(geometric_mean(ratios), mean), f"{ninety:.2f}"),
                    *(marked(ninety_five, most), marked(max(ratios), largest), f"{within:.0%}"),
                )
            )
    return lines


def geometric_mean(values: Iterable[float]) -> float:
    logs = [log(value) for value in values]
    return exp(sum(logs) / len(logs))


def sums(measured: Measured) -> list[str]:
    """By network, each layer as often as the network has it."""
    lines = [row("sum over the network", "batch", "dtype", "direction", "ms", "/ PyTorch", "/ JAX"), row(*["---"] * 7)]
    for (network, batch, dtype, direction), layers in measured.items():
        if layers:
            total = {
                name: sum(times * least(record, name) for record, times in layers.values())
                for name in ("auto", *PEERS)
                if all(name in record["seconds"] for record, _ in layers.values())
            }
            ours = total.get("auto")
            if ours is not None:
                over = [
                    marked(ours / total[peer], sum_wanted(network, peer, dtype)) if peer in total else ""
                    for peer in PEERS
                ]
                there, all_of_it = len(layers), len(NETWORKS[network])
                name = network if there == all_of_it else f"{network}, {there} of {all_of_it} layers"
                lines.append(row(name, batch, dtype, direction, f"{ours * 1e3:.1f}", *over))
    return lines


def sum_wanted(network: str, peer: str, dtype: str) -> float:
    return 2.0 if (network, peer, dtype) == ("mobilenetv2", "torch", "float32") else TARGETS[peer, dtype][1]


def engines(measured: Measured) -> list[str]:
    """Where every engine was timed: what "auto" takes beside the best that it may take."""
    found = {
        (workload._replace(batch=batch), dtype): record
        for (_, batch, dtype, direction), layers in measured.items()
        if direction == "both"
        for workload, (record, _) in layers.items()
    }
    lines: list[str] = []
    late: list[tuple[float, str]] = []
    for (workload, dtype), record in found.items():
        of = {name: min(times) for name, times in record["seconds"].items() if name not in ("auto", *PEERS, *FAST_ONLY)}
        chosen = choice(workload, dtype)
        if chosen in of:
            best = min(of, key=lambda name: of[name])
            times = ", ".join(f"{name} {seconds * 1e3:.3g}" for name, seconds in sorted(of.items(), key=lambda i: i[1]))
            late.append((of[chosen] / of[best], f"{title(workload)} {dtype}: {chosen}; {times} ms"))
    if late:
        near = sum(value <= 1.15 for value, _ in late) / len(late)
        lines += [f"The choice is within 15 % of the best engine in {near:.0%} of {len(late)} cells. The furthest:", ""]
        lines += [f"- {value:.2f}: {what}" for value, what in sorted(late, reverse=True)[:20] if value > 1.15]
    return lines


FAST_ONLY = ("winograd4x4",)  # more error than "auto" may have


def choice(workload: Workload, dtype: str) -> str:
    """The engine that "auto" takes now, by the rates that hold here."""
    geometry = kernels.describe(
        (workload.batch, workload.input_channels, workload.height, workload.width),
        (workload.output_channels, workload.input_channels // workload.groups, workload.kernel, workload.kernel),
        (workload.output_channels,),
        (workload.stride, workload.stride),
        (workload.padding, workload.padding),
        (1, 1),
        workload.groups,
    )
    return kernels.choose(geometry, np.dtype(dtype)).name


def worst_cells(measured: Measured, number: int) -> list[str]:
    lines: list[str] = []
    for peer, dtype in TARGETS:
        found = sorted(cells(measured, peer, dtype).items(), key=lambda item: -ratio(item[1], peer))[:number]
        if found:
            lines += [f"Worst beside {PEERS[peer]}, {dtype}:", ""]
            lines += [
                f"- {ratio(record, peer):.2f}: {title(workload)}, {direction}, "
                f"{record['engine']}, {least(record, 'auto') * 1e3:.3g} ms"
                for (workload, direction), record in found
            ]
            lines.append("")
    return lines
