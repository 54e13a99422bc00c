"""Every distinct convolution of networks that are in use, by network: the second suite's workloads.

A line is a layer of one image, and how often the network has it; batch and dtype come with the measurement. Sums over a
network count a layer as often as it stands there.

Sources: ResNet-50, He et al., arXiv 1512.03385 (stride in the 3×3, as torchvision has it); VGG-16, arXiv 1409.1556;
MobileNetV2, arXiv 1801.04381; U-Net, arXiv 1505.04597, with 32 channels on 128×128 and "same" padding; AlexNet,
arXiv 1404.5997 (one tower); EfficientNet-B0, arXiv 1905.11946, its 5×5 depthwise and its squeeze-and-excitation layers;
LeNet-5, LeCun et al., 1998, and small networks as tutorials have them for 28×28 and 32×32.
"""

from collections.abc import Iterator

from benchmarks.workloads import Workload


def layer(
    inputs: int,
    outputs: int,
    side: int,
    kernel: int = 1,
    stride: int = 1,
    *,
    groups: int = 1,
    padding: int | None = None,
) -> Workload:
    """One image; padded as far as keeps its size at stride 1, if nothing else is said."""
    around = (kernel - 1) // 2 if padding is None else padding
    return Workload(1, inputs, outputs, side, side, kernel, stride, around, groups)


def depthwise(channels: int, side: int, kernel: int, stride: int = 1) -> Workload:
    return layer(channels, channels, side, kernel, stride, groups=channels)


def bottlenecks() -> Iterator[tuple[Workload, int]]:
    """ResNet-50: the stem, and four stages of blocks 1×1, 3×3, 1×1."""
    yield layer(3, 64, 224, 7, 2), 1
    inputs = 64
    for width, side, blocks in ((64, 56, 3), (128, 28, 4), (256, 14, 6), (512, 7, 3)):
        stride = 1 if width == 64 else 2
        yield layer(inputs, width, side * stride), 1
        yield layer(width, width, side * stride, 3, stride), 1
        yield layer(inputs, 4 * width, side * stride, 1, stride), 1  # past the block
        yield layer(width, 4 * width, side), blocks
        yield layer(4 * width, width, side), blocks - 1
        yield layer(width, width, side, 3), blocks - 1
        inputs = 4 * width


def inverted_residuals() -> Iterator[tuple[Workload, int]]:
    """MobileNetV2: blocks 1×1 to `expand` times the channels, depthwise 3×3, 1×1."""
    yield layer(3, 32, 224, 3, 2), 1
    inputs, side = 32, 112
    for expand, outputs, number, first_stride in (
        *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
        *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
    ):
        for stride in (first_stride, *[1] * (number - 1)):
            hidden = inputs * expand
            if expand > 1:
                yield layer(inputs, hidden, side), 1
            yield depthwise(hidden, side, 3, stride), 1
            side //= stride
            yield layer(hidden, outputs, side), 1
            inputs = outputs
    yield layer(320, 1280, 7), 1


def there_and_back() -> Iterator[tuple[Workload, int]]:
    """U-Net: pairs of 3×3 down to 8×8 and up again, with what was there on the way down beside it."""
    inputs = 3
    for channels, side in ((32, 128), (64, 64), (128, 32), (256, 16), (512, 8)):
        yield layer(inputs, channels, side, 3), 1
        yield layer(channels, channels, side, 3), 1
        inputs = channels
    for channels, side in ((256, 16), (128, 32), (64, 64), (32, 128)):
        yield layer(3 * channels, channels, side, 3), 1
        yield layer(channels, channels, side, 3), 1
    yield layer(32, 2, 128), 1


def squeezed() -> Iterator[tuple[Workload, int]]:
    """EfficientNet-B0: the 5×5 depthwise, and for every block the two 1×1 on a single position."""
    for channels, side, stride, times in (
        *((144, 56, 2, 1), (240, 28, 1, 1), (480, 14, 1, 1), (672, 14, 1, 2)),
        *((672, 14, 2, 1), (1152, 7, 1, 3)),
    ):
        yield depthwise(channels, side, 5, stride), times
    for channels, few, times in (
        *((32, 8, 1), (96, 4, 1), (144, 6, 2), (240, 10, 2), (480, 20, 3), (672, 28, 3), (1152, 48, 4)),
    ):
        yield layer(channels, few, 1), times
        yield layer(few, channels, 1), times


def classroom() -> Iterator[tuple[Workload, int]]:
    """LeNet-5 and tutorials' networks on 28×28 and 32×32."""
    for one in (
        *(layer(1, 6, 28, 5), layer(6, 16, 14, 5, padding=0), layer(16, 120, 5, 5, padding=0)),  # LeNet-5
        *(layer(1, 32, 28, 3, padding=0), layer(32, 64, 26, 3, padding=0)),  # the tutorial on digits
        *(layer(1, 16, 28, 5), layer(16, 32, 14, 5)),
        *(layer(1, 20, 28, 5, padding=0), layer(20, 50, 12, 5, padding=0)),
        *(layer(3, 6, 32, 5, padding=0), layer(1, 16, 28, 5, padding=0), layer(16, 32, 24, 5, padding=0)),
        *(layer(3, 32, 32, 3), layer(32, 32, 32, 3), layer(32, 64, 16, 3), layer(64, 64, 16, 3), layer(64, 128, 8, 3)),
        *(layer(3, 16, 32, 3), layer(16, 16, 32, 3), layer(16, 32, 32, 3, 2), layer(16, 32, 32, 1, 2)),  # ResNet-20
        *(layer(32, 64, 16, 3, 2), layer(32, 64, 16, 1, 2), layer(64, 64, 8, 3)),
        *(layer(1, 8, 8, 3), layer(8, 16, 8, 3), layer(16, 16, 4, 3)),
    ):
        yield one, 1


VGG = (
    *((layer(3, 64, 224, 3), 1), (layer(64, 64, 224, 3), 1), (layer(64, 128, 112, 3), 1), (layer(128, 128, 112, 3), 1)),
    *((layer(128, 256, 56, 3), 1), (layer(256, 256, 56, 3), 2), (layer(256, 512, 28, 3), 1)),
    *((layer(512, 512, 28, 3), 2), (layer(512, 512, 14, 3), 3)),
)
ALEXNET = (
    *((layer(3, 64, 224, 11, 4, padding=2), 1), (layer(64, 192, 27, 5), 1), (layer(192, 384, 13, 3), 1)),
    *((layer(384, 256, 13, 3), 1), (layer(256, 256, 13, 3), 1)),
)


def counted(layers: Iterator[tuple[Workload, int]] | tuple[tuple[Workload, int], ...]) -> dict[Workload, int]:
    """Every distinct layer, and how often it is there."""
    found: dict[Workload, int] = {}
    for one, times in layers:
        found[one] = found.get(one, 0) + times
    return found


NETWORKS: dict[str, dict[Workload, int]] = {
    "resnet50": counted(bottlenecks()),
    "vgg16": counted(VGG),
    "mobilenetv2": counted(inverted_residuals()),
    "unet": counted(there_and_back()),
    "alexnet": counted(ALEXNET),
    "efficientnet": counted(squeezed()),
    "classroom": counted(classroom()),
}
