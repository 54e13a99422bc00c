"""docs/performance.md: the tables of what was measured, and whether it reaches the targets."""

from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from benchmarks.report import (
    CELLS,
    PEERS,
    POLICIES,
    POOLING,
    SHARED,
    SHARES,
    Row,
    Rows,
    geometric_mean,
    milliseconds,
    misses,
    ratio,
    regret,
    runs,
    share,
    title,
    wanted,
)
from benchmarks.tried import TRIED


def table(heading: list[str], rows: Iterable[list[str]]) -> str:
    lines = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def document(measured: dict[str, dict[str, Any]]) -> str:
    rows = {name: section["rows"] for name, section in measured.items()}
    parts = [
        INTRODUCTION,
        facts(measured),
        "## The convolution",
        CONVOLUTION + "\n\n" + products(rows["convolution"]),
        verdicts(rows["convolution"]),
        *(f"### {dtype}\n\n{cells([r for r in rows['convolution'] if r['dtype'] == dtype])}" for dtype in SHARES),
        PICTURES,
        missed(rows["convolution"]),
        "## The choice\n\n" + chosen(rows["choice"]),
        "## Accuracy\n\n" + ACCURACY + "\n\n" + speeds(rows["speed"]),
        "## Growth\n\n" + grown(rows["growth"]),
        "## Memory and the first call\n\n" + spent(rows["costs"]),
        "## Other layers\n\n" + others(rows["layers"]),
        "## A training step\n\n" + trained(rows["training"]),
    ]
    return "\n\n".join(parts) + "\n"


INTRODUCTION = """\
# Performance

Written by `make bench`; do not edit. Times are ours (NumPy only), jitted JAX's and PyTorch's on the same arrays in the
same rounds, after everyone's result was compared with JAX's. A ratio is our time over theirs, the median over the
rounds; below 1 we are faster. `benchmarks/README.md` says how it is measured."""

CONVOLUTION = """\
Eight workloads, forward and whole backward (the gradients of input, filters and biases). *Share* counts the flops of a
direct convolution, over the rate of a 2048×2048 product in the same rounds; an engine that multiplies less can pass
100 %. `engine="auto"` keeps to engines whose error is at most four times the definition's, `engine="fast"` takes any;
where both choose the same engine, it was timed once. A **bold** figure misses its target."""

PICTURES = """\
![ratios](img/ratios.png)

![share of peak](img/share-of-peak.png)"""

ACCURACY = """\
The error of y over the number of input channels, against the definition in the next wider format (float64, longdouble),
root mean square over that of y, where y is near 1. The sums of an exact engine round with the length of its sums;
Winograd's and the spectral engine's transforms add theirs, which does not fall for few channels.

![error growth](img/error-growth.png)

Each engine on one 3×3 and one 11×11 workload, forward:

![error against speed](img/error-against-speed.png)"""


def facts(measured: dict[str, dict[str, Any]]) -> str:
    """The environment; where sections were measured in different ones, all of them."""
    seen: dict[str, list[str]] = {}
    for name, section in measured.items():
        text = "\n".join(f"- {fact}: {value}" for fact, value in section["environment"].items())
        seen.setdefault(text, []).append(f"{name} ({section['rounds']} rounds)")
    if len(seen) == 1:
        return next(iter(seen))
    return "\n\n".join(f"For {', '.join(names)}:\n\n{text}" for text, names in seen.items())


def products(rows: Rows) -> str:
    rates = {
        dtype: median(rate for row in rows if row["dtype"] == dtype for rate in row["product"]) / 1e9
        for dtype in SHARES
    }
    return "The product ran at " + " and ".join(f"{rate:.0f} GF/s in {dtype}" for dtype, rate in rates.items()) + "."


def verdicts(rows: Rows) -> str:
    """The targets and what was reached."""
    lines = []
    for (peer, dtype), (each, mean) in CELLS.items():
        some = [row for row in rows if dtype in (None, row["dtype"])]
        if peer not in some[0]["seconds"]:
            continue
        what = f"{PEERS[peer]}{', ' + dtype if dtype else ''}"
        reached_each, reached_mean = [], []
        for number, policy in enumerate(POLICIES):
            values = [ratio(row, policy, peer) or 0.0 for row in some]
            good = sum(round(value, 2) <= wanted(row, policy, peer) for value, row in zip(values, some, strict=True))
            reached_each.append(emphasis(f"{good} of {len(some)}, worst {max(values):.2f}", good == len(some)))
            average = geometric_mean(values)
            reached_mean.append(emphasis(f"{average:.2f}", average <= mean[number]))
        lines.append([f"{what}, each of {len(some)}", f"≤ {each[0]}", reached_each[0], f"≤ {each[1]}", reached_each[1]])
        lines.append([f"{what}, geometric mean", f"≤ {mean[0]}", reached_mean[0], f"≤ {mean[1]}", reached_mean[1]])
    for dtype, least in SHARES.items():
        some = [row for row in rows if row["dtype"] == dtype and row["workload"] in SHARED]
        cells = []
        for number, policy in enumerate(POLICIES):
            values = [share(row, policy) for row in some]
            good = sum(value >= least[number] for value in values)
            cells.append(emphasis(f"{good} of {len(some)}, least {min(values):.0%}", good == len(some)))
        names = ", ".join(SHARED)
        lines.append([f"share of peak, {dtype}: {names}", f"≥ {least[0]:.0%}", cells[0], f"≥ {least[1]:.0%}", cells[1]])
    return table(["our time over theirs", "target", 'reached, "auto"', "target", 'reached, "fast"'], lines)


