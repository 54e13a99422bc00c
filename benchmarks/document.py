"""docs/performance.md and its pictures from pytest-benchmark's JSON: `python -m benchmarks.document FILE.json [TO]`.

TO is the folder that gets performance.md and img/, docs/ if it is not named. A section of which the file has no group
is left out.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import pictures
from benchmarks.measured import (
    CELLS,
    PEERS,
    POLICIES,
    SHARED,
    SHARES,
    Group,
    core,
    geometric_mean,
    groups,
    misses,
    reached,
    read,
    shared,
)
from benchmarks.tried import TRIED

DOCS = Path(__file__).parents[1] / "docs"
NAMED = 6  # functions of a profile

INTRODUCTION = """\
# Performance

Written by `make bench`; do not edit. Times are ours (NumPy only), jitted JAX's and PyTorch's on the same arrays in the
same rounds, after everyone's result was compared with JAX's. A ratio is our time over theirs, the median over the
rounds; below 1 we are faster. `benchmarks/README.md` says how it is measured."""

CONVOLUTION = """\
Each workload forward and whole backward (the gradients of input, filters and biases). *Share* counts the flops of a
direct convolution, over the rate of a 2048×2048 product in the same rounds; an engine that multiplies less can pass
100 %. `engine="auto"` keeps to engines whose error is at most four times the definition's, `engine="fast"` takes any;
where both choose the same engine, it was timed once. A **bold** figure misses its target."""

PICTURES = """\
![ratios](img/ratios.png)

![share of peak](img/share-of-peak.png)"""

SIDES = {
    "engines": """\
## Accuracy

The error of y over the number of input channels, against the definition in the next wider format (float64, longdouble),
root mean square over that of y, where y is near 1. The sums of an exact engine round with the length of its sums;
Winograd's and the spectral engine's transforms add theirs, which does not fall for few channels. (The picture is made
by `python -m benchmarks.convolution_errors docs/img/error-growth.png`.)

![error growth](img/error-growth.png)

Each engine on one 3×3 and one 11×11 workload, forward; ms, and the root mean square error:

![error against speed](img/error-against-speed.png)""",
    "choice": """\
## The choice

Where another engine begins to be the fastest: those that `"auto"` may take, around each such place (all convolutions of
seven networks: [networks.md](networks.md)), forward and backward together in ms; **bold** the one that it takes, whose
time over the best one's is the last
column.""",
    "growth": """\
## Growth

Forward and backward together in ms from 1 to 64 times the batch or the image's area; the exponent of a line through log
time over log size, 1 being linear growth.

![growth](img/growth.png)""",
    "costs": """\
## Memory and the first call

Scratch is what a call has allocated at its peak beyond its results and what it keeps for the backward; it does not grow
with the batch (a test says so), except by `definition`, which is there to be read and unfolds all of it. A run fails
above 64 MiB. What a first call adds is making the views and, mostly, memory that is new; ms.""",
    "layer": """\
## Other layers

Forward and backward together in ms. Pooling is to take at most JAX's time and 1.5 times PyTorch's. What an activation
cannot avoid is to read and write its arrays once: such copies were timed beside it.""",
    "training": """\
## A training step

Forward, backward and update (SGD with momentum and weight decay) of the lecture's CNN on digits; ms of a step.""",
}


def table(heading: list[str], rows: Iterable[list[str]]) -> str:
    lines = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def emphasis(text: str, good: bool) -> str:
    return text if good else f"**{text}**"


def document(measured: dict[str, Any]) -> str:
    parts = [INTRODUCTION, facts(measured)]
    if found := core(measured):
        parts += ["## The convolution", CONVOLUTION, products(found), verdicts(found)]
        by_dtype = {dtype: [group for group in found if group.dtype == dtype] for dtype in SHARES}
        parts += [f"### {dtype}\n\n{cells(some)}" for dtype, some in by_dtype.items() if some]
        parts += [PICTURES, missed(found)]
    parts += [f"{text}\n\n{side(some)}" for test, text in SIDES.items() if (some := groups(measured, test))]
    return "\n\n".join(parts) + "\n"


