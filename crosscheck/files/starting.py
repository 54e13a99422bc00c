"""A file to begin with: one layer, its derivation line by line, and one line of it still to be derived."""

from __future__ import annotations

from pathlib import Path

START = '''"""A layer and its gradients, derived by hand, line by line.

    crosscheck check {name}              again on every save: --watch

Put your own layer in the place of this one, a dense layer with tanh:

    z[b,o] = Σ_d x[b,d] · w[d,o] + bias[o]                               (1)
    y[b,o] = tanh(z[b,o])                                                (2)
"""

import numpy as np

from crosscheck import tap

# Where the gradients are checked. A shape is filled with random numbers, an array
# is taken as it is; "4,3 float32", "4,3 0.1..2", "5 int64 0..9" are drawn so.
inputs = {{"x": (4, 3), "w": (3, 2), "bias": (2,)}}


def forward(x, w, bias):
    z = tap("z", x @ w + bias)                            # (1), marked: its gradient is checked, too
    return np.tanh(z)                                     # (2)


def backward(grad_output, x, w, bias):
    y = np.tanh(x @ w + bias)                             # what (2) gave, once more
    grad_z = grad_output * (1 - y * y)                    # (2): tanh′ = 1 − tanh²
    grad_x = grad_z @ w.T                                 # (1): x[b,d] meets w[d,o], summed over o
    grad_w = ...                                          # (1): to be derived: w[d,o] meets x[b,d], summed over b
    grad_bias = grad_z.sum(axis=0)                        # (1): bias[o] is added for every b
    # In the order in which they are derived, so that the first wrong line is named.
    return {{"z": grad_z, "x": grad_x, "w": grad_w, "bias": grad_bias}}


# The same forward in jax.numpy, written independently of the one above, is a better
# witness than its own recording, which knows nothing of a mistake in it:
#
# import jax.numpy as jnp
#
# def reference(x, w, bias):
#     return jnp.tanh(tap("z", jnp.einsum("bd,do->bo", x, w) + bias))
'''


def write_start(path: Path) -> None:
    """Write the file.

    Raises:
        FileExistsError: there is one, which stays as it is.
        OSError: it cannot be written.
    """
    with path.open("x", encoding="utf-8") as file:
        file.write(START.format(name=path.name))
