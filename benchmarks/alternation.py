"""Time one function with pytest-benchmark and its peers between its rounds.

A machine's speed drifts, so times taken minutes apart make no ratio. Here every round times each
contender once, one after the other, and a ratio is taken within its round. pytest-benchmark times
ours: a round of it is a burst of calls. After each of its rounds it calls our teardown, where the
peers get theirs, in an order that turns from round to round. Before its burst every contender
rests, which lets the threads of the one before go idle, and makes a few untimed calls.
"""

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

REST = 0.06  # seconds; OpenBLAS's workers spin for about half of that after a call
BURST = 0.04  # seconds, at least, of timed calls
UNTIMED_CALLS = 2

Contender = Callable[[], Any]


def time_in_turns(
    benchmark: Any, ours: Contender, peers: Mapping[str, Contender], *, rounds: int
) -> tuple[list[float], dict[str, list[float]]]:
    """Return the seconds per call in each round: ours, and each peer's by its name."""
    calls = {contender: calls_in_a_burst(contender) for contender in (ours, *peers.values())}
    order = list(peers)
    seconds: dict[str, list[float]] = {name: [] for name in peers}

    def peers_turn() -> None:
        for name in order:
            peer = peers[name]
            get_ready(peer)
            start = time.perf_counter()
            for _ in range(calls[peer]):
                peer()
            seconds[name].append((time.perf_counter() - start) / calls[peer])
        order.append(order.pop(0))
        get_ready(ours)

    get_ready(ours)
    benchmark.pedantic(ours, rounds=rounds, iterations=calls[ours], teardown=peers_turn)
    # After a burst of several calls pedantic makes one more, untimed, and tears that down too.
    return list(benchmark.stats.stats.data), {name: turns[:rounds] for name, turns in seconds.items()}


def median_ratio(ours: list[float], peer: list[float]) -> float:
    return median(mine / other for mine, other in zip(ours, peer, strict=True))


def calls_in_a_burst(contender: Contender) -> int:
    contender()
    start = time.perf_counter()
    contender()
    return max(1, round(BURST / (time.perf_counter() - start)))


def get_ready(contender: Contender) -> None:
    time.sleep(REST)
    for _ in range(UNTIMED_CALLS):
        contender()
