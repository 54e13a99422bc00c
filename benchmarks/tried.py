"""What was tried where a cell misses its target: (workload, direction) -> words for docs/performance.md."""

TRIED: dict[tuple[str, str], str] = {}
