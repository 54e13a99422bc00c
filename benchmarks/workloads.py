"""The convolutions that are timed, by name."""

from typing import NamedTuple


class Workload(NamedTuple):
    name: str
    batch: int
    input_channels: int
    output_channels: int
    height: int
    width: int
    kernel: int
    stride: int
    padding: int

    @property
    def output_size(self) -> tuple[int, int]:
        def positions(size: int) -> int:
            return (size + 2 * self.padding - self.kernel) // self.stride + 1

        return positions(self.height), positions(self.width)

    @property
    def multiplications(self) -> int:
        """Of the forward pass, each with its addition; the backward pass has twice as many."""
        rows, columns = self.output_size
        window = self.input_channels * self.kernel**2
        return self.batch * self.output_channels * rows * columns * window

    @property
    def longest_sum(self) -> int:
        """How many products the longest sum has, among the output's and the three gradients'."""
        rows, columns = self.output_size
        channels = max(self.input_channels, self.output_channels)
        return max(channels * self.kernel**2, self.batch * rows * columns)


WORKLOADS = (
    Workload("lecture1", 32, 1, 8, 16, 16, kernel=3, stride=1, padding=1),
    Workload("lecture2", 32, 8, 16, 8, 8, kernel=3, stride=1, padding=1),
    Workload("lenet", 64, 1, 6, 28, 28, kernel=5, stride=1, padding=2),
    Workload("resnet56", 8, 64, 64, 56, 56, kernel=3, stride=1, padding=1),
    Workload("resnet14", 8, 256, 256, 14, 14, kernel=3, stride=1, padding=1),
    Workload("point", 8, 256, 64, 56, 56, kernel=1, stride=1, padding=0),
    Workload("stem", 8, 3, 64, 224, 224, kernel=7, stride=2, padding=3),
    Workload("large", 4, 32, 32, 64, 64, kernel=11, stride=1, padding=5),
)
