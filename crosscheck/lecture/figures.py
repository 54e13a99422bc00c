"""The lecture's pictures, as matplotlib figures: `figure.savefig("file.png")`.

Colours are those that colour-blind people can tell apart and that print: signed quantities on a map from orange to
purple, white at zero; others on a map from dark blue to yellow; lines in the palette of M. Okabe and K. Ito. Grey
means exactly zero: nothing passes.

Importing this file needs matplotlib, the extra `plots`; no global state of it (pyplot) is touched.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crosscheck.lecture.checked_training import CheckedTraining, Drift
from crosscheck.lecture.flow import Station, dead_channels, leaking, norm
from manual import LayeredNeuralNetwork
from manual.data import PATTERNS, LabelledImages
from manual.program import Step, run_forward
from manual.training import History

try:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "the pictures need matplotlib, which is not installed: install crosscheck with its extra plots, "
        "pip install 'crosscheck[plots]'"
    ) from error

Array = np.ndarray

SIGNED, UNSIGNED = "PuOr", "cividis"
BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
ZERO = (0.78, 0.78, 0.78, 1.0)
MOST_TILES = 8  # channels side by side; more go into a second row
ROWS_SHOWN = 12  # samples of a matrix (samples, units)
COMMENT_WIDTH = 44  # letters


# ---------------------------------------------------------------------- images and what the network sees


def image_patterns(data: LabelledImages, names: Sequence[str] = PATTERNS, *, each: int = 6) -> Figure:
    """`each` images of every class, a class per row."""
    classes = sorted({int(label) for label in data.labels})
    figure = Figure(figsize=(1.1 * each + 2.2, 1.1 * len(classes) + 0.6), layout="constrained")
    grid = figure.subplots(len(classes), each, squeeze=False)
    low, high = float(data.images.min()), float(data.images.max())
    drawn = None
    for row, label in zip(grid, classes, strict=True):
        chosen = data.images[data.labels == label][:each]
        for axes, image in zip(row, chosen, strict=False):
            drawn = axes.imshow(image[0], cmap=UNSIGNED, vmin=low, vmax=high)
        for axes in row:
            bare(axes)
        row[0].set_ylabel(names[label], rotation=0, ha="right", va="center")
    if drawn is not None:
        figure.colorbar(drawn, ax=grid, label="pixel value", shrink=0.6)
    return figure


def filters(layer: Any, *, title: str = "Filters") -> Figure:
    """A convolution's filters: output channels side by side, input channels below each other."""
    values = np.asarray(layer.filters)
    outputs, inputs = values.shape[:2]
    size = max(0.32, min(0.8, 10 / outputs))
    figure = Figure(figsize=(max(4.5, size * outputs + 1.8), max(1.9, size * inputs + 1.2)), layout="constrained")
    axes = figure.subplots()
    picture = tiles(values.transpose(1, 0, 2, 3))
    drawn = axes.imshow(picture, cmap=SIGNED, norm=centred(values))
    label_tiles(axes, values.shape[2:], inputs, outputs)
    axes.set(xlabel="output channel", ylabel="input channel", title=title)
    figure.colorbar(drawn, ax=axes, label="weight", shrink=0.8)
    return figure


def feature_maps(network: LayeredNeuralNetwork, images: Array, *, titles: Sequence[str] | None = None) -> Figure:
    """What every convolution of the network makes of some images (N, C, H, W): a row per image, a column per
    convolution.

    Each image and layer has a scale of its own, from 0 to the largest value written above; grey is exactly 0.
    """
    stages = convolution_outputs(network, images)
    widths = [1.2] + [tile_columns(y.shape[1]) * 0.62 for _, y in stages]
    rows = max(tile_rows(y.shape[1]) for _, y in stages)
    figure = Figure(figsize=(12, (0.62 * rows + 0.45) * len(images) + 0.6), layout="constrained")
    grid = figure.subplots(len(images), len(stages) + 1, squeeze=False, width_ratios=widths)
    for n, row in enumerate(grid):
        row[0].imshow(images[n].mean(axis=0), cmap=UNSIGNED)
        bare(row[0])
        if titles is not None:
            row[0].set_ylabel(titles[n], rotation=0, ha="right", va="center")
        for axes, (name, y) in zip(row[1:], stages, strict=True):
            show_map(axes, y[n], signed=bool((y < 0).any()))
            axes.set_title(f"{name if n == 0 else ''}\nlargest {np.abs(y[n]).max():.2g}".strip(), fontsize=9)
    grid[0, 0].set_title("image", fontsize=9)
    figure.suptitle("Feature maps: dark blue to yellow from 0 to the largest, grey exactly 0", fontsize=10)
    return figure


