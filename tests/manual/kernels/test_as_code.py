"""The lines of code that an engine's docstring says it equals are run, and it equals them, bit for bit at integers."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from manual.kernels import banded, channels, definition, dense, depthwise, lanes
from tests.manual.kernels.test_engines import arrays, draw, run

PLAIN = {"stride": (1, 1), "dilation": (1, 1)}  # what the lines leave out


def lines(module: ModuleType) -> str:
    """The indented lines after "As code", without their indent."""
    block = (module.__doc__ or "").partition("As code")[2].partition("Exact and rounding")[0]
    return "\n".join(line[4:] for line in block.splitlines() if line.startswith("    "))


@pytest.mark.parametrize(
    ("module", "bent"),
    [(dense, {}), (channels, {}), (lanes, {}), (depthwise, PLAIN), (banded, PLAIN)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_engine_equals_its_lines(module: ModuleType, bent: dict[str, Any]) -> None:
    code = compile(lines(module), module.__name__, "exec")
    name, done = module.ENGINE.name, 0
    rng = np.random.default_rng(11)
    while done < 100:
        geometry = draw(rng, name)._replace(**bent)
        if not geometry.batch or min(geometry.positions) < 1:
            continue
        x, filters, biases, g = data = arrays(rng, geometry, np.float64, integers=True)
        rows, columns = geometry.positions
        names: dict[str, Any] = {
            **{"x": x, "filters": filters, "biases": biases, "g": g, "geometry": geometry, "padding": geometry.padding},
            **{"pad": definition.pad, "windows": definition.windows, "sliding_window_view": sliding_window_view},
            **{
                "einsum": np.einsum,
                "ndindex": np.ndindex,
                "zeros": np.zeros,
                "zeros_like": np.zeros_like,
                "kernel": geometry.kernel,
            },
            **{"batch": geometry.batch, "outputs": len(filters), "taps": geometry.taps, "rows": rows},
            **{"columns": columns, "positions": geometry.positions},
        }
        exec(code, names)
        (top, _), (left, _) = geometry.padding
        if "grad_padded" in names:
            height, width = geometry.size
            names["grad_x"] = names["grad_padded"][:, :, top : top + height, left : left + width]
        for mine, key in zip(run(name, data, geometry), ("y", "grad_x", "grad_filters", "grad_biases"), strict=True):
            if key in names:
                np.testing.assert_array_equal(mine, names[key].reshape(mine.shape), err_msg=f"{key}, {geometry}")
        done += 1


def test_the_lines_are_found() -> None:
    counted = {len(lines(module).splitlines()) for module in (dense, channels, lanes, depthwise, banded)}
    assert counted == {3, 4, 5, 6}
