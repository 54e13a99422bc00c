"""The pictures of docs/performance.md."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.measured import PEERS, POLICIES, SHARES, Group, core, groups
from crosscheck.lecture.figures import CYCLE

MARKS = ("o", "s", "^", "D", "v", "P", "X", "*", "h")


def draw(measured: dict[str, Any], to: Path) -> None:
    """Every picture of which there is something, as a PNG file in the folder `to`."""
    to.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, tuple[Callable[[list[Group]], Figure], list[Group]]] = {
        "ratios": (ratios, core(measured)),
        "share-of-peak": (shares, core(measured)),
        "growth": (growth, groups(measured, "growth")),
        "error-against-speed": (speed, groups(measured, "engines")),
    }
    for name, (picture, found) in pictures.items():
        if found:
            picture(found).savefig(to / f"{name}.png", dpi=110)


def panels(rows: int, columns: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(11, 4.6 * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(alpha=0.25)
    return figure, axes


def ratios(found: list[Group]) -> Figure:
    """Our time over the peer's, a mark per cell."""
    figure, axes = panels(1, len(SHARES))
    for one, dtype in zip(axes, SHARES, strict=True):
        some = [group for group in found if group.dtype == dtype]
        for number, peer in enumerate(PEERS):
            for policy, fill in zip(POLICIES, ("full", "none"), strict=True):
                values = [group.over(group.name(policy), peer) for group in some]
                if any(values):
                    look: dict[str, Any] = {
                        "color": CYCLE[number],
                        "fillstyle": fill,
                        "label": f'"{policy}" / {PEERS[peer]}',
                    }
                    heights = [np.nan if value is None else value for value in values]
                    one.plot(heights, MARKS[number], **look)
        one.axhline(1, color="0.3", linewidth=1)
        one.set(yscale="log", title=dtype, ylabel="our time / theirs (below 1: we are faster)")
        one.set_yticks([0.05, 0.1, 0.2, 0.5, 1, 2], ["0.05", "0.1", "0.2", "0.5", "1", "2"])
        one.set_xticks(range(len(some)), [group.title for group in some], rotation=90)
        if some:
            one.legend(fontsize="small")
    return figure


def shares(found: list[Group]) -> Figure:
    """Direct-convolution flops per second over the rate of the 2048 product."""
    figure, axes = panels(1, len(SHARES))
    for one, dtype in zip(axes, SHARES, strict=True):
        some = [group for group in found if group.dtype == dtype]
        names = [name for name in (*POLICIES, *PEERS) if any(name in group.records for group in some)]
        width = 0.8 / max(1, len(names))
        for number, name in enumerate(names):
            timed = [group.name(name) if name in POLICIES else name for group in some]
            values = [100 * g.share(own) if own in g.records else 0 for g, own in zip(some, timed, strict=True)]
            places = np.arange(len(some)) + (number + 0.5) * width - 0.4
            one.bar(places, values, width, color=CYCLE[number], label=PEERS.get(name, f'ours, "{name}"'))
        one.axhline(100, color="0.3", linewidth=1)
        one.set(title=dtype, ylabel="% of the 2048×2048 product's rate,\nby the flops of a direct convolution")
        one.set_xticks(range(len(some)), [group.title for group in some], rotation=90)
        if some:
            one.legend(fontsize="small")
    return figure


def growth(found: list[Group]) -> Figure:
    """Time over the size, both from the smallest."""
    figure, axes = panels(1, 2)
    for one, along in zip(axes, ("batch", "area"), strict=True):
        some = [group for group in found if group.parameters["along"] == along]
        for number, group in enumerate(some):
            sizes, times = zip(*((int(name), group.milliseconds(name)) for name in group.records), strict=True)
            look: dict[str, Any] = {
                "marker": MARKS[number],
                "color": CYCLE[number],
                "label": group.parameters["engine"],
            }
            one.plot(sizes, np.array(times) / times[0], **look)
            one.plot(sizes, np.array(sizes) / sizes[0], color="0.3", linewidth=0.8, linestyle=":")
        one.set(xscale="log", yscale="log", xlabel=f"{along}, times the smallest", title=f"growth with the {along}")
        if some:
            one.legend(fontsize="small")
    axes[0].set_ylabel("time of forward and backward,\ntimes the smallest; dotted: linear")
    return figure


def speed(found: list[Group]) -> Figure:
    """Every engine's error over its time."""
    figure, axes = panels((len(found) + 1) // 2, 2)
    engines = list(dict.fromkeys(name for group in found for name in group.records))
    for one, group in zip(axes, found, strict=False):
        for name in group.records:
            number = engines.index(name)
            look: dict[str, Any] = {"color": CYCLE[number % len(CYCLE)], "markersize": 9, "label": name}
            error = group.info(name)["rms"]
            one.plot(group.milliseconds(name), error, MARKS[number], **look)
        one.set(title=f"{group.title}, {group.dtype}", xlabel="ms of a forward pass", xlim=(0, None), ylim=(0, None))
        one.set_ylabel("error of y, root mean square\nover that of y")
        one.legend(fontsize="small")
    return figure


def errors(found: list[dict[str, Any]]) -> Figure:
    """The error of y over the channels, by engine."""
    figure, axes = panels(1, len(SHARES))
    for one, dtype in zip(axes, SHARES, strict=True):
        lines: dict[str, list[tuple[int, float]]] = {}
        for row in found:
            if row["dtype"] == dtype:
                name = f"{row['engine']} {row['kernel']}×{row['kernel']}"
                lines.setdefault(name, []).append((row["channels"], row["rms"]))
        for number, (name, points) in enumerate(lines.items()):
            dashes = "-" if number < len(CYCLE) else "--"
            look: dict[str, Any] = {
                "marker": MARKS[number],
                "color": CYCLE[number % len(CYCLE)],
                "linestyle": dashes,
                "label": name,
            }
            one.plot(*zip(*points, strict=True), **look)
        one.set(xscale="log", yscale="log", xlabel="input channels", title=dtype)
        one.set_ylabel("error of y, root mean square over that of y")
        one.legend(fontsize="x-small", ncols=2)
    return figure
