"""The numbers that a factor may be made of, and what they are called."""

from __future__ import annotations

from crosscheck.diagnosis.sizes import MOST_SIZES, sizes_of

CONV = (
    {"x": (2, 3, 6, 7), "filters": (4, 3, 3, 3)},
    {
        "x": ("batch", "channels", "rows", "columns"),
        "filters": ("output channels", "input channels", "kernel rows", "kernel columns"),
    },
    (2, 4, 5, 8),
    ("batch", "output channels", "output rows", "output columns"),
)


def test_axes_and_areas() -> None:
    found = {size.name: size.value for size in sizes_of(*CONV, windows=[(2, 3)])}
    assert found["batch"] == 2
    assert found["kernel rows · kernel columns"] == 9
    assert found["output rows · output columns"] == 40
    assert found["window rows · window columns"] == 6
    assert found["entries of the output"] == 320
    assert len(found) <= MOST_SIZES


def test_lengths_of_one_say_nothing() -> None:
    found = sizes_of({"x": (1, 5)}, {"x": ("batch", "features")}, (1, 3), ("batch", "outputs"), [])
    assert {size.name for size in found} == {"2", "features", "outputs", "entries of the output"}


def test_a_scalar_output_counts_the_inputs_entries() -> None:
    found = {s.name: s for s in sizes_of({"p": (4, 6)}, {"p": ("batch", "features")}, (), (), [])}
    assert found["entries of p"].value == 24
    assert found["entries of p"].cost > found["batch"].cost
