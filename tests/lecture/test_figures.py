"""The pictures show what they should, gradient flow says where it breaks, and the sheet marks it."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from crosscheck.lecture.flow import Station, gradient_flow
from manual import (
    ConvolutionalLayer,
    FlattenLayer,
    FullyConnectedLayer,
    Layer,
    LayeredNeuralNetwork,
    LinearLayer,
    MaxPoolingLayer,
    MeanSquaredError,
    ReLUActivation,
    SigmoidActivation,
    SoftmaxCrossEntropy,
    TanhActivation,
)
from manual.data import create_image_data
from manual.optimizers import SGD
from manual.training import fit

figures = pytest.importorskip("crosscheck.lecture.figures")

ROOT = Path(__file__).parents[2]
LOSS = SoftmaxCrossEntropy()
IMAGES, LABELS = create_image_data(24, 8, 3, rng=0)


def network(activation: Layer | None = None, dense: Layer | None = None) -> LayeredNeuralNetwork:
    rng = np.random.default_rng(1)
    return LayeredNeuralNetwork(
        [
            ConvolutionalLayer(1, 10, 3, padding=1, rng=rng),
            ReLUActivation() if activation is None else activation,
            MaxPoolingLayer(2),
            FlattenLayer(),
            FullyConnectedLayer(160, 12, rng=rng),
            TanhActivation() if dense is None else dense,
            LinearLayer(12, 3, rng=rng),
        ]
    )


def convolution(of: LayeredNeuralNetwork) -> ConvolutionalLayer:
    layer = of.layers[0]
    assert isinstance(layer, ConvolutionalLayer)
    return layer


def flow(of: Layer) -> list[Station]:
    return gradient_flow(of, LOSS, IMAGES, LABELS)


def broken(stations: list[Station]) -> dict[str, str]:
    return {s.operation: "; ".join(r.text for r in s.comments if r.broken) for s in stations if s.broken}


# ---------------------------------------------------------------------- gradient flow, in numbers


def test_the_stations_are_the_networks_own_passes():
    whole, stations = network(), flow(network())
    y = whole.forward(IMAGES)
    grad_x = whole.backward(LOSS.gradient(y, LABELS))
    np.testing.assert_array_equal(stations[-1].y, y)
    np.testing.assert_array_equal(stations[0].leaving, grad_x)
    gradients = np.concatenate([g.ravel() for s in stations for g in s.gradients.values()])
    np.testing.assert_array_equal(gradients, whole.gradients)
    for before, after in pairwise(stations):
        np.testing.assert_array_equal(before.y, after.x)
        np.testing.assert_array_equal(before.arriving, after.leaving)


def test_layers_with_an_activation_give_two_stations_and_networks_nest():
    inner = LayeredNeuralNetwork([FlattenLayer(), FullyConnectedLayer(64, 3, TanhActivation(), rng=0)])
    stations = flow(LayeredNeuralNetwork([inner]))
    assert [(s.name, s.operation) for s in stations] == [("0.0", "flatten"), ("0.1", "linear"), ("0.1", "tanh")]


def test_a_healthy_network_is_not_called_broken():
    assert broken(flow(network())) == {}


def test_the_network_is_left_as_it_is():
    whole = network()
    whole.forward(IMAGES)
    whole.backward(np.ones((24, 3)))
    before = whole.gradients.tobytes()
    flow(whole)
    assert whole.gradients.tobytes() == before


def zeroed_filter() -> LayeredNeuralNetwork:
    whole = network()
    filters = convolution(whole).filters.copy()
    filters[4] = 0
    convolution(whole).filters = filters
    return whole


class NoMask(ReLUActivation):
    def backward(self, grad_output):
        super().backward(grad_output)
        return grad_output


class Stops(TanhActivation):
    def backward(self, grad_output):
        return 0 * super().backward(grad_output)


class WrongWinner(MaxPoolingLayer):
    def backward(self, grad_output):
        return 2 * super().backward(grad_output)


def saturated() -> LayeredNeuralNetwork:
    whole = network(dense=SigmoidActivation())
    dense = whole.layers[4]
    assert isinstance(dense, FullyConnectedLayer)
    dense.biases = np.full(12, 30.0)
    return whole


def pooled_wrongly() -> LayeredNeuralNetwork:
    layers = list(network().layers)
    layers[2] = WrongWinner(2)
    return LayeredNeuralNetwork(layers)


BREAKS = {
    "zeroed filter": (zeroed_filter, "convolution", "filter 4 is zero"),
    "saturated sigmoid": (saturated, "sigmoid", "100% of the units saturated"),
    "missing mask": (lambda: network(NoMask()), "relu", "the mask is missing: a gradient leaves"),
    "gradient that ends": (lambda: network(dense=Stops()), "tanh", "the gradient ends here"),
    "pool that doubles": (pooled_wrongly, "max_pooling", "what leaves does not add up to what arrives"),
}


@pytest.mark.parametrize(("make", "where", "words"), BREAKS.values(), ids=BREAKS.keys())
def test_a_planted_break_is_named_where_it_is(make, where, words):
    assert words in broken(flow(make()))[where]


def test_dead_channels_are_seen_and_are_no_break_of_their_own():
    whole = network()
    convolution(whole).biases = np.where(np.arange(10) == 2, -50.0, 0.0)
    relu = next(s for s in flow(whole) if s.operation == "relu")
    assert [r.text for r in relu.comments] == ["channel 2 is dead for all 24 images"]
    assert not relu.broken


def test_a_dead_layer_is_a_break():
    whole = network()
    convolution(whole).biases = np.full(10, -50.0)
    assert {"relu", "convolution"} <= set(broken(flow(whole)))


def test_unrewarded_entries_of_a_pool_are_counted():
    pool = next(s for s in flow(network()) if s.operation == "max_pooling")
    assert pool.comments[0].text == "75% of the entries get no gradient"


def test_other_losses_flow_too(rng):
    stations = gradient_flow(LinearLayer(3, 2, rng=rng), MeanSquaredError(), np.ones((4, 3)), np.zeros((4, 2)))
    assert [s.operation for s in stations] == ["linear"]


# ---------------------------------------------------------------------- pictures


def drawn(figure) -> np.ndarray:
    """The picture's pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3] / 255


