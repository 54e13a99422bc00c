"""Slopes at points near a point, on the scale of an entry: what a convention at a kink may mix (`kinks`).

Near is what is small to the entries that move: those of another order of magnitude (`orders`) are asked about apart.
The points lie at ε and ε/2 of that scale and are differenced with a step h,

    level      0        1        2        3
    ε       u^¼      2^-20    2^-26    2^-32
    h       u^½      2^-33    2^-37    2^-41                                                                    (1)

of which the first is the best where nothing is known (`kinks`), and the last all that rounding leaves: u/h is to stay
below a thousandth of a slope.

A piece may be met only where the other inputs move, too: of clip(b, lo, hi) at b = lo = hi the gradient of b is 1 where
lo < b < hi, and where lo and hi stand still nothing follows b. So at half of the points the other inputs are stirred,
each entry on its own scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from crosscheck.floats import DOUBLE, UNIT
from crosscheck.operation import Arrays, Operation
from crosscheck.witnesses.differences import USEFUL
from crosscheck.witnesses.noise import like, measured_noise, unit_of
from crosscheck.witnesses.orders import ORDER, orders_of, scale_at, size_of

Array = np.ndarray

DIGITS = ORDER / 2  # so that a step of u^¼ is no more than the entry
EVERY = -1.0
APART = 6  # so that the least shift is larger than a step at every level of (1)
EIGHTH = 2.0 ** (-53 / 8)  # u^⅛
# Points that are drawn in one order after another: a piece that one in 25 of them meets is missed with probability
# 0.96^512 < 1e-9.
ORDERED = 512
OF_EACH_KIND = 2  # nearby points of each kind: anywhere, toward d, away from d
LEVELS = ((2.0**-DIGITS, 2.0**-ORDER), (2.0**-20, 2.0**-33), (2.0**-26, 2.0**-37), (2.0**-32, 2.0**-41))  # (1)
LEVELS_BELOW = len(LEVELS) - 1


class Slopes:
    """What was seen along one direction: by output, the least and the largest v_o f_o'(x_j; d), and their drift."""

    def __init__(self, noise: float, outputs: tuple[int, ...]) -> None:
        self.noise = noise
        self.lowest, self.highest = np.full(outputs, np.inf), np.full(outputs, -np.inf)
        self.drift = np.zeros(outputs)

    def see(self, outer: Array, inner: Array) -> None:
        """One more point: its slopes at ε and at ε/2."""
        self.drift = np.maximum(self.drift, np.abs(outer - inner))
        self.lowest, self.highest = np.minimum(self.lowest, inner), np.maximum(self.highest, inner)

    @property
    def low(self) -> float:
        return float(self.lowest.sum())

    @property
    def high(self) -> float:
        return float(self.highest.sum())

    @property
    def kinked(self) -> Array:
        """The outputs whose slopes differ beside the point by more than they change on the way to it."""
        apart = self.highest - self.lowest
        size = np.maximum(np.abs(self.lowest), np.abs(self.highest))
        return np.flatnonzero((apart > 2 * self.drift) & (apart > USEFUL * size))

    @property
    def slack(self) -> float:
        """e: the rounding of the slopes, and what they change on the way to the kink."""
        return self.noise + float(self.drift.sum())

    @property
    def size(self) -> float:
        """Σ_o of the largest |v_o f_o'|, for the scale."""
        return float(np.maximum(np.abs(self.lowest), np.abs(self.highest)).sum())

    @property
    def finite(self) -> bool:
        with np.errstate(invalid="ignore"):
            return bool(np.isfinite([self.low, self.high, self.slack]).all())

    def outside(self, inner: float, rounding: float) -> float:
        """How far `inner`, known to `rounding`, lies outside of them; 0 where it does not."""
        low, high = self.low - self.slack - rounding, self.high + self.slack + rounding
        return max(0.0, low - inner, inner - high) if np.isfinite(inner) else np.inf


