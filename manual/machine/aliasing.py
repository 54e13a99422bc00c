"""Row lengths that a cache can hold many rows of.

A cache finds a place for a number by the low bits of its address, its set. Rows whose length is a multiple of a large
power of two begin in the same set, and only as many of them as a set has ways (8 to 16) stay in the cache: a copy or a
transform down a column then waits for memory at every row. A few numbers of padding at the end of each row spread them
over all sets.
"""

PAD = 64


def without_aliasing(length: int) -> int:
    """A row length, at most `PAD` longer than this one, whose rows do not all fall into the same cache sets."""
    return length + PAD if length % 256 == 0 else length
