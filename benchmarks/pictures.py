"""The pictures of docs/performance.md."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.report import PEERS, ratio, share, title
from crosscheck.lecture.figures import CYCLE

Rows = list[dict[str, Any]]
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*", "h")
DTYPES = ("float32", "float64")


def draw(measured: dict[str, dict[str, Any]], to: Path) -> None:
    """Every picture as a PNG file in the folder `to`."""
    to.mkdir(parents=True, exist_ok=True)
    rows = {name: section["rows"] for name, section in measured.items()}
    for name, figure in (
        ("ratios", ratios(rows["convolution"])),
        ("share-of-peak", shares(rows["convolution"])),
        ("growth", growth(rows["growth"])),
        ("error-growth", errors(rows["errors"])),
        ("error-against-speed", speed(rows["speed"])),
    ):
        figure.savefig(to / f"{name}.png", dpi=110)


def panels(number: int, **options: Any) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    axes = list(figure.subplots(1, number, **options))
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(alpha=0.25)
    return figure, axes


def ratios(rows: Rows) -> Figure:
    """Our time over the peer's, a mark per cell."""
    figure, axes = panels(2, sharey=True)
    for one, dtype in zip(axes, DTYPES, strict=True):
        some = [row for row in rows if row["dtype"] == dtype]
        for number, peer in enumerate(PEERS):
            for policy, filled in (("auto", True), ("fast", False)):
                found = [(place, ratio(row, policy, peer)) for place, row in enumerate(some)]
                points = [(place, value) for place, value in found if value is not None]
                if points:
                    one.plot(
                        *zip(*points, strict=True),
                        MARKS[number],
                        color=CYCLE[number],
                        fillstyle="full" if filled else "none",
                        label=f'"{policy}" / {PEERS[peer]}',
                    )
        one.axhline(1, color="0.3", linewidth=1)
        one.set(yscale="log", title=dtype)
        one.set_yticks([0.05, 0.1, 0.2, 0.5, 1, 2], ["0.05", "0.1", "0.2", "0.5", "1", "2"])
        one.set_xticks(range(len(some)), [title(row) for row in some], rotation=90)
    axes[0].set_ylabel("our time / theirs (below 1: we are faster)")
    axes[1].legend(fontsize="small")
    return figure


def shares(rows: Rows) -> Figure:
    """Direct-convolution flops per second over the rate of the 2048 product."""
    figure, axes = panels(2, sharey=True)
    for one, dtype in zip(axes, DTYPES, strict=True):
        some = [row for row in rows if row["dtype"] == dtype]
        names = [name for name in ("auto", "fast", "jax", "torch") if any(name in row["seconds"] for row in some)]
        width = 0.8 / len(names)
        for number, name in enumerate(names):
            values = [100 * share(row, name) for row in some]
            label = PEERS.get(name, f'ours, "{name}"')
            one.bar(
                np.arange(len(some)) + (number + 0.5) * width - 0.4, values, width, color=CYCLE[number], label=label
            )
        one.axhline(100, color="0.3", linewidth=1)
        one.set_title(dtype)
        one.set_xticks(range(len(some)), [title(row) for row in some], rotation=90)
    axes[0].set_ylabel("% of the 2048×2048 product's rate,\nby the flops of a direct convolution")
    axes[0].legend(fontsize="small")
    return figure


def growth(rows: Rows) -> Figure:
    """Time over the size, both from 1."""
    figure, axes = panels(2, sharey=True)
    for one, along in zip(axes, ("batch", "area"), strict=True):
        some = [row for row in rows if row["along"] == along]
        factors = some[0]["factors"]
        one.plot(factors, factors, color="0.3", linewidth=0.8, linestyle=":", label="linear")
        for number, row in enumerate(some):
            one.plot(
                factors,
                np.array(row["seconds"]) / row["seconds"][0],
                marker=MARKS[number],
                color=CYCLE[number],
                label=f"{row['engine']}: exponent {row['exponent']:.2f}",
            )
        one.set(xscale="log", yscale="log", xlabel=f"{along}, times the smallest", title=f"growth with the {along}")
        one.set_xticks(factors, map(str, factors))
        one.set_yticks(factors, map(str, factors))
        one.minorticks_off()
        one.legend(fontsize="small")
    axes[0].set_ylabel("time of forward and backward, times the smallest")
    return figure


def errors(rows: Rows) -> Figure:
    """The error of y over the channels, by engine."""
    figure, axes = panels(2)
    for one, dtype in zip(axes, DTYPES, strict=True):
        some = [row for row in rows if row["dtype"] == dtype]
        names = sorted(
            {(row["engine"], row["kernel"]) for row in some}, key=lambda name: (name[0] != "definition", name)
        )
        for number, (engine, kernel) in enumerate(names):
            points = [
                (row["channels"], row["rms"]) for row in some if (row["engine"], row["kernel"]) == (engine, kernel)
            ]
            one.plot(
                *zip(*points, strict=True),
                marker=MARKS[number % len(MARKS)],
                color=CYCLE[number % len(CYCLE)],
                linestyle="-" if number < len(CYCLE) else "--",
                label=f"{engine} {kernel}×{kernel}",
            )
        one.set(xscale="log", yscale="log", xlabel="input channels", title=dtype)
        one.set_xticks(4 ** np.arange(6), map(str, 4 ** np.arange(6)))
        one.minorticks_off()
    axes[0].set_ylabel("error of y, root mean square over that of y")
    axes[1].legend(fontsize="x-small", ncols=2)
    return figure


def speed(rows: Rows) -> Figure:
    """Every engine's error over its time."""
    workloads, engines = (list(dict.fromkeys(row[key] for row in rows)) for key in ("workload", "engine"))
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    grid = figure.subplots(len(DTYPES), len(workloads), squeeze=False)
    for line, dtype in zip(grid, DTYPES, strict=True):
        for one, workload in zip(line, workloads, strict=True):
            for row in rows:
                if (row["dtype"], row["workload"]) == (dtype, workload):
                    number = engines.index(row["engine"])
                    one.plot(row["seconds"] * 1e3, row["rms"], MARKS[number], color=CYCLE[number], markersize=9)
            one.set(title=f"{workload}, {dtype}", xlabel="ms of a forward pass")
            one.margins(0.12)
            one.set_xlim(left=0)
            one.set_ylim(bottom=0)
            one.grid(alpha=0.25)
            one.spines[["top", "right"]].set_visible(False)
        line[0].set_ylabel("error of y, root mean square\nover that of y")
    for number, engine in enumerate(engines):
        grid[0][0].plot([], [], MARKS[number], color=CYCLE[number], label=engine)
    figure.legend(loc="outside upper center", ncols=len(engines))
    return figure
