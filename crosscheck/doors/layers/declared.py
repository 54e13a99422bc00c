"""Parameters that a layer names itself: `named_parameters()` and `named_gradients()`, or flat vectors of both.

They are assigned through the layer's flat vector or, where it has none, one by one: to its attribute of that name,
or into the array that it names.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crosscheck.operation import Arrays


def identical(a: np.ndarray, b: np.ndarray) -> bool:
    """The same bits, but for the sign of zero; NaN is never identical."""
    return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())


def declares(layer: Any) -> bool:
    """Whether a layer names its parameters and their gradients, or has a flat vector of them."""
    return names_both(layer) or flat_of(layer) is not None


def names_both(layer: Any) -> bool:
    return all(callable(getattr(layer, name, None)) for name in ("named_parameters", "named_gradients"))


def flat_of(layer: Any) -> np.ndarray | None:
    """The flat vector of parameters, where there is one with its gradients, or with a setter."""
    if isinstance(getattr(layer, "__dict__", {}).get("parameters"), np.ndarray):
        return None if not hasattr(layer, "gradients") else np.asarray(layer.parameters)
    try:
        flat = getattr(layer, "parameters", None)
        flat = flat() if callable(flat) else flat
    except Exception:  # it takes arguments, and is another method; it gives gradients, too, and there are none yet
        return None
    return flat if isinstance(flat, np.ndarray) else None


class Declared:
    """The parameters of a layer, by its own names or as one vector."""

    def __init__(self, layer: Any) -> None:
        self.named = names_both(layer)
        self.flat = not self.named or getattr(layer, "parameters", None) is not None
        self.heard = False  # whether an assignment was seen to reach the layer

    def values(self, layer: Any) -> Arrays:
        if self.named:
            return {str(k): np.asarray(a) for k, a in layer.named_parameters().items()}
        flat = flat_of(layer)
        return {} if flat is None or np.size(flat) == 0 else {"parameters": flat}

    def assign(self, layer: Any, values: Arrays) -> None:
        if not values:
            return
        if self.flat and callable(getattr(layer, "parameters", None)):
            raise deaf(layer)
        before = {} if self.heard else {k: np.array(a) for k, a in self.values(layer).items()}
        try:
            if self.flat:
                layer.parameters = np.concatenate([np.ravel(values[k]) for k in self.values(layer)])
            else:
                for name, current in layer.named_parameters().items():
                    if isinstance(getattr(layer, name, None), np.ndarray):
                        setattr(layer, name, values[name])
                    else:
                        np.copyto(current, values[name])
        except (AttributeError, TypeError, ValueError) as error:
            if isinstance(error, AttributeError) or not self.flat:
                raise deaf(layer) from error
            raise
        if not self.heard:
            if any(not identical(a, values[k].reshape(a.shape)) for k, a in self.values(layer).items()):
                raise deaf(layer)
            self.heard = any(not identical(a, values[k].reshape(a.shape)) for k, a in before.items())

    def gradients(self, layer: Any) -> dict[str, Any]:
        if self.named:
            return {str(k): np.asarray(a) for k, a in layer.named_gradients().items()}
        if not self.values(layer):
            return {}
        flat = getattr(layer, "gradients", None)
        flat = flat() if callable(flat) else flat
        return {"parameters": np.asarray(flat)}


def deaf(layer: Any) -> TypeError:
    return TypeError(
        f"{type(layer).__name__}.parameters cannot be assigned; the judge moves parameters one by one: "
        "give the layer a setter for its flat vector, or use crosscheck.check with plain functions"
    )