def convolution_outputs(network: LayeredNeuralNetwork, images: Array) -> list[tuple[str, Array]]:
    """The output of every layer of the network with filters of images, its activation included."""
    found: dict[str, Array] = {}

    def kept(step: Step) -> Step:
        def forward(*inputs: Array) -> Any:
            y, saved, state = step.forward(*inputs)
            if (step.operation == "convolution" and y.ndim == 4) or step.place in found:
                found[step.place] = y  # what comes last: of a layer with an activation, that
            return y, saved, state

        return step._replace(forward=forward)

    run_forward([kept(step) for step in network.program()], images)
    if not found:
        raise ValueError("the network has no convolution; there are no feature maps")
    return [(f"layer {place}: {y.shape[1]} feature maps of {y.shape[2]}x{y.shape[3]}", y) for place, y in found.items()]


# ---------------------------------------------------------------------- training


def training_progress(history: History, *, title: str = "Training") -> Figure:
    """Loss by step and epoch, accuracy by epoch, training and validation."""
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = np.arange(1, history.epochs + 1)
    per_epoch = len(history.step_loss) / history.epochs
    left.semilogy(np.arange(1, len(history.step_loss) + 1) / per_epoch, history.step_loss, color=BLUE, alpha=0.25, lw=1)
    curve(left, epochs, history.loss, BLUE, "training (one batch: pale)", "o")
    curve(right, epochs, history.accuracy, BLUE, "training, while it learns", "o")
    if history.validation:
        curve(left, epochs, [v.loss for v in history.validation], VERMILION, "validation", "s")
        curve(right, epochs, [v.accuracy for v in history.validation], VERMILION, "validation", "s")
    left.set(xlabel="epoch", ylabel="cross-entropy (nats per image)")
    right.set(xlabel="epoch", ylabel="accuracy")
    right.yaxis.set_major_formatter(PercentFormatter(1.0))
    for axes, place in ((left, "upper right"), (right, "lower right")):
        tidy(axes)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False, loc=place)
    figure.suptitle(title)
    return figure


def accuracy_under_shifts(accuracies: Mapping[str, Mapping[int, float]]) -> Figure:
    """Accuracy by how many pixels the test images are moved, a line per network."""
    figure = Figure(figsize=(7.5, 3.8), layout="constrained")
    axes = figure.subplots()
    for (name, by_shift), colour, marker in zip(accuracies.items(), CYCLE * 2, "osD^vP" * 2, strict=False):
        curve(axes, list(by_shift), list(by_shift.values()), colour, name, marker)
    axes.set(xlabel="shift of the test images (pixels)", ylabel="test accuracy", xticks=[0, 1, 2])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    tidy(axes)
    axes.legend(frameon=False, bbox_to_anchor=(1.0, 1.0), loc="upper left")
    return figure


def cross_checked(result: CheckedTraining) -> Figure:
    """The largest difference from JAX's step at every step, as a share of its bound; 1 would be a disagreement."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    steps = np.arange(1, len(result.shares) + 1)
    # Hollow and of different sizes: several quantities are often off by the same one rounding.
    for name, colour, marker, size in zip(result.shares[0], CYCLE, "os^D", (3, 6, 3, 4.5), strict=False):
        shares = np.array([max(share[name], 1e-6) for share in result.shares])
        axes.semilogy(steps, shares, color=colour, lw=0, marker=marker, ms=size, mfc="none", mew=0.8, label=name)
    axes.axhline(1.0, color="black", lw=1)
    axes.annotate("the bound", (steps[-1], 1.0), xytext=(0, 3), textcoords="offset points", ha="right")
    axes.set(xlabel="step", ylabel="largest difference from JAX\n(share of its bound)")
    axes.set_title(f"Every step against JAX's from the same place ({result.dtype}): {result.verdict}")
    axes.set_ylim(top=5)
    tidy(axes)
    axes.legend(frameon=False, bbox_to_anchor=(1.0, 1.0), loc="upper left")
    return figure


def drifting(drifts: Sequence[Drift]) -> Figure:
    """How far two free-running trainings come apart, by step: no verdict, rounding alone."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    for each, colour in zip(drifts, CYCLE, strict=False):
        steps = np.arange(1, len(each.distance) + 1)
        axes.semilogy(steps, np.maximum(each.distance, 1e-18), color=colour, lw=1.5)
        axes.annotate(
            str(each.dtype), (steps[-1], each.distance[-1]), xytext=(4, 0), textcoords="offset points", color=colour,
            va="center",
        )  # fmt: skip
        axes.axhline(float(np.finfo(each.dtype).eps) / 2, color=colour, lw=0.8, ls=":")
    axes.set(xlabel="step", ylabel="distance of the parameters\n(share of their norm)")
    axes.set_title("Two trainings left alone, ours and JAX's (dotted: one rounding)")
    axes.set_xlim(right=1.12 * max(len(each.distance) for each in drifts))
    tidy(axes)
    return figure


