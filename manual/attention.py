"""Scaled dot-product attention: every place takes a weighted mean of values, by how well its query fits their keys.

    Y[b,t,v] = Σ_s P[b,t,s]·V[b,s,v]                                           (1)
    P[b,t,s] = exp(S[b,t,s]) / Σ_r exp(S[b,t,r])                               (2)
    S[b,t,s] = a·Σ_d Q[b,t,d]·K[b,s,d],  a = 1/√D                              (3)

for each head by itself; with several heads the features of Q, K and V fall into as many equal parts, and another a may
be given. Where the mask forbids a pair (t, s), S is -∞ and P is 0; a mask of numbers is added to S. Nudge V, Q and K.
S is a product of two, P moves as softmax does (`softmax`, (2)), and Y is a product again:

    Ṡ[b,t,s] = a·Σ_d ( Q̇[b,t,d]·K[b,s,d] + Q[b,t,d]·K̇[b,s,d] )                 (4)
    Ṗ[b,t,s] = P[b,t,s]·( Ṡ[b,t,s] - Σ_r P[b,t,r]·Ṡ[b,t,r] )                   (5)
    Ẏ[b,t,v] = Σ_s ( Ṗ[b,t,s]·V[b,s,v] + P[b,t,s]·V̇[b,s,v] )                   (6)

With G = ∂L/∂Y from the next layer, H = ∂L/∂P, and softmax's own derivative (`softmax`, (3)),

    ∂L/∂V[b,s,v] = Σ_t P[b,t,s]·G[b,t,v]                                       (7)
    H[b,t,s]     = Σ_v G[b,t,v]·V[b,s,v]                                       (8)
    ∂L/∂S[b,t,s] = P[b,t,s]·( H[b,t,s] - Σ_r H[b,t,r]·P[b,t,r] )               (9)
    ∂L/∂Q[b,t,d] = a·Σ_s ∂L/∂S[b,t,s]·K[b,s,d]                                 (10)
    ∂L/∂K[b,s,d] = a·Σ_t ∂L/∂S[b,t,s]·Q[b,t,d]                                 (11)

A pair that is forbidden has P = 0, so nothing goes forward through it, and nothing comes back; so of a place that may
ask nobody, whose P and Y are 0, as in PyTorch and ONNX. Self-attention reads one
x three times: its gradients from Q, K and V add up (`program`, (3)).

Letters: Q queries; K keys; V values; Y output; S scores; P shares; H = ∂L/∂P; a scale; D features of a head; b sample
and head; t place that asks; s, r place that is asked; d feature; v feature of a value; G = ∂L/∂Y; L loss; a dot marks a
nudge.

Source: A. Vaswani et al., *Attention is all you need*, arXiv 1706.03762, section 3.2.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from manual import checks
from manual.layer import Layer
from manual.program import INPUT, Stage
from manual.weights import he_normal

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs, every array (B, heads, T or S, features of a head)."""

    queries: Array
    keys: Array
    values: Array
    shares: Array  # P (B, heads, T, S)
    scale: np.generic  # a


def forward(
    queries: Array,
    keys: Array,
    values: Array,
    *,
    heads: int = 1,
    mask: ArrayLike | None = None,
    scale: float | None = None,
) -> tuple[Array, Saved]:
    """The weighted means (1).

    Args:
        queries: (B, T, E); float32, float64 or complex128, as keys and values.
        keys: (B, S, E).
        values: (B, S, F).
        heads: divides E and F.
        mask: (T, S), (B, T, S) or (B, heads, T, S): which pairs are allowed, or numbers that are added to the scores,
            -∞ where a pair is not; None: all. It is not differentiated.
        scale: a; None: 1/√D.

    Raises:
        ValueError: shapes that do not fit, or heads that do not divide.
    """
    for name, array in (("queries", queries), ("keys", keys), ("values", values)):
        checks.rank(array, name, "B T E")
        if array.shape[2] % checks.integer(heads, "heads", 1):
            raise ValueError(f"heads is {heads}; it does not divide the {array.shape[2]} features of {name}")
    if keys.shape[:2] != values.shape[:2] or queries.shape[::2] != keys.shape[::2]:
        raise ValueError(
            f"queries, keys and values have shapes {queries.shape}, {keys.shape}, {values.shape}; they must be "
            "(B, T, E), (B, S, E), (B, S, F)"
        )
    q, k, v = (split(array, heads) for array in (queries, keys, values))
    factor = np.real(q).dtype.type(q.shape[3] ** -0.5 if scale is None else checks.number(scale, "scale"))
    scores = factor * (q @ k.swapaxes(2, 3))  # (3)
    if mask is not None:
        scores = masked(scores, np.asarray(mask))
    largest = np.real(scores).max(axis=3, keepdims=True, initial=-np.inf)
    nobody = largest == -np.inf  # may be asked
    exponentials = np.exp(scores - np.where(nobody, 0, largest))
    shares = exponentials / np.where(nobody, 1, exponentials.sum(axis=3, keepdims=True))  # (2)
    return joined(shares @ v), Saved(q, k, v, shares, factor)  # (1)