def facts(measured: dict[str, Any]) -> str:
    """What times depend on."""
    machine = measured["machine_info"]
    cpu = machine["cpu"]
    family = f"(family {cpu.get('family', '?')}, model {cpu.get('model', '?')})"
    wide = "AVX-512" if "avx512f" in cpu.get("flags", ()) else "no AVX-512"
    lines = {
        "measured": measured["datetime"][:10],
        "machine": f"{cpu.get('brand_raw', machine['machine'])} {family}, {wide}, {machine['cores']} cores to run on",
        "python": machine["python_version"],
        "BLAS": machine["blas"],
        "versions": ", ".join(f"{name} {version}" for name, version in machine["versions"].items()),
        "set by hand": ", ".join(f"{name}={value}" for name, value in machine["variables"].items()) or "nothing",
    }
    return "\n".join(f"- {name}: {value}" for name, value in lines.items())


# ---------------------------------------------------------------------- the core


def products(found: list[Group]) -> str:
    rates = {}
    for dtype in SHARES:
        if some := [rate for group in found if group.dtype == dtype for rate in group.info("auto")["product"]]:
            rates[dtype] = median(some) / 1e9
    return "The product ran at " + " and ".join(f"{rate:.0f} GF/s in {dtype}" for dtype, rate in rates.items()) + "."


def verdicts(found: list[Group]) -> str:
    """The targets and what was reached."""
    lines = []
    for (peer, dtype), (each, mean) in CELLS.items():
        some = [group for group in found if dtype in (None, group.dtype) and peer in group.records]
        if not some:
            continue
        what = f"{PEERS[peer]}{', ' + dtype if dtype else ''}"
        single, whole = [f"{what}, each of {len(some)}"], [f"{what}, geometric mean"]
        for number, policy in enumerate(POLICIES):
            values = [group.over(group.name(policy), peer) or 0.0 for group in some]
            good = sum(reached(group, policy, peer) for group in some)
            single += [f"≤ {each[number]}", emphasis(f"{good}, worst {max(values):.2f}", good == len(some))]
            average = geometric_mean(values)
            whole += [f"≤ {mean[number]}", emphasis(f"{average:.2f}", average <= mean[number])]
        lines += [single, whole]
    for dtype, least in SHARES.items():
        some = [group for group in found if group.dtype == dtype and group.parameters["workload"] in SHARED]
        if some:
            line = [f"share of peak, {dtype}: {', '.join(SHARED)}"]
            for number, policy in enumerate(POLICIES):
                good = sum(shared(group, policy) for group in some)
                lowest = min(group.share(group.name(policy)) for group in some)
                text = f"{good} of {len(some)}, least {lowest:.0%}"
                line += [f"≥ {least[number]:.0%}", emphasis(text, good == len(some))]
            lines.append(line)
    return table(["our time over theirs", "target", 'reached, "auto"', "target", 'reached, "fast"'], lines)


def cells(found: list[Group]) -> str:
    heading = [""]
    for policy in POLICIES:
        heading += [f'"{policy}"', "ms", "share", *(f"/ {peer}" for peer in PEERS.values())]
    lines = []
    for group in found:
        line = [group.title]
        for policy in POLICIES:
            mine = group.name(policy)
            if mine == policy:
                share = emphasis(f"{group.share(mine):.0%}", shared(group, policy))
                line += [group.info(mine)["engine"], f"{group.milliseconds(mine):.3g}", share]
            else:
                line += ["the same", "", ""]
            for peer in PEERS:
                value = group.over(mine, peer)
                line.append("" if value is None else emphasis(f"{value:.2f}", reached(group, policy, peer)))
        dropped = group.info("auto")["dropped"]
        rounds = len(group.info("auto")["product"])
        lines.append([*line, f"{rounds} ({dropped} dropped)" if dropped else f"{rounds}"])
    return table([*heading, "rounds"], lines)