# ---------------------------------------------------------------------- gradient flow


def gradient_flow_sheet(stations: Sequence[Station], *, image: int = 0, title: str = "Gradient flow") -> Figure:
    """A row per operation: its activation, the gradient that arrives, the gradient that leaves, their norms, and what
    is odd.

    Maps (C, H, W) are those of one image, channels side by side; vectors are shown as a matrix of images and units.
    Grey is exactly zero. Channels that are dead for the whole batch are crossed out, broken rows are framed.
    """
    heights = [max(height(s.x), height(s.y)) for s in stations]
    figure = Figure(figsize=(17, 1.08 * sum(heights) + 1.4), layout="constrained")
    grid = figure.subplots(
        len(stations), 5, squeeze=False, width_ratios=[3.4, 3.4, 3.4, 1.6, 2.4], height_ratios=heights
    )
    norms = [value for s in stations for value in (norm(s.arriving), norm(s.leaving)) if value > 0]
    low, high = (
        10.0 ** np.floor(np.log10(min(norms, default=1.0) / 2)),
        10.0 ** np.ceil(np.log10(max(norms, default=1.0))),
    )
    for row, station in zip(grid, stations, strict=True):
        values = [shown(value, image) for value in (station.y, station.arriving, station.leaving)]
        most: list[float | None] = [None, None, None]
        if station.x.shape == station.y.shape:  # entry by entry: what leaves is seen on the scale of what arrives
            most[1:] = [float(np.abs(values[1]).max(initial=0.0))] * 2
        for column, (axes, value) in enumerate(zip(row, values, strict=False)):
            signed = column > 0 or bool((value < 0).any())
            show_map(axes, value, signed=signed, most=most[column])
            axes.set_title(span(value, signed, most[column]), fontsize=8, pad=2)
            for spine in axes.spines.values():
                spine.set_visible(station.broken)
                spine.set(color=VERMILION, linewidth=2.5)
        cross_out(row[0], station)
        dot(row[2], shown(leaking(station), image))
        row[0].set_ylabel(f"{station.name} {station.operation}".strip(), rotation=0, ha="right", va="center")
        norm_bars(row[3], station, low, high)
        row[3].tick_params(labelbottom=station is stations[-1])
        say(row[4], station)
    grid[-1, 3].set_xlabel("norm of the gradient")
    heads = ("activation Y", "gradient that arrives ∂L/∂Y", "gradient that leaves ∂L/∂X", "norms", "what is odd")
    for axes, head in zip(grid[0], heads, strict=True):
        below = axes.get_title()
        axes.set_title(f"{head}\n{below}" if below else head, fontsize=9 if below else 10, pad=2)
    figure.suptitle(
        f"{title}\norange negative, white near zero, purple positive, grey exactly zero; maps: image {image} of "
        f"{len(stations[0].x)}, channels side by side; vectors: a column per unit, a row per image",
        fontsize=10,
    )
    return figure


def height(value: Array) -> float:
    """The height that a picture of `value` asks for, in rows of tiles."""
    return float(tile_rows(value.shape[1])) if value.ndim == 4 else 1.0


def shown(value: Array, image: int) -> Array:
    """The part of (N, C, H, W) or (N, units) that is drawn."""
    return value[image] if value.ndim == 4 else value.reshape(len(value), -1)[:ROWS_SHOWN]


def span(value: Array, signed: bool, most: float | None) -> str:
    """What the picture's colours span, in words."""
    if not value.any():
        return "all exactly 0"
    most = float(np.abs(value).max()) if most is None else most
    return f"-{most:.2g} to {most:.2g}" if signed else f"0 to {most:.2g}"


def dot(axes: Axes, leaks: Array) -> None:
    """A dot on every entry that lets a gradient through though it is shut."""
    picture = tiles(tile_grid(leaks.astype(float))) if leaks.ndim == 3 else leaks.astype(float)
    h, w = np.nonzero(picture == 1)
    axes.plot(w, h, ls="", marker="o", ms=2.5, color=VERMILION)


