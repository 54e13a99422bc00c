"""The Gauss–Newton product: how a network's loss curves along a nudge, as far as the loss itself makes it curve.

Y are the outputs of a network, V all that may move (its input and its parameters), J the derivatives of Y by V, and H
the second derivatives of the loss L by Y. Nudge V by V̇. The outputs move, the loss's gradient at the outputs moves with
them, and what reaches V of that is

    Ẏ = J·V̇                                                                    (1)
    Ġ = H·Ẏ                                                                    (2)
    ∂²L/∂V² · V̇ ≈ Jᵀ·Ġ                                                         (3)

(1) is the network's tangent (`program`, (2)), (2) the loss's own product, (3) the network's backward (`program`, (3)),
which takes Ġ for a gradient that arrives: three passes, and no matrix. The second derivatives of L by V have one more
part, in which J itself moves: Σ_n G[n] times the second derivatives of Y[n]. It is left out; it vanishes where G does,
as at a perfect fit, and where the network is linear.

Jᵀ·H·J is symmetric, since H is. Where the loss is convex in Y, as all losses of this package are whose targets and
weights are not negative, V̇·Jᵀ·H·J·V̇ = Ẏ·H·Ẏ is never negative: the loss does not curve down, whatever the network. The
full second derivatives have neither the one name nor the other virtue.

Letters: Y outputs; V what moves; J derivatives of Y; H second derivatives of L by Y; G = ∂L/∂Y; L loss; n entry; a dot
marks a nudge.

Source: N. Schraudolph, *Fast curvature matrix-vector products for second-order gradient descent*, Neural Computation 14
(2002) 1723-1738; J. Martens, *Deep learning via Hessian-free optimization*, ICML 2010.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from manual import checks
from manual.layer import Layer
from manual.loss import Loss
from manual.program import run_backward, run_forward, run_tangent
from manual.vectors import Arrays, flat, nudges

Array = np.ndarray


class Product(NamedTuple):
    """(3), part by part."""

    x: Array  # the shape of x
    parameters: Array  # one vector, in the order of the network's `parameters`
    by_name: Arrays  # the same, by their names


def gauss_newton_product(
    network: Layer,
    loss: Loss,
    x: Array,
    target: Array,
    nudge_parameters: Array | Mapping[str, Array] | None = None,
    nudge_x: Array | None = None,
) -> Product:
    """Jᵀ·H·J times a nudge, at x and the network's parameters as they are.

    The network is left as it is: neither what it remembers of its last passes nor its state changes. A layer whose
    `training` is set computes as in training.

    Args:
        network: any layer; one with passes of its own needs a `tangent`, too.
        loss: of what it gives; not reduced, it counts as the sum of its terms.
        x: what it reads, in the network's dtype; integers where it reads those.
        target: what the loss compares with.
        nudge_parameters: as in `Layer.tangent`; what is left out stands still.
        nudge_x: the shape of x; None: it stands still.

    Raises:
        TypeError: x or nudge_x in another dtype than the network.
        ValueError: a shape that does not fit.
        NotImplementedError: a layer without a tangent.
    """
    x = np.asarray(x)
    if x.dtype.kind not in "iu":  # indices stay what they are, and cannot be nudged
        x = checks.array(x, "x", network.dtype)
    arrays, owner = network.named_parameters(), type(network).__name__
    of_parameters = nudges(nudge_parameters, arrays, owner, network.dtype)
    of_x = np.zeros(x.shape, network.dtype) if nudge_x is None else checks.array(nudge_x, "nudge_x", network.dtype)
    checks.nudges(x=(of_x, x.shape))
    y, passed, _ = run_forward(network.program(), x)
    nudge_y = run_tangent(passed, of_x, of_parameters)  # (1)
    nudge_g = loss.hessian_product(y, target, nudge_y)  # (2)
    product_x, by_name = run_backward(passed, nudge_g)  # (3)
    by_name = {k: by_name[k] for k in arrays}
    return Product(product_x, flat(by_name, network.dtype), by_name)
