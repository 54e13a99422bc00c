"""The definition of the derivative where it is exact.

Along an entry in which the forward has degree at most two the central difference (f(x + h) - f(x - h)) / 2h *is* the
derivative, whatever h, as long as no kink lies in between; and that it does not is seen by the second difference, which
falls to exactly a quarter when h is halved.
"""

from __future__ import annotations

import math

import numpy as np

from crosscheck.evidence.exact_run import ExactDifference
from crosscheck.exact.points import ExactPoint, Polynomial, all_finite
from crosscheck.floats import LONG
from crosscheck.operation import Operation

Array = np.ndarray
Arrays = dict[str, Array]

DRAWN_DIRECTIONS = 4
FEWEST = 16  # evaluations: a direction for each of four inputs
DIRECTION = np.array([-4.0, -2.0, -1.0, 1.0, 2.0, 4.0])


def exact_differences(
    formula: Operation, polynomial: Polynomial, point: ExactPoint, evaluations: int, shared: bool = False
) -> dict[str, ExactDifference]:
    """The difference for every input of degree at most two, the small ones first, while evaluations last.

    `shared`: there are few of them, of which every input has as many.
    """
    found = {}
    most = max(evaluations // len(formula.wrt), 4) if shared else evaluations
    for name in sorted(formula.wrt, key=lambda k: math.prod(polynomial.shapes[k])):
        if polynomial.degree[name] > 2:
            continue
        # Without kinks every step is inside the cell, and the largest leaves the most digits.
        finest = min(point.finest[name], 40 if polynomial.kinks else 1)
        if finest < (2 if polynomial.kinks else 0):
            continue
        here = formula.at(point.inputs)
        witness = Exactly(here, name, point.cotangent, point.output, point.scale)
        difference = witness.compare(point.gradients[name], [finest - 1], min(most, evaluations))
        evaluations -= witness.evaluations
        if difference is not None:
            found[name] = difference
    return found


class Exactly:
    """Exact central differences of one forward along one input.

    Args:
        operation: at the point.
        name: the input to move.
        cotangent: v, multiples of `scale`, and otherwise of at most 24 binary digits.
        y: the output at the point.
        scale: steps are scale·2^-k.
        long: the same operation at the same point in longdouble: where nothing is known of the arithmetic, a moved
            point counts only if both precisions give the same there too.
    """

    def __init__(
        self,
        operation: Operation,
        name: str,
        cotangent: Array,
        y: Array,
        scale: int,
        long: Operation | None = None,
    ) -> None:
        self.operation = operation
        self.long = long
        self.name = name
        self.x = operation.inputs[name]
        self.scale = scale
        self.v = np.ravel(cotangent) / scale
        self.y = np.ravel(np.asarray(y, np.float64))
        self.evaluations = 0

    def moved(self, move: Array) -> Array:
        self.evaluations += 1
        with np.errstate(all="ignore"):
            y = self.operation.output({self.name: self.x + move})
            if self.long is not None:
                wide = self.long.output({self.name: (self.x + move).astype(LONG)})
                y = np.where(y == wide, y, np.nan)
        return np.ravel(np.asarray(y, np.float64))

    def contracted(self, change: Array) -> float:
        """Σ v_o · change_o, rounded once: the change is split so that both products are exact."""
        moving = change != 0
        change, v = change[moving], self.v[moving]
        with np.errstate(over="ignore"):
            head = change.astype(np.float32).astype(np.float64)
        head = np.where(np.isfinite(head), head, 0.0)
        return math.fsum([*(head * v).tolist(), *((change - head) * v).tolist()])

    def along(self, direction: Array, k: int) -> float | None:
        """⟨v, J d⟩ by the step scale·2^-k and its half; None where f is not quadratic between (a kink) or rounds."""
        change, bend = [], []
        for h in (self.scale * 2.0**-k, self.scale * 2.0 ** -(k + 1)):
            plus, minus = self.moved(h * direction), self.moved(-h * direction)
            change.append(plus - minus)
            bend.append((plus - self.y) - (self.y - minus))
        if not all_finite(*change):
            return None
        coarse, fine = self.contracted(change[0]), self.contracted(change[1])
        if coarse != 2 * fine or not np.array_equal(bend[0], 4 * bend[1]):
            return None
        return coarse * 2.0 ** (k - 1)

    def compare(self, truth: Array, steps: list[int], evaluations: int) -> ExactDifference | None:
        """Entry by entry if `evaluations` allows, else along random directions, else None; `steps` are k's to try."""
        if 4 * len(steps) * truth.size <= evaluations:
            return self.entries(truth, steps)
        nowhere = np.zeros(truth.shape, bool)
        rng = np.random.default_rng(0)
        taken, same = 0, True
        for _ in range(DRAWN_DIRECTIONS):
            if self.evaluations + 4 * len(steps) > evaluations:
                break
            # Powers of two, so that the products with the gradient are exact.
            d = rng.choice(DIRECTION, truth.shape)
            found = self.first(d, steps)
            if found is not None:
                taken, same = taken + 1, same and found == math.fsum(np.ravel(truth * d).tolist())
        if not taken:
            return None
        return ExactDifference(np.full(truth.shape, np.nan), nowhere, nowhere, taken, same)

    def entries(self, truth: Array, steps: list[int]) -> ExactDifference:
        value = np.full(truth.size, np.nan)
        for i in range(truth.size):
            direction = np.zeros(truth.size)
            direction[i] = 1.0
            found = self.first(direction.reshape(truth.shape), steps)
            if found is not None:
                value[i] = found
        value = value.reshape(truth.shape)
        return ExactDifference(value, ~np.isnan(value), value == truth)

    def first(self, direction: Array, steps: list[int]) -> float | None:
        """The derivative along `direction` by the first step that is inside the cell."""
        found = (self.along(direction, k) for k in steps)
        return next((derivative for derivative in found if derivative is not None), None)
