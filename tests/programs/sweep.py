"""Many programs, in several processes: the outcomes in the order of their indices."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.programs.run import Outcome, one

# A worker's compiled programs are never met again; all are replaced before they fill the memory (about 10 MB for each).
# Not one by one: a pool of Python 3.11 that replaces its workers may wait for ever (CPython issue 115634).
PROGRAMS_PER_WORKER = 100


def quietly(seed: int, index: int, with_reference: bool, limit: float | None, diagnose: bool = True) -> Outcome:
    """Without the warnings of the code under check; only its numbers are judged here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return one(seed, index, with_reference, limit, diagnose)


def sweep(
    seed: int, indices: range, jobs: int, with_reference: bool, limit: float | None, diagnose: bool = True
) -> Iterator[Outcome]:
    if jobs == 1:
        for index in indices:
            yield quietly(seed, index, with_reference, limit, diagnose)
        return
    # Spawned, not forked: JAX's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    together = jobs * PROGRAMS_PER_WORKER
    for start in range(0, len(indices), together):
        with ProcessPoolExecutor(jobs, context) as pool:
            some = indices[start : start + together]
            futures = [pool.submit(quietly, seed, index, with_reference, limit, diagnose) for index in some]
            try:
                for future in futures:
                    yield future.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