def emphasis(text: str, good: bool) -> str:
    return text if good else f"**{text}**"


def cells(rows: Rows) -> str:
    def figure(row: Row, policy: str, peer: str) -> str:
        value = ratio(row, policy, peer)
        return "" if value is None else emphasis(f"{value:.2f}", round(value, 2) <= wanted(row, policy, peer))

    def percent(row: Row, policy: str) -> str:
        value, least = share(row, policy), SHARES[row["dtype"]][POLICIES.index(policy)]
        return emphasis(f"{value:.0%}", row["workload"] not in SHARED or value >= least)

    heading = ["", '"auto"', "ms", "share", *(f"/ {peer}" for peer in PEERS.values())]
    heading += ['"fast"', "ms", "share", *(f"/ {peer}" for peer in PEERS.values()), "rounds"]
    lines = []
    for row in rows:
        cell = [title(row)]
        for policy in POLICIES:
            same = policy == "fast" and runs(row, policy) != policy
            ms = "" if same else f"{milliseconds(row, runs(row, policy)):.3g}"
            cell += ["the same" if same else row["engines"][policy], ms, "" if same else percent(row, policy)]
            cell += [figure(row, policy, peer) for peer in PEERS]
        dropped = f" ({row['dropped']} dropped)" if row["dropped"] else ""
        lines.append([*cell, f"{len(row['product'])}{dropped}"])
    return table(heading, lines)


def missed(rows: Rows) -> str:
    found = [(row, words) for row in rows if (words := misses(row))]
    if not found:
        return "## Cells that miss\n\nNone in this run."
    parts = ["## Cells that miss\n\nWhere the time goes: the share of each function's own time on one thread."]
    for row, words in found:
        text = f"### {title(row)}, {row['dtype']}\n\n{'; '.join(words)}."
        if "profile" in row:
            text += "\n\nTime: " + ", ".join(f"`{name}` {part:.0%}" for name, part in row["profile"].items()) + "."
        tried = TRIED.get((row["workload"], row["direction"]))
        parts.append(text + (f"\n\nTried: {tried}" if tried else ""))
    return "\n\n".join(parts)


def chosen(rows: Rows) -> str:
    engines = list(dict.fromkeys(name for row in rows for name in row["seconds"]))
    lines = []
    for row in rows:
        times = [f"{milliseconds(row, name):.3g}" if name in row["seconds"] else "" for name in engines]
        times = [emphasis(time, name != row["chosen"]) for time, name in zip(times, engines, strict=True)]
        millions = f"{row['multiplications'] / 1e6:.2g}"
        lines.append([row["threshold"], row["workload"], row["dtype"], millions, *times, f"{regret(row):.2f}"])
    mean, worst = geometric_mean(map(regret, rows)), max(map(regret, rows))
    text = (
        'The measurements behind the thresholds of `manual/kernels/choice.py`: the engines that `"auto"` may take,\n'
        "around each of them, forward and backward together in ms; **bold** the one that it takes. The last column is\n"
        f"its time over the best one's, {mean:.2f} in the mean and {worst:.2f} at worst.\n\n"
    )
    heading = ["threshold", "batch×C_in→C_out, image, kernel", "dtype", "10⁶ products", *engines, "/ best"]
    return text + table(heading, lines)


def speeds(rows: Rows) -> str:
    def number(row: Row) -> list[str]:
        error = f"{row['rms']:.1e}", f"{row['largest']:.1e}"
        return [f"{row['workload']}, {row['dtype']}", row["engine"], f"{row['seconds'] * 1e3:.3g}", *error]

    return table(["workload", "engine", "ms", "error, rms", "error, largest"], map(number, rows))


def grown(rows: Rows) -> str:
    text = (
        "Forward and backward together from 1 to 64 times the batch or the image's area, float32; the exponent of a\n"
        "line through log time over log size, 1 being linear growth:\n\n"
    )
    by_engine: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_engine.setdefault(row["engine"], {})[row["along"]] = row
    lines = []
    for engine, both in by_engine.items():
        line = [engine]
        for along in ("batch", "area"):
            first, last = (both[along]["seconds"][place] * 1e3 for place in (0, -1))
            line += [f"{both[along]['exponent']:.2f}", f"{first:.3g} → {last:.4g} ms"]
        lines.append(line)
    text += table(["engine", "batch: exponent", "from 1 to 64", "area: exponent", "from 1 to 64"], lines)
    return text + "\n\n![growth](img/growth.png)"


