"""Time every convolution of the networks in `networks.py`, a piece at a time, and print where we stand.

    python -m benchmarks.network_cells measure --network unet --batch 4 --dtype float32 --seconds 200
    python -m benchmarks.network_cells measure --engines --batch 4       # every engine, forward and backward together
    python -m benchmarks.network_cells table                             # of all cells measured so far

A cell is a convolution at one batch, dtype and direction. A cell that the file of raw cells has is not measured again,
so a full table can be gathered in pieces of `--seconds`; a later line of the file stands before an earlier one, and
`--contender auto` measures ours alone again, after a change. Everyone's results are compared with a peer's before a
cell is timed, bit for bit on integers (`contenders.py`).

Contenders take turns: a round is one burst of each, at least `BURST` seconds of calls after a rest and one untimed
call, and of a burst the median counts. Shared machines lose a core now and then, which costs one more than another:
before and after a round each thread takes a product, and a round in which they do not reach `UNDISTURBED` of the best
rate seen is repeated, up to `TRIES` times as many as were asked for. Of the rounds the least time counts.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from benchmarks.conftest import blas, versions
from benchmarks.contenders import (
    DIRECTIONS,
    DTYPES,
    Arrays,
    Pass,
    bounds,
    compare,
    jax_pass,
    our_pass,
    torch,
    torch_pass,
)
from benchmarks.network_table import printed
from benchmarks.networks import NETWORKS
from benchmarks.turns import Product
from benchmarks.workloads import Workload
from manual import kernels
from reference.precision import double_precision

BATCHES = (1, 4, 32)
CONTENDERS = ("auto", "torch", "jax")
PEERS: dict[str, Callable[[str, Arrays], Pass]] = {"torch": torch_pass, "jax": jax_pass}
REST, BURST = 0.03, 0.004  # seconds; OpenBLAS's workers spin for 26 ms after a call of BLAS's own threads
SIDE, UNDISTURBED, TRIES = 512, 0.8, 2
ROUNDS = 3
RAW = Path("build/networks.jsonl")


class Cell(NamedTuple):
    workload: Workload  # its batch among the rest
    dtype: str
    direction: str

    @property
    def key(self) -> str:
        return " ".join(map(str, (*self.workload, self.dtype, self.direction)))


def cells(
    networks: Sequence[str], batches: Sequence[int], dtypes: Sequence[str], directions: Sequence[str]
) -> Iterator[Cell]:
    """Every distinct one, in the networks' order."""
    seen: set[Cell] = set()
    for dtype in dtypes:
        for batch in batches:
            for network in networks:
                for workload in NETWORKS[network]:
                    for direction in directions:
                        cell = Cell(workload._replace(batch=batch), dtype, direction)
                        if cell not in seen:
                            seen.add(cell)
                            yield cell


# ---------------------------------------------------------------------- one cell


def contest(cell: Cell, names: Sequence[str]) -> tuple[dict[str, Pass], str]:
    """The named contenders, each compared with a peer, and the engine that "auto" takes.

    An engine that refuses the configuration is left out, and so is one that takes as many times the scratch of others:
    the definition. ValueError where anyone's result differs from the peer's.
    """
    arrays = Arrays(cell.workload, cell.dtype)
    # JAX where it is timed or PyTorch is absent; compiling it takes longer than timing everyone.
    judge = "jax" if "jax" in names or torch is None else "torch"
    calls = {name: PEERS[name](cell.direction, arrays) for name in dict.fromkeys((judge, *names)) if name in PEERS}
    exact = calls[judge]()
    chosen = ""
    for name in names:
        allowed = None
        if name in PEERS:
            call = calls[name]
        else:
            try:
                _, saved = arrays.forward(name)
            except ValueError:
                continue
            if name == "auto":
                chosen = saved.kernel.engine
            allowed = bounds(cell.direction, arrays.g, saved)
            call = our_pass(cell.direction, arrays, name)
            del saved
        compare(name, call(), exact, allowed)
        calls[name] = call
    return {name: calls[name] for name in names if name in calls}, chosen


def burst(call: Pass) -> float:
    time.sleep(REST)
    call()
    found: list[float] = []
    while sum(found) < BURST:
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return median(found)