def missed(found: list[Group]) -> str:
    parts = []
    for group in found:
        if words := misses(group):
            parts.append(f"### {group.title}, {group.dtype}\n\n{'; '.join(words)}.")
            if spent := profile(group, "auto"):
                parts.append(f"Time: {spent}.")
            if tried := TRIED.get((group.parameters["workload"], group.parameters["direction"])):
                parts.append(f"Tried: {tried}")
    words = (
        "Where the time goes: the share of each function's own time on one thread." if parts else "None in this run."
    )
    return "\n\n".join([f"## Cells that miss\n\n{words}", *parts])


def profile(group: Group, name: str) -> str:
    """The functions that took most of the time themselves, of `--benchmark-cprofile=tottime`; "" without one."""
    spent: dict[str, float] = {}
    for one in group.records.get(name, {}).get("cprofile", ()):
        path, _, function = one["function_name"].rpartition(":")
        name = function.partition("(")[2].removesuffix(")")
        short = f"{Path(path).stem}.{name}" if path.endswith(".py") else name or one["function_name"]
        spent[short] = spent.get(short, 0.0) + one["tottime"]
    whole = sum(spent.values())
    parts = sorted(spent.items(), key=lambda part: -part[1])[:NAMED]
    return ", ".join(f"`{short}` {part / whole:.0%}" for short, part in parts if whole)


# ---------------------------------------------------------------------- what stands around it


def side(found: list[Group]) -> str:
    """A line per group, a column of milliseconds per contender, and what the section adds."""
    names = list(dict.fromkeys(name for group in found for name in group.records))
    columns = COLUMNS.get(found[0].test, {})
    lines = []
    for group in found:
        times = [time(group, name) for name in names]
        lines.append([group.title, group.dtype, *times, *(column(group) for column in columns.values())])
    return table(["", "dtype", *names, *columns], lines)


def time(group: Group, name: str) -> str:
    if name not in group.records:
        return ""
    info = group.info(name)
    error = f"; {info['rms']:.1e}" if "rms" in info else ""
    return emphasis(f"{group.milliseconds(name):.3g}{error}", info.get("chosen") != name)


def over(peer: str) -> Callable[[Group], str]:
    def column(group: Group) -> str:
        value = group.over("manual", peer)
        return "" if value is None else f"{value:.2f}"

    return column


def beside_the_machine(group: Group) -> str:
    if "manual" not in group.records:
        return ""
    if "share" in group.info("manual"):
        return f"{group.share('manual'):.0%} of the 2048 product"
    copies, value = group.info("manual")["copies"] / 2, group.over("manual", "copy")  # a copy reads one and writes one
    return f"{value / copies:.1f} times the copies it cannot avoid" if copies and value else ""


def regret(group: Group) -> str:
    """The chosen engine's time over the best one's."""
    best = min(group.records, key=group.milliseconds)
    chosen = group.info(best)["chosen"]
    return f"{group.over(chosen, best) or 1.0:.2f}" if chosen in group.records else ""


def exponent(group: Group) -> str:
    return f"{slope(group):.2f}" if len(group.records) > 1 else ""


def slope(group: Group) -> float:
    sizes, times = zip(*((int(name), group.milliseconds(name)) for name in group.records), strict=True)
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def fact(name: str, show: Callable[[Any], str] = str) -> Callable[[Group], str]:
    return lambda group: show(next(iter(group.records.values()))["extra_info"][name])


COLUMNS: dict[str, dict[str, Callable[[Group], str]]] = {
    "choice": {"/ best": regret},
    "growth": {"exponent": exponent},
    "costs": {"engine": fact("engine"), "scratch, MiB": fact("scratch", lambda size: f"{size / 2**20:.1f}")},
    "layer": {"/ JAX": over("jax"), "/ PyTorch": over("torch"), "beside the machine": beside_the_machine},
    "training": {
        "/ JAX": over("jax"),
        "/ PyTorch": over("torch"),
        "where our time goes": lambda group: profile(group, "manual"),
    },
}


def main(source: str, to: str = str(DOCS)) -> None:
    measured = read(Path(source))
    pictures.draw(measured, Path(to) / "img")
    (Path(to) / "performance.md").write_text(document(measured), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