class Nearby:
    """Slopes at points near x, output by output; who gives them is left to `one_sided` and `slope`.

    Args:
        x: float64.
        v: the cotangent, flat.
        noise: the error of each output, flat.
        unit: the unit roundoff of what is moved.
        others: the other inputs, which may be stirred.
    """

    finer = LEVELS_BELOW  # levels below the first

    def __init__(self, x: Array, v: Array, noise: Array, unit: float, others: Arrays | None = None) -> None:
        self.x, self.v, self.noise, self.unit = x, v, noise, unit
        self.others = others or {}
        self.scales = {
            k: scale_at(orders_of(a, size := size_of(a), DIGITS), size, DIGITS) for k, a in self.others.items()
        }
        self.stirred: Arrays = {}
        self.size = size_of(x)
        self.orders = orders_of(x, self.size, DIGITS)
        self.rng = np.random.default_rng(5)
        self.keep_to(0)

    def keep_to(self, order: float, level: int = 0) -> None:
        """Near from now on is what is small to the entries of this order of magnitude, at a level of (1); of `EVERY`
        order: to every entry by itself, and directions go as far in each as is its own."""
        self.near, step = LEVELS[level]
        self.own = scale_at(self.orders if order == EVERY else order, self.size, DIGITS)
        self.reach, self.step = self.near * self.own, step if order == EVERY else step * float(self.own)

    def parted(self, d: Array) -> Iterator[tuple[float, Array]]:
        """The parts of a direction whose entries are of one order."""
        for order in np.unique(self.orders[d != 0]).tolist():
            yield order, np.where(self.orders == order, d, 0.0)

    def alone(self, entry: int) -> Array:
        """A direction of one entry."""
        d = np.zeros(self.x.shape)
        d.flat[entry] = self.own.flat[entry] if self.own.ndim else 1.0
        return d

    def lead(self, d: Array) -> Array:
        """The shift that goes as far along d as near is."""
        return d / self.own if self.own.ndim else d

    def one_sided(self, t: float, d: Array) -> Array:
        """v_o f_o'(x; d) along td, from the value at x itself; t < 0: from the other side."""
        raise NotImplementedError

    def slope(self, shift: Array, d: Array, share: float = 1.0) -> Array:
        """v_o f_o' along d at x + ε shift, or that share of the way to it, with the other inputs where they are
        stirred to."""
        raise NotImplementedError

    def stir(self, shifts: Callable[[tuple[int, ...]], Array] | None) -> None:
        """Let the other inputs move by these shifts, drawn for each; None: let them stand still."""
        self.stirred = {} if shifts is None else {k: shifts(a.shape) for k, a in self.others.items()}

    def elsewhere(self, share: float) -> Arrays:
        """The other inputs, that share of the way to where they are stirred to."""
        return {k: self.others[k] + share * self.near * self.scales[k] * s for k, s in self.stirred.items()}

    def see(self, shift: Array, d: Array, seen: Slopes) -> None:
        """One more point."""
        seen.see(self.slope(shift, d), self.slope(shift, d, 0.5))

    def felt(self, d: Array) -> Array:
        """The outputs that d can move at all, whose noise counts: another's is large beside a small step."""
        return np.ones(self.v.shape, bool)

    def slopes(self, d: Array) -> Slopes:
        with np.errstate(all="ignore"):
            seen = Slopes(self.noise_along(np.ones(self.v.shape, bool)), self.v.shape)
            self.stir(None)
            for t in (1.0, -1.0):
                seen.see(self.one_sided(t, d), self.one_sided(t / 2, d))
            for lead in (0.0, 1.0, -1.0):
                # Beside ±d a shake of u^⅛: small to d, so that d leads; large to the step, so that it parts ties.
                size = 1.0 if lead == 0 else EIGHTH
                for number in range(OF_EACH_KIND):
                    shake = self.rng.uniform(-size, size, self.x.shape)
                    self.stir((lambda shape, size=size: self.rng.uniform(-size, size, shape)) if number % 2 else None)
                    self.see(shake + lead * self.lead(d), d, seen)
            if seen.noise > USEFUL * seen.size:
                seen.noise = self.noise_along(self.felt(d))
        return seen

    def noise_along(self, felt: Array) -> float:
        """The noise of these outputs in a slope."""
        return float(np.sum(np.abs(self.v) * self.noise, where=felt)) / self.step

    def ordered(self, d: Array, seen: Slopes) -> None:
        """One more point; every other time the entries of d, or some of them where they are several, stand still."""
        still = (d != 0) & (self.rng.random() < 0.5)
        if np.count_nonzero(still) > 1:
            still = still & (self.rng.random(self.x.shape) < self.rng.random())
        shift = np.where(still, 0.0, self.in_order())
        with np.errstate(all="ignore"):
            self.see(shift, d, seen)

    def in_order(self) -> Array:
        """A shift in which every entry moves up with one probability, that of the other inputs where they are
        stirred; by about as much, or every other time, as pieces of unlike slopes are met, by up to `APART` binary
        digits less."""
        up, apart = self.rng.random(), 1 if self.rng.random() < 0.5 else APART

        def shifts(shape: tuple[int, ...]) -> Array:
            signs = np.where(self.rng.random(shape) < up, 1.0, -1.0)
            return signs * 2.0 ** -(apart * self.rng.random(shape))

        own = shifts(self.x.shape)
        self.stir(shifts if self.others and self.rng.random() < 0.5 else None)
        return own