def spent(rows: Rows) -> str:
    most = max(rows, key=lambda row: row["scratch"])
    memory = rows[0]["new_memory"] * 1e3
    dear = [row for row in rows if not row["first_is_cheap"]]
    text = (
        f"Scratch is what a call has allocated at its peak beyond its results and what it keeps for the backward;\n"
        f"it does not grow with the batch (a test says so), except by `definition`, which is there to be read and\n"
        f"unfolds all of it. The most is {most['scratch'] / 2**20:.0f} MiB "
        f"({most['engine']}, {most['workload']} {most['direction']}, {most['dtype']}; the limit is 64).\n"
        f"What a first call adds is making the views and, mostly, memory that is new: {memory:.2f} ms per MiB here.\n"
        f"It may take 3 times a later one, or 1 ms more: "
    )
    text += (
        "every one does."
        if not dear
        else f"**{len(dear)} of {len(rows)} take more**: "
        + ", ".join(
            f"{title(row)} by {row['engine']} in {row['dtype']} "
            f"({row['first'] * 1e3:.2f} ms, later {row['later'] * 1e3:.2f})"
            for row in dear
        )
        + "."
    )
    by_engine: dict[str, list[Row]] = {}
    for row in rows:
        by_engine.setdefault(row["engine"], []).append(row)

    def largest(some: Rows, value: Callable[[Row], float], direction: str) -> float:
        return max(value(row) for row in some if row["direction"] == direction)

    lines = [
        [
            engine,
            *(f"{largest(some, lambda r: r['scratch'], d) / 2**20:.1f}" for d in ("forward", "backward")),
            *(f"{largest(some, lambda r: r['first'] / r['later'], d):.1f}" for d in ("forward", "backward")),
        ]
        for engine, some in by_engine.items()
    ]
    heading = ["engine", "scratch forward, MiB", "backward, MiB", "first call / later, forward", "backward"]
    return text + "\n\n" + table(heading, lines)


def others(rows: Rows) -> str:
    names = [peer for peer in PEERS if peer in rows[0]["seconds"]]
    lines = []
    for row in rows:
        line = [row["layer"], row["dtype"], f"{milliseconds(row, 'manual'):.3g}"]
        for peer in names:
            value = median(a / b for a, b in zip(row["seconds"]["manual"], row["seconds"][peer], strict=True))
            line.append(emphasis(f"{value:.2f}", "pooling" not in row["layer"] or round(value, 2) <= POOLING[peer]))
        if row["flops"]:
            rates = zip(row["seconds"]["manual"], row["product"], strict=True)
            line.append(f"{median(row['flops'] / seconds / rate for seconds, rate in rates):.0%} of the 2048 product")
        elif row["copies"]:
            pairs = zip(row["seconds"]["manual"], row["seconds"]["copy"], strict=True)
            copies = row["copies"] / 2  # a copy reads one array and writes one
            line.append(f"{median(a / b for a, b in pairs) / copies:.1f} times the copies it cannot avoid")
        else:
            line.append("")
        lines.append(line)
    text = (
        "Forward and backward together. Pooling is to take at most JAX's time and 1.5 times PyTorch's. What an\n"
        "activation cannot avoid is to read and write its arrays once: such copies were timed beside it.\n\n"
    )
    return text + table(["layer", "dtype", "ms", *(f"/ {PEERS[peer]}" for peer in names), "beside the machine"], lines)


def trained(rows: Rows) -> str:
    names = [peer for peer in PEERS if peer in rows[0]["seconds"]]
    lines = []
    for row in rows:
        rates = [f"{row['batch'] * 1e3 / milliseconds(row, name):,.0f}" for name in ("manual", *names)]
        ratios = [
            f"{median(a / b for a, b in zip(row['seconds']['manual'], row['seconds'][peer], strict=True)):.2f}"
            for peer in names
        ]
        total = sum(row["parts"].values())
        largest = sorted(row["parts"].items(), key=lambda part: -part[1])[:4]
        spent = ", ".join(f"{name} {seconds / total:.0%}" for name, seconds in largest)
        lines.append([str(row["batch"]), row["dtype"], *rates, *ratios, spent])
    text = "Forward, backward and update (SGD with momentum and weight decay) of the lecture's CNN on digits.\n\n"
    heading = ["batch", "dtype", "ours, images/s", *(f"{PEERS[peer]}" for peer in names)]
    heading += [*(f"time / {PEERS[peer]}'s" for peer in names), "where our time goes"]
    return text + table(heading, lines)