def vermilion(pixels: np.ndarray) -> int:
    colour = np.array([0xD5, 0x5E, 0x00]) / 255
    return int((np.abs(pixels - colour).max(axis=-1) < 0.02).sum())


@pytest.mark.parametrize("make", [row[0] for row in BREAKS.values()], ids=BREAKS.keys())
def test_a_break_is_framed_on_the_sheet_and_health_is_not(make):
    sheet = figures.gradient_flow_sheet(flow(make()))
    framed = [
        axes for axes in sheet.axes if any(s.get_visible() and s.get_linewidth() > 2 for s in axes.spines.values())
    ]
    stations = flow(make())
    assert len(framed) == 3 * sum(s.broken for s in stations)


def test_a_break_changes_what_is_seen():
    healthy = drawn(figures.gradient_flow_sheet(flow(network())))
    assert vermilion(healthy) == 0
    assert vermilion(drawn(figures.gradient_flow_sheet(flow(zeroed_filter())))) > 500


def test_signed_maps_have_zero_in_the_middle_and_zeros_are_grey():
    axes = figures.Figure().subplots()
    figures.show_map(axes, np.array([[[-1.0, 0.0], [4.0, 2.0]]]), signed=True)
    colours, grey = axes.images
    assert colours.get_clim() == (-4.0, 4.0)
    assert grey.get_array()[0, 1].tolist() == list(figures.ZERO)
    assert grey.get_array()[0, 0, 3] == 0


def test_tiles_keep_every_value_in_its_place():
    grid = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    picture = figures.tiles(grid)
    assert picture.shape == (2 * 5 - 1, 3 * 6 - 1)
    for r in range(2):
        for c in range(3):
            np.testing.assert_array_equal(picture[r * 5 : r * 5 + 4, c * 6 : c * 6 + 5], grid[r, c])
    assert np.isnan(picture).sum() == picture.size - grid.size


def test_every_axis_of_the_training_pictures_is_labelled():
    from crosscheck.lecture.checked_training import cross_checked_fit, drift

    whole = network()
    history = fit(whole, LOSS, SGD(0.1), IMAGES, LABELS, epochs=3, batch_size=8, rng=0, validation=(IMAGES, LABELS))
    checked = cross_checked_fit(network(), LOSS, SGD(0.1), IMAGES, LABELS, epochs=1, batch_size=8, rng=0)
    apart = drift(network(), LOSS, SGD(0.1), IMAGES, LABELS, epochs=1, batch_size=8, rng=0)
    for figure in (
        figures.training_progress(history),
        figures.cross_checked(checked),
        figures.drifting([apart]),
        figures.accuracy_under_shifts({"one": {0: 1.0, 1: 0.5, 2: 0.25}}),
        figures.filters(whole.layers[0]),
    ):
        drawn(figure)
        for axes in figure.axes:
            assert axes.get_ylabel(), figure
            assert axes.get_xlabel() or axes.get_label() == "<colorbar>"


def test_patterns_and_feature_maps_are_drawn():
    figure = figures.image_patterns(create_image_data(30, 8, 4, rng=0), each=3)
    assert [axes.get_ylabel() for axes in figure.axes[::3][:4]] == list(figures.PATTERNS[:4])
    drawn(figure)
    assert "10 feature maps of 8x8" in figures.feature_maps(network(), IMAGES[:2]).axes[1].get_title()


def test_a_network_without_convolution_has_no_feature_maps():
    dense = LayeredNeuralNetwork([FlattenLayer(), LinearLayer(64, 3)])
    with pytest.raises(ValueError, match="the network has no convolution"):
        figures.feature_maps(dense, IMAGES)


def test_a_missing_matplotlib_is_named_with_its_extra():
    code = "import sys; sys.modules['matplotlib'] = None; import crosscheck.lecture.figures"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert (
        "the pictures need matplotlib, which is not installed: install crosscheck with its extra plots" in done.stderr
    )


def test_the_rest_works_without_matplotlib():
    code = "import sys; sys.modules['matplotlib'] = None; import crosscheck.lecture.train_command"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