def split(array: Array, heads: int) -> Array:
    """(B, T, E) as (B, heads, T, E / heads)."""
    samples, places, features = array.shape
    return array.reshape(samples, places, heads, features // heads).swapaxes(1, 2)


def joined(array: Array) -> Array:
    """The other way round."""
    samples, heads, places, features = array.shape
    return array.swapaxes(1, 2).reshape(samples, places, heads * features)


def masked(scores: Array, mask: Array) -> Array:
    """The scores (B, heads, T, S) of allowed pairs, with the numbers of a mask added, and -∞."""
    shapes = (scores.shape[2:], (scores.shape[0], *scores.shape[2:]), scores.shape)
    if mask.dtype.kind not in "bf" or mask.shape not in shapes or np.isnan(mask).any():
        raise ValueError(
            f"mask has shape {mask.shape} and dtype {mask.dtype}; it must be booleans, or numbers to add, of shape "
            f"{', '.join(map(str, shapes[:2]))} or {shapes[2]}"
        )
    mask = mask[:, None] if mask.ndim == 3 else mask
    open_to = mask if mask.dtype == bool else mask > -np.inf
    if mask.dtype == bool:
        return np.where(mask, scores, -np.inf)
    return np.where(open_to, scores + np.where(open_to, mask, 0).astype(np.real(scores).dtype), -np.inf)


def tangent(nudge_queries: Array, nudge_keys: Array, nudge_values: Array, saved: Saved) -> Array:
    """Ẏ from Q̇, K̇, V̇, the shapes of queries, keys and values. Raises ValueError for another shape."""
    q, k, v, shares, factor = saved
    heads, given = q.shape[1], (nudge_queries, nudge_keys, nudge_values)
    for name, nudge, moved in zip(("queries", "keys", "values"), given, (q, k, v), strict=True):
        checks.nudges(**{name: (nudge, joined(moved).shape)})
    nudge_q, nudge_k, nudge_v = (split(nudge, heads) for nudge in given)
    nudge_scores = factor * (nudge_q @ k.swapaxes(2, 3) + q @ nudge_k.swapaxes(2, 3))  # (4)
    nudge_shares = shares * (nudge_scores - (shares * nudge_scores).sum(axis=3, keepdims=True))  # (5)
    return joined(nudge_shares @ v + shares @ nudge_v)  # (6)


def backward(grad_output: Array, saved: Saved) -> tuple[Array, Array, Array]:
    """∂L/∂queries, ∂L/∂keys, ∂L/∂values from G = grad_output (B, T, F). Raises ValueError for another shape."""
    q, k, v, shares, factor = saved
    samples, heads, places, _ = q.shape
    checks.same_shape(grad_output, (samples, places, heads * v.shape[3]), "grad_output", "the output")
    g = split(grad_output, heads)
    grad_values = shares.swapaxes(2, 3) @ g  # (7)
    grad_shares = g @ v.swapaxes(2, 3)  # (8)
    grad_scores = shares * (grad_shares - (grad_shares * shares).sum(axis=3, keepdims=True))  # (9)
    grad_queries = factor * (grad_scores @ k)  # (10)
    grad_keys = factor * (grad_scores.swapaxes(2, 3) @ q)  # (11)
    return joined(grad_queries), joined(grad_keys), joined(grad_values)


PROJECTIONS = ("queries", "keys", "values", "output")


class SelfAttention(Layer):
    """Attention of a sequence (B, T, E) to itself: projected to queries, keys and values, and projected back.

    Args:
        features: E.
        heads: divides E.
        causal: whether a place may ask only places up to its own; the sequence then has `places` places.
        places: T, needed where causal.
        scale: a; None: 1/√D.
        dtype: float64 or float32.
        rng: a Generator or a seed; the weights are drawn from it, normal with variance 2 / E; the biases start at 0.

    Attributes:
        queries_weights, keys_weights, values_weights, output_weights (E, E), and the same with biases (E,).

    Raises:
        TypeError, ValueError: sizes that are no integers, below 1, or do not divide; causal without places.
    """

    parameter_names = tuple(f"{name}_{kind}" for name in PROJECTIONS for kind in ("weights", "biases"))

    def __init__(
        self,
        features: int,
        heads: int = 1,
        *,
        causal: bool = False,
        places: int | None = None,
        scale: float | None = None,
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        super().__init__(dtype=dtype)
        size, self.heads = checks.integer(features, "features", 1), checks.integer(heads, "heads", 1)
        if size % self.heads:
            raise ValueError(f"heads is {self.heads}; it does not divide features, {size}")
        self.mask, self.scale = None, None if scale is None else checks.number(scale, "scale")
        if causal:
            self.mask = np.tri(checks.integer(places, "places", 1), dtype=bool)
        rng = np.random.default_rng(rng)
        for name in PROJECTIONS:
            setattr(self, f"{name}_weights", he_normal(rng, (size, size), fan_in=size))
            setattr(self, f"{name}_biases", np.zeros(size))

    def stages(self) -> tuple[Stage, ...]:
        def projected(name: str, reads: str) -> Stage:
            return Stage("projection", (f"{name}_weights", f"{name}_biases"), reads=(reads,), writes=name)

        asked = PROJECTIONS[:3]
        hyper = {"heads": self.heads, "mask": self.mask, "scale": self.scale}
        attended = Stage("attention", hyperparameters=hyper, reads=asked, writes="attended")
        return (*(projected(name, INPUT) for name in asked), attended, projected("output", "attended"))