def cross_out(axes: Axes, station: Station) -> None:
    """A cross over the tile of every channel that is dead for the whole batch, in the activation."""
    dead = dead_channels(station)
    if not dead:
        return
    height, width = station.y.shape[2:]
    for c in dead:
        row, column = divmod(c, MOST_TILES)
        top, left = row * (height + 1) - 0.5, column * (width + 1) - 0.5
        axes.plot([left, left + width], [top, top + height], color=VERMILION, lw=2)
        axes.plot([left, left + width], [top + height, top], color=VERMILION, lw=2)


def norm_bars(axes: Axes, station: Station, low: float, high: float) -> None:
    """The norms of the gradient that arrives and that leaves, on a scale that all rows share."""
    for place, (value, colour, word) in enumerate(
        ((norm(station.arriving), BLUE, "in"), (norm(station.leaving), ORANGE, "out"))
    ):
        axes.barh(place, max(value - low, 0), left=low, color=colour, height=0.7)
        axes.annotate(
            f"{word} {value:.2g}", (low, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.75},
        )  # fmt: skip
    axes.set(xscale="log", xlim=(low, high), ylim=(1.6, -0.6), yticks=[])
    axes.minorticks_off()
    tidy(axes)
    axes.grid(False)
    axes.spines["left"].set_visible(False)


def say(axes: Axes, station: Station) -> None:
    """The station's comments, breaks first."""
    axes.axis("off")
    top = 0.98
    for comment in sorted(station.comments, key=lambda comment: not comment.broken):
        lines = textwrap.wrap(("✗ " if comment.broken else "") + comment.text, COMMENT_WIDTH)
        axes.text(
            0.0,
            top,
            "\n".join(lines),
            color=VERMILION if comment.broken else "0.35",
            weight="bold" if comment.broken else "normal",
            fontsize=9,
            va="top",
            transform=axes.transAxes,
        )
        top -= 0.3 * len(lines) / height(station.y)


# ---------------------------------------------------------------------- how things are drawn


def show_map(axes: Axes, value: Array, *, signed: bool, most: float | None = None) -> None:
    """Channels (C, H, W) as tiles, or a matrix, with exact zeros in grey; `most` is where the colours end."""
    picture = tiles(tile_grid(value)) if value.ndim == 3 else np.asarray(value, np.float64)
    most = (float(np.abs(value).max(initial=0.0)) if most is None else most) or 1.0
    drawing: dict[str, Any] = {"aspect": "equal" if value.ndim == 3 else "auto", "interpolation": "nearest"}
    axes.imshow(picture, cmap=SIGNED if signed else UNSIGNED, vmin=-most if signed else 0, vmax=most, **drawing)
    nothing = np.zeros((*picture.shape, 4))
    nothing[picture == 0] = ZERO
    axes.imshow(nothing, **drawing)
    bare(axes)


def tile_columns(channels: int) -> int:
    return min(channels, MOST_TILES)


def tile_rows(channels: int) -> int:
    return -(-channels // MOST_TILES)


def tile_grid(value: Array) -> Array:
    """Channels (C, H, W) as (rows, columns, H, W), missing ones NaN."""
    channels, height, width = value.shape
    rows, columns = tile_rows(channels), tile_columns(channels)
    grid = np.full((rows * columns, height, width), np.nan)
    grid[:channels] = value
    return grid.reshape(rows, columns, height, width)


def tiles(grid: Array) -> Array:
    """(rows, columns, H, W) as one picture, with a gap of NaN, which is not drawn, between neighbours."""
    rows, columns, height, width = grid.shape
    picture = np.full((rows, height + 1, columns, width + 1), np.nan)
    picture[:, :height, :, :width] = grid.transpose(0, 2, 1, 3)
    return picture.reshape(rows * (height + 1), columns * (width + 1))[:-1, :-1]


def label_tiles(axes: Axes, size: tuple[int, ...], rows: int, columns: int) -> None:
    """Number the tiles along both axes."""
    height, width = size
    axes.set_xticks([c * (width + 1) + (width - 1) / 2 for c in range(columns)], [str(c) for c in range(columns)])
    axes.set_yticks([r * (height + 1) + (height - 1) / 2 for r in range(rows)], [str(r) for r in range(rows)])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def centred(value: Array) -> Normalize:
    """A scale with zero in the middle of the map."""
    most = float(np.abs(value).max(initial=0.0)) or 1.0
    return Normalize(-most, most)


def curve(axes: Axes, x: Any, y: Any, colour: str, label: str, marker: str) -> None:
    axes.plot(x, y, color=colour, marker=marker, ms=4, lw=1.5, label=label)


def bare(axes: Axes) -> None:
    """No ticks and no frame: the picture's own pixels are its units."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)


def tidy(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(True, color="0.9", lw=0.6)
    axes.set_axisbelow(True)
