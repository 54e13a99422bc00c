"""Run the benchmarks with two threads for everyone and the matrix kernels that the processor has.

    python -m benchmarks --help

OpenBLAS, PyTorch and XLA read their settings when they are imported, so this starts Python afresh: with
OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE removed (some environments hold OpenBLAS to older kernels by them, and nobody
else), with two cores to run on where the system can say so, and with the variables that set a number of threads.
"""

import os
import sys

THREADS = 2
REMOVED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
NUMBERS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MANUAL_NUM_THREADS")


def main() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in REMOVED}
    environment |= dict.fromkeys(NUMBERS, str(THREADS))
    if hasattr(os, "sched_setaffinity"):  # not on every platform; XLA heeds it, and nothing else
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    os.execve(sys.executable, [sys.executable, "-m", "benchmarks.performance", *sys.argv[1:]], environment)


if __name__ == "__main__":
    main()
