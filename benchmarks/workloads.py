"""The convolutions that are timed, by name."""

from typing import NamedTuple


class Workload(NamedTuple):
    batch: int
    input_channels: int
    output_channels: int
    height: int
    width: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1

    @property
    def output_size(self) -> tuple[int, int]:
        def positions(size: int) -> int:
            return (size + 2 * self.padding - self.kernel) // self.stride + 1

        return positions(self.height), positions(self.width)

    @property
    def multiplications(self) -> int:
        """Of the forward pass, each with its addition; the backward pass has twice as many."""
        rows, columns = self.output_size
        window = self.input_channels // self.groups * self.kernel**2
        return self.batch * self.output_channels * rows * columns * window

    @property
    def longest_sum(self) -> int:
        """How many products the longest sum has, among the output's and the three gradients'."""
        rows, columns = self.output_size
        channels = max(self.input_channels, self.output_channels) // self.groups
        return max(channels * self.kernel**2, self.batch * rows * columns)

    def grown(self, along: str, factor: int) -> "Workload":
        """So many times the batch, or the area: of 2 times a square's, a rectangle of 2:1."""
        if along == "batch":
            return self._replace(batch=self.batch * factor)
        rows = 2 ** (factor.bit_length() // 2)
        return self._replace(height=self.height * rows, width=self.width * (factor // rows))

    def small(self) -> "Workload":
        """For a run that is not timed."""
        return self._replace(batch=min(self.batch, 2))


WORKLOADS = {
    "lecture1": Workload(32, 1, 8, 16, 16, kernel=3, padding=1),
    "lecture2": Workload(32, 8, 16, 8, 8, kernel=3, padding=1),
    "lenet": Workload(64, 1, 6, 28, 28, kernel=5, padding=2),
    "resnet56": Workload(8, 64, 64, 56, 56, kernel=3, padding=1),
    "resnet14": Workload(8, 256, 256, 14, 14, kernel=3, padding=1),
    "point": Workload(8, 256, 64, 56, 56, kernel=1),
    "stem": Workload(8, 3, 64, 224, 224, kernel=7, stride=2, padding=3),
    "large": Workload(4, 32, 32, 64, 64, kernel=11, padding=5),
}

# The engine that "auto" takes there -> a workload that is large enough for the calls themselves not to count.
GROWING = {
    "small": Workload(64, 3, 8, 16, 16, kernel=3, padding=1),
    "winograd4x2": Workload(2, 64, 64, 32, 32, kernel=3, padding=1),
    "gemm": Workload(2, 16, 32, 64, 64, kernel=5, stride=2, padding=2),
    "pointwise": Workload(2, 128, 64, 32, 32, kernel=1),
    "transform": Workload(2, 16, 24, 64, 64, kernel=11, padding=5),
}


def across(threshold: str, *sizes: tuple[int, int, int, int, int]) -> dict[str, Workload]:
    """Workloads on both sides of a threshold of `manual/kernels/choice.py`: batch, C_in, C_out, image, kernel."""
    return {
        f"{threshold} {batch}×{inputs}→{outputs}, {side}×{side}, {kernel}×{kernel}": Workload(
            batch, inputs, outputs, side, side, kernel, padding=(kernel - 1) // 2
        )
        for batch, inputs, outputs, side, kernel in sizes
    }


CHOICES = {
    **across("SMALL", *((32, 1, 8, side, 3) for side in (16, 32, 64))),
    **across("SMALL", *((32, 8, 16, side, 3) for side in (8, 12, 16, 24))),
    **across("SMALL", *((64, 3, 6, side, 5) for side in (12, 16, 24, 32))),
    **across("SMALL", *((4, 16, 16, side, 3) for side in (14, 28, 56))),
    **across("WINOGRAD_CHANNELS", *((8, channels, channels, 28, 3) for channels in (16, 24, 32, 48, 64, 96))),
    **across("WINOGRAD_LEAST", *((8, 64, 64, side, 3) for side in (7, 14, 20, 28))),
    **across("FEWER", *((4, 32, 32, 48, kernel) for kernel in (5, 7, 9, 11))),
    **across("SPECTRAL_CHANNELS", *((4, channels, channels, 48, 7) for channels in (8, 12, 16, 64))),
}
