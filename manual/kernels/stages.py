"""Three stages with a wait after each: blocks shared out among the threads, then planes, then blocks again.

For engines that transform tiles, multiply plane by plane, and transform back: what a plane multiplies comes from all
blocks.
"""

from collections.abc import Callable, Sequence
from typing import Any

from manual.machine import threads


def groups(
    images: Sequence[Sequence[Any]], size: Callable[[Any], int], limit: int, parts: int
) -> list[list[list[Any]]]:
    """The blocks of all images, some at a time: groups of at most `limit`, by the `size` of a block, as far as one
    block of each of `parts` images is no more than that.

    A group has several whole images or, if too few fit, a stretch of blocks of each of `parts` images, the next stretch
    of the same images following in the next group. So what a thread keeps from one block of an image to the next is not
    touched by another image between them.
    """
    if not images:
        return []
    whole, largest = sum(map(size, images[0])), max(map(size, images[0]))
    few, fit = min(parts, len(images)), limit // whole
    together, blocks = (fit, len(images[0])) if fit >= few else (few, max(1, limit // (few * largest)))
    return [
        [list(image[start : start + blocks]) for image in images[first : first + together]]
        for first in range(0, len(images), together)
        for start in range(0, len(images[first]), blocks)
    ]


class Stages:
    """A group of images, each a list of blocks.

    Args:
        images: the blocks of each image (or few images), in order.
        tiles: how many tiles a block has.
        parts: among how many threads to share.
    """

    def __init__(self, images: Sequence[Sequence[Any]], tiles: Callable[[Any], int], parts: int) -> None:
        self.parts = parts
        self.tiles = 0
        self.places: list[list[tuple[Any, slice]]] = []
        for blocks in images:
            placed = []
            for block in blocks:
                start, self.tiles = self.tiles, self.tiles + tiles(block)
                placed.append((block, slice(start, self.tiles)))
            self.places.append(placed)

    def by_block(self, work: Callable[[Any, slice, int], object]) -> None:
        """work(block, its tiles, part) for every block; those of an image in order, on one thread."""
        shares = threads.share(len(self.places), self.parts)

        def part(number: int) -> None:
            for image in shares[number]:
                for block, at in self.places[image]:
                    work(block, at, number)

        threads.run(part, len(shares))

    def by_plane(self, planes: int, work: Callable[[slice], object]) -> None:
        """work(some of the planes)."""
        shares = threads.share(planes, self.parts)
        threads.run(lambda part: work(slice(shares[part].start, shares[part].stop)), len(shares))
