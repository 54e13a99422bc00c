"""Which steps are one line of code: the turns of loops in Python and of scans."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from crosscheck.diagnosis.sites import alike, blocks, sites_of
from crosscheck.traces.tape import Tape, record

TURNS = 3


def by_python(x, w):
    for _ in range(TURNS):
        x = jnp.tanh(x @ w)
    return x


def by_scan(x, w):
    return jax.lax.scan(lambda x, _: (jnp.tanh(x @ w), None), x, None, length=TURNS)[0]


def of(reference) -> Tape:
    inputs = {"x": np.ones((2, 3)), "w": np.ones((3, 3))}
    return record(reference, inputs, ("x", "w"))


def test_the_turns_of_a_loop_are_one_site() -> None:
    for reference in (by_python, by_scan):
        tape = of(reference)
        products = [k for k, step in enumerate(tape.steps) if step.name == "dot_general"]
        assert alike(tape, products[0]) == products
        assert [sites_of(tape)[k].turn for k in products] == list(range(TURNS))
        assert {sites_of(tape)[k].turns for k in products} == {TURNS}


def test_layers_of_several_sizes_are_no_turns() -> None:
    def layers(x, w):
        for width in (3, 2):
            x = jnp.tanh(x[:, :width] @ w[:width, :width])
        return x

    assert {site.turns for site in sites_of(of(layers))} == {1}


def test_terms_of_one_sum_are_no_turns() -> None:
    tape = of(lambda x, w: x + x + x + jnp.sum(w))
    assert {site.turns for site in sites_of(tape)} == {1}


def test_a_step_knows_its_line() -> None:
    tape = of(by_python)
    source = tape.steps[0].source
    assert source is not None
    assert source.text == "x = jnp.tanh(x @ w)"
    assert str(source).startswith("test_sites.py:")


def test_a_block_has_one_way_in_and_one_out() -> None:
    tape = of(lambda x, w: jax.nn.silu(x @ w))
    block = next(block for block in blocks(tape) if block.words == "silu")
    assert tape.steps[0].writes == (block.entry,)
    assert block.exit == tape.output