class Cores:
    """Whether every thread has a core to itself: a product in each at once."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.matrices = rng.standard_normal((kernels.num_threads(), 2, SIDE, SIDE)).astype(np.float32)
        self.best = 0.0

    def rate(self) -> float:
        """Products per second and thread, now: the second of two, since the first one wakes the threads."""
        seconds = 0.0
        for _ in range(2):
            start = time.perf_counter()
            kernels.threads.run(lambda part: self.matrices[part, 0] @ self.matrices[part, 1], len(self.matrices))
            seconds = time.perf_counter() - start
        self.best = max(self.best, 1 / seconds)
        return 1 / seconds


def timed(cell: Cell, names: Sequence[str], rounds: int, cores: Cores) -> dict[str, Any]:
    calls, engine = contest(cell, names)
    order = list(calls)
    kept: list[tuple[float, dict[str, float]]] = []
    while len(kept) < TRIES * rounds:
        before = cores.rate()
        turns = {name: burst(calls[name]) for name in order}
        time.sleep(REST)
        kept.append((min(before, cores.rate()), turns))
        order.append(order.pop(0))
        if sum(rate >= UNDISTURBED * cores.best for rate, _ in kept) >= rounds:
            break
    counting = [turns for rate, turns in kept if rate >= UNDISTURBED * cores.best]
    seconds = {name: [turns[name] for turns in counting or [turns for _, turns in kept]] for name in calls}
    return {"seconds": seconds, "engine": engine, "disturbed": len(kept) - len(counting), "undisturbed": len(counting)}


# ---------------------------------------------------------------------- the file of raw cells


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Cells by key; of a contender that was timed twice the later time."""
    found: dict[str, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        record = json.loads(line)
        known = found.setdefault(record["key"], {"seconds": {}})
        record["seconds"] = known["seconds"] | record["seconds"]
        found[record["key"]] = {**known, **record}
    return found


def environment(dtypes: Sequence[str]) -> dict[str, Any]:
    """What times depend on, with the rate of a large product: it tells whether somebody else was at work."""
    rates = {dtype: max(product.rate() for _ in range(3)) for dtype in dtypes for product in [Product(dtype)]}
    return {
        "processor": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "threads": kernels.num_threads(),
        "blas": blas(),
        "versions": versions(),
        "product": {dtype: f"{rate / 1e9:.0f} GF/s" for dtype, rate in rates.items()},
    }


def measure(options: argparse.Namespace) -> None:
    directions = ("both",) if options.engines else options.direction
    names = [name for name in kernels.ENGINES if name != "definition"] if options.engines else options.contender
    wanted = list(cells(options.network, options.batch, options.dtype, directions))
    known = {} if options.again else read(options.cells)
    todo = [cell for cell in wanted if not done(known.get(cell.key), names, options.engines)]
    end = time.monotonic() + options.seconds
    options.cells.parent.mkdir(parents=True, exist_ok=True)
    around = environment(options.dtype)
    number, cores = 0, Cores()
    time.sleep(1)  # the workers that the large product woke
    cores.best = max(cores.rate() for _ in range(20))
    with options.cells.open("a", encoding="utf-8") as file:
        for cell in todo:
            record = timed(cell, names, options.rounds, cores)
            file.write(json.dumps({"key": cell.key, **record, "environment": around}) + "\n")
            file.flush()
            kernels.cache.clear()
            number += 1
            if time.monotonic() > end:
                break
    print(f"{number} cells measured, {len(todo) - number} to go, {len(wanted) - len(todo)} were there; {around}")


def done(record: dict[str, Any] | None, names: Sequence[str], engines: bool) -> bool:
    """Whether everyone was timed; of the engines, any, since most refuse most cells."""
    timed_before = set(record["seconds"]) if record else set()
    return bool(timed_before & set(names)) if engines else set(names) <= timed_before


def table(options: argparse.Namespace) -> None:
    known: dict[str, dict[str, Any]] = {}
    for path in [options.cells, *options.over]:
        for key, record in read(path).items():
            before = known.setdefault(key, {"seconds": {}})
            known[key] = {**before, **record, "seconds": before["seconds"] | record["seconds"]}
    named = {
        (network, batch, dtype, direction): {
            workload: (known[key], times)
            for workload, times in NETWORKS[network].items()
            if (key := Cell(workload._replace(batch=batch), dtype, direction).key) in known
        }
        for network in options.network
        for batch in options.batch
        for dtype in options.dtype
        for direction in options.direction
    }
    print(printed(named, worst=options.worst))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.network_cells", description="The networks' convolutions."
    )
    commands = parser.add_subparsers(required=True)
    of: dict[str, argparse.ArgumentParser] = {name: commands.add_parser(name) for name in ("measure", "table")}
    for one in of.values():
        one.add_argument("--network", action="append", choices=list(NETWORKS))
        one.add_argument("--batch", action="append", type=int)
        one.add_argument("--dtype", action="append", choices=DTYPES)
        one.add_argument("--direction", action="append", choices=(*DIRECTIONS, "both"))
        one.add_argument("--cells", type=Path, default=RAW, help=f"the raw cells (default {RAW})")
    of["measure"].add_argument("--contender", action="append", choices=(*CONTENDERS, *kernels.ENGINES))
    of["measure"].add_argument("--engines", action="store_true", help="every engine, forward and backward together")
    of["measure"].add_argument("--again", action="store_true", help="cells that the file has, too")
    of["measure"].add_argument("--seconds", type=float, default=float("inf"), help="stop after so many")
    of["measure"].add_argument("--rounds", type=int, default=ROUNDS)
    of["measure"].set_defaults(run=measure)
    of["table"].add_argument("--over", action="append", type=Path, default=[], help="cells that replace those, too")
    of["table"].add_argument("--worst", type=int, default=12, help="how many of the worst cells to name")
    of["table"].set_defaults(run=table)
    options = parser.parse_args()
    defaults = {"network": list(NETWORKS), "batch": list(BATCHES), "dtype": list(DTYPES), "direction": list(DIRECTIONS)}
    for name, value in {**defaults, "contender": list(CONTENDERS)}.items():
        if getattr(options, name, value) is None:
            setattr(options, name, value)
    if "contender" in options and torch is None:
        options.contender = [name for name in options.contender if name != "torch"]
    return options


def main() -> None:
    options = arguments()
    if hasattr(os, "sched_setaffinity"):  # as many cores for everyone as we have threads
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: kernels.num_threads()])
    with double_precision():
        options.run(options)


if __name__ == "__main__":
    main()
