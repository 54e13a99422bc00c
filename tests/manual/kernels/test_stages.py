"""Who transforms which blocks: all of them once, an image's in order and on one thread."""

import numpy as np
import pytest

from manual import (
    kernels,
)
from manual.kernels.stages import Stages, groups


@pytest.mark.parametrize("seed", range(200))
def test_an_image_stays_with_its_thread_from_group_to_group(seed: int) -> None:
    """A thread carries the last rows of a block to the next block of the image: no other image may come between."""
    rng = np.random.default_rng(seed)
    number, blocks, parts = (int(n) for n in rng.integers(1, 9, 3))
    sizes = [int(n) for n in rng.integers(1, 20, blocks)]
    images = [[(image, place) for place in range(blocks)] for image in range(number)]
    limit = int(rng.integers(1, 3 * number * sum(sizes)))
    found = groups(images, lambda block: sizes[block[1]], limit, parts)
    assert sorted(block for group in found for image in group for block in image) == [
        block for image in images for block in image
    ]
    carried: dict[int, tuple[int, int]] = {}  # by thread, the block it did last
    for group in found:
        total = sum(sizes[place] for image in group for _, place in image)
        assert total <= limit or all(len(image) == 1 for image in group)
        stages = Stages(group, lambda _: 1, parts)
        for thread, share in enumerate(kernels.threads.share(len(stages.places), parts)):
            for image in share:
                for (which, place), _ in stages.places[image]:
                    assert place == 0 or carried[thread] == (which, place - 1)
                    carried[thread] = (which, place)
