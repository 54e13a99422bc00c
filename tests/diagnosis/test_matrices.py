"""Square matrices and factorizations: the right formula is autodiff's, and each row is another one."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from crosscheck.diagnosis.matrices import QR_ROWS, cholesky_pull, qr_pull, solve_pull, squares, symmetric, weighted
from crosscheck.traces.precision import double_precision

A = np.arange(9.0).reshape(3, 3) + 1


def test_parts_of_a_square() -> None:
    np.testing.assert_array_equal(weighted(A, 1, 0.5, 0), [[0.5, 0, 0], [4, 2.5, 0], [7, 8, 4.5]])
    np.testing.assert_array_equal(symmetric(A, 1.0, 1.0)[0], [1, 6, 10])
    assert not list(squares((2, 3), ("a", "b")))
    assert len({t.text for t in squares((3, 3), ())}) == len(list(squares((3, 3), ())))


def test_the_formulas_are_right_where_no_row_changes_them(rng: np.random.Generator) -> None:
    m, b = rng.normal(size=(4, 4)) + 4 * np.eye(4), rng.normal(size=(4, 2))
    spd, g = m @ m.T, rng.normal(size=(4, 4))
    with double_precision():
        low, pull = jax.vjp(lambda a: jnp.linalg.cholesky(a, symmetrize_input=False), spd)
        given = cholesky_pull(g, np.asarray(low), "", False)
        ours, theirs = given + given.T, pull(jnp.asarray(g))[0]
        np.testing.assert_allclose(np.asarray(theirs) + np.asarray(theirs).T, ours, rtol=1e-9)

        tall = rng.normal(size=(5, 3))
        (q, r), pull = jax.vjp(lambda a: tuple(jnp.linalg.qr(a)), tall)
        gq, gr = rng.normal(size=q.shape), rng.normal(size=r.shape)
        back = qr_pull(gq, gr, np.asarray(q), np.asarray(r), "", "lower")
        np.testing.assert_allclose(pull((jnp.asarray(gq), jnp.asarray(gr)))[0], back, rtol=1e-9)
        for _, _, sign, copy in QR_ROWS:
            assert not np.allclose(qr_pull(gq, gr, np.asarray(q), np.asarray(r), sign, copy), back)

        x, pull = jax.vjp(jnp.linalg.solve, m, b)
        gx = rng.normal(size=x.shape)
        of_a, of_b = pull(jnp.asarray(gx))
        for rows in (False, True):
            turned = [np.swapaxes(a, 0, 1) if rows else a for a in (gx, np.asarray(x), b)]
            of_matrix = solve_pull(turned[0], m, turned[1], turned[2], "right", "x", rows, True)
            np.testing.assert_allclose(of_a, of_matrix, rtol=1e-9)
            of_right = solve_pull(turned[0], m, turned[1], turned[2], "right", "x", rows, False)
            np.testing.assert_allclose(of_b, of_right.T if rows else of_right, rtol=1e-9)
