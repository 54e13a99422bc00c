"""What was tried where a cell misses its target: (workload, direction) -> words for docs/performance.md."""

TRIED: dict[tuple[str, str], str] = {
    ("lecture1", "forward"): (
        "a third of the time is Python: checks, the lookup of the configuration and of its plan. Looking up "
        "without rebuilding the key took 4 of 18 µs off; the rest is some ten NumPy calls of a microsecond each."
    ),
    ("lecture2", "forward"): (
        "half of the time is 32 products of 16×73 with 73×64 at the speed of one core, and PyTorch uses two. "
        "Handing half of the batch to a second thread costs 50 µs, which is what it would save. One product for "
        "the whole batch, its result transposed into place, takes twice as long. Keeping the images once per "
        "column of taps took 10 % off."
    ),
    ("lecture2", "backward"): (
        "columns of X instead of columns of G, with the columns folded back: the same time. A group as large as "
        "the batch and no guard around BLAS took 5 to 10 % off."
    ),
    ("lenet", "forward"): (
        "keeping the images once per column of taps took a third off the copying. Two threads pay from twice this "
        "work on. The products have 6 rows, at which BLAS reaches a third of its speed; products with banded "
        "matrices, which have more rows, would take twice the arithmetic (counted, not tried)."
    ),
    ("lenet", "backward"): (
        "two threads pay from twice this work on. Folding 25 taps back by one `add.reduce` over a skewed view is "
        "half of the time."
    ),
    ("stem", "forward"): (
        "unfolding by columns of taps first, so that every further copy is one run of memory: 5 % slower. The "
        "product itself, 64×148, is 86 % of the time."
    ),
    ("stem", "backward"): (
        "the two products run at the speed of the 2048 product on one core; folding the columns back and reading "
        "them once more is the rest."
    ),
    ("point", "forward"): (
        "blocks of 196 to 1568 positions, so that the bias is added in cache: 0 to 15 % slower. Adding it takes 5 "
        "to 8 %; NumPy has no product that adds to its output. The rest is one BLAS call per image."
    ),
    ("resnet56", "forward"): (
        "blocks of 0.5 to 3 MiB (1 MiB is the best for tiles of 4×4 and as good as any for 4×2). A third of the "
        "time is the products, a third the transforms."
    ),
}
