"""A forward that takes only some numbers is asked no others, or what it says to them is no failure of the check."""

import numpy as np
import pytest

import crosscheck

Array = np.ndarray
RNG = np.random.default_rng(11)


def entropy(p: Array) -> Array:
    if (p < 0).any() or (p > 1).any():
        raise ValueError("probabilities lie between 0 and 1")
    return -(p * np.log(p) + (1 - p) * np.log(1 - p))


@pytest.mark.parametrize("shape", [(7,), (5, 43), (3, 5, 50)])
@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "agree"), (1.001, "disagree")])
def test_probabilities_of_any_number(shape: tuple[int, ...], factor: float, verdict: str) -> None:
    p = RNG.uniform(0.02, 0.98, shape)
    found = crosscheck.check(entropy, lambda g, p: {"p": factor * g * (np.log(1 - p) - np.log(p))}, {"p": p})
    assert found.verdict == verdict


def sampled(image: Array, at: Array) -> Array:
    """Rows of an image at fractional positions, as `grid_sample` has them along one axis: outside is an IndexError."""
    k = np.floor(at).astype(int)
    return image[k] * (1 - at + k) + image[k + 1] * (at - k)


@pytest.mark.parametrize("repeated", ["added", "counted once"])
def test_positions_in_an_image(repeated: str) -> None:
    image, at = RNG.normal(size=9), RNG.uniform(0, 7.9, (6, 20))

    def backward(g: Array, image: Array, at: Array) -> dict[str, Array]:
        k = np.floor(at).astype(int)
        d = np.zeros_like(image)
        for place, share in ((k, g * (1 - at + k)), (k + 1, g * (at - k))):
            if repeated == "added":
                np.add.at(d, place, share)
            else:
                d[place] += share
        return {"image": d, "at": g * (image[k + 1] - image[k])}

    found = crosscheck.check(sampled, backward, {"image": image, "at": at})
    assert found.verdict == ("agree" if repeated == "added" else "disagree")


def test_a_large_matrix_that_has_to_stay_positive_definite() -> None:
    def forward(a: Array, b: Array) -> Array:
        np.linalg.cholesky(a)
        return np.linalg.solve(a, b)

    def backward(g: Array, a: Array, b: Array) -> dict[str, Array]:
        back = np.linalg.solve(a.T, g)
        return {"a": -np.outer(back, np.linalg.solve(a, b)), "b": back}

    m = RNG.normal(size=(30, 30))
    assert crosscheck.check(forward, backward, {"a": m @ m.T + 30 * np.eye(30), "b": RNG.normal(size=30)})