class NearForward(Nearby):
    """By differences of the forward; one that computes in float32 inside knows nothing of points nearer than ε."""

    def __init__(self, operation: Operation, name: str, v: Array, noise: Array | None, coarse: bool = False) -> None:
        self.operation, self.name = operation, name
        self.finer = 0 if coarse else LEVELS_BELOW
        given = operation.inputs[name]
        x = like(given, given, np.float64)
        with np.errstate(all="ignore"):
            y = operation.output({name: x})
        unit = unit_of(x, y)
        self.y = np.asarray(y, np.float64).ravel()
        if noise is None:
            noise = measured_noise(lambda z: operation.output({name: z}), x, self.y, unit)
        # What is less than u of an output is swallowed, and looks like no noise and no slope.
        least = np.where(np.isfinite(self.y), unit * np.abs(self.y), 0.0)
        noise = np.maximum(np.asarray(noise, np.float64).ravel(), least)
        free = () if operation.manner.on else operation.wrt
        apart = {name, *operation.manner.still}
        others = {k: like(a, a, np.float64) for k, a in operation.inputs.items() if k in free and k not in apart}
        super().__init__(x, np.asarray(v, np.float64).ravel(), noise, unit, others)

    def one_sided(self, t: float, d: Array) -> Array:
        """v_o f_o'(x; d) along td, from the value at x itself; t < 0: from the other side."""
        z = self.x + self.reach * t * self.lead(d)
        return self.v * (self.moved(z) - self.y) / along(z - self.x, d)

    def slope(self, shift: Array, d: Array, share: float = 1.0) -> Array:
        """v_o f_o' along d at x + ε shift."""
        point, others = self.x + share * self.reach * shift, self.elsewhere(share)
        up, down = point + self.step * d, point - self.step * d
        return self.v * (self.moved(up, others) - self.moved(down, others)) / along(up - down, d)

    def felt(self, d: Array) -> Array:
        # What is added to a large number moves it nowhere; NaN does.
        far = 8.0 * (float(np.max(np.abs(self.x), initial=0.0)) + 1.0)
        points = [self.x + t * d for t in (self.size, -self.size, far, -far)]
        points.append(np.where(d != 0, np.nan, self.x))
        return np.any([self.moved(z) != self.y for z in points], axis=0)

    def moved(self, z: Array, others: Arrays | None = None) -> Array:
        """The output at z; NaN where the code refuses a point that is not its own."""
        changed = {k: like(self.others[k], a) for k, a in (others or {}).items()}
        try:
            return np.asarray(self.operation.output({self.name: like(self.x, z), **changed}), np.float64).ravel()
        except Exception:
            return np.full(self.y.shape, np.nan)


class NearReference(Nearby):
    """By the reference's gradients: ⟨g(x_j), d⟩, all outputs together."""

    def __init__(self, truth: Callable[[Arrays], Arrays], inputs: Arrays, name: str, free: Iterable[str] = ()) -> None:
        self.truth, self.inputs, self.name = truth, inputs, name
        others = {k: np.asarray(inputs[k], np.float64) for k in free if k != name}
        super().__init__(np.asarray(inputs[name], np.float64), np.ones(1), np.zeros(1), UNIT[DOUBLE], others)

    def one_sided(self, t: float, d: Array) -> Array:
        return self.slope(t * self.lead(d), d)

    def slope(self, shift: Array, d: Array, share: float = 1.0) -> Array:
        point = {self.name: self.x + share * self.reach * shift, **self.elsewhere(share)}
        try:
            there = self.truth({**self.inputs, **point})[self.name]
        except Exception:  # the truth may refuse a point that is not its own
            return np.full(1, np.nan)
        return np.array([float(np.sum(there * d))])


def along(step: Array, d: Array) -> float:
    """How many times d the step is, as stored: x + h rounds."""
    largest = int(np.argmax(np.abs(d)))
    return float(step.ravel()[largest] / d.ravel()[largest])
