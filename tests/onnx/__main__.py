"""ONNX's node tests through the layers: `python -m tests.onnx` (or `make onnx`). Writes docs/onnx.md.

    python -m tests.onnx --only Resize        the tests whose operator or name contains this; writes nothing

Ends with 1 if one failed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.onnx.adapters import ADAPTERS
from tests.onnx.nodes import installed, nodes
from tests.onnx.page import PAGE, page
from tests.onnx.run import FAILED, NOT_HERE, of_name, outcome


def main(arguments: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m tests.onnx", description="ONNX's node tests through the layers")
    p.add_argument("--only", default="", help="tests whose operator or name contains this")
    p.add_argument("--jobs", type=int, default=2, help="processes (2)")
    options = p.parse_args(arguments)
    try:
        version = installed()
    except ModuleNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    if options.only:
        chosen = [n for n in nodes() if options.only in n.operator or options.only in n.name]
        found = [outcome(node) for node in chosen]
    else:
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            found = list(pool.map(of_name, [node.name for node in nodes()], chunksize=8))
        PAGE.write_text(page(found, version), encoding="utf-8")
    for one in found:
        if one.node.operator in ADAPTERS and (options.only or one.outcome == FAILED):
            print(f"{one.node.name:<60} {one.outcome:<15} {one.gradients} {one.why} {one.note} {one.share:.2g}")
    run = [o for o in found if o.node.operator in ADAPTERS]
    counts = Counter(o.outcome for o in run)
    print(f"{len(run)} tests: {counts}; the largest difference is {max(o.share for o in run):.2g} of what is allowed")
    print(f"{sum(o.outcome == NOT_HERE for o in found) - counts[NOT_HERE]} tests of other operators")
    return int(counts[FAILED] > 0)


if __name__ == "__main__":
    sys.exit(main())
