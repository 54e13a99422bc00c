"""What five steps say of a derivative, and of whether there is one.

For a function that is smooth to the left and to the right of x, the central difference and the jump in slope are

    D(h) = d + c₁h + c₂h² + c₄h⁴ + ...          d the mean of the two one-sided derivatives                  (1)
    s(h) = (f(x+h) - 2f(x) + f(x-h)) / h = J + a₁h + a₃h³ + ...     J the distance of the two                (2)

with c₁ ≠ 0 only where f'' jumps at x (softsign, relu², ELU, Huber at the joint), and J ≠ 0 only where f' does. The
steps of one level are two sequences, neither a rational multiple of the other, and neither a power of two times x:

    A: h, h/2, h/4        B: ηh, ηh/2,  η = 1/√7

From A comes the value: Richardson's extrapolation with c₁ = 0, which takes c₂ and c₄ out (C. Ridders, Adv. Eng.
Software 4 (1982) 75):

    E = (64 D(h/4) - 20 D(h/2) + D(h)) / 45 = d + 0.156 c₁h + 0.016 c₆h⁶ + ...                               (3)

From both comes X, the combination with the least noise that takes c₁ out, too: X = d - 0.046 c₆h⁶ + .... So |E - X| is
all of the error where f'' jumps and four times the error where it does not; and since c₆ and c₈ stand in E - X and in
E in nearly one ratio, E - X is not small by accident where the error is not. From B alone comes
R = (4 D(ηh/2) - D(ηh)) / 3, which shares no step with E. The truncation is

    T = 2 |E - X| + |E - R| + ½ Σ_o |v_o J_o|                                                                (4)

J_o from (2) by all five steps, output by output, and its noise, where it is beyond that noise: any slope between the
one-sided ones is within ½|J| of their mean, so that a kink of little weight widens the bound instead of hiding behind
smooth neighbours. A jump that was seen at one level and would be lost in the noise of a smaller step is still there.

X has more noise than E, N_X: where c₁h is as small as that, |E - X| may be small by accident, and what is known of
0.156 c₁h is

    L(h) = |E - X| + N_X, or at most a larger step's, which falls with h                                     (5)

In (4) L stands for 2 |E - X| where it is more.
The numbers above are those of `WEIGHTS`; a test recomputes them.

The states of an entry, and what follows:

    state      how it shows                                                 what is said
    -------    ----------------------------------------------------------   --------------------------------------------
    flat       D equal at h, h/2 and ηh, s zero, both within noise          D(h/2), bound: their spread and the noise
    smooth     T falls as h⁶ until it meets the noise                       E, bound T + noise
    linear     T falls as h: f'' jumps                                      E, bound T + noise, at a smaller step
    kinked     s stays as h falls, at two levels and at the smallest step   "kink": no number
    noisy      T and noise both grow as 1/h                                 the best level's E with its bound
    aliased    T as large as the slopes, above noise, and not falling       not believed; smaller steps are tried
    none       no level gives a bound that is believed and of use           undecided

Kinked is decided by the power p in Σ|v_o s_o| ~ hᵖ between h and h/4: p = 0 at a kink, 1 where f is smooth,
-½ at the root of |x|, -1 where f is not resolved (1/x at 10⁻¹² with steps of 10⁻³). The limits lie halfway: ½ and -¼.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray

# Steps are no powers of two: sin(2ᵏπx) has the same value at x ± 2⁻ʲ.
GOLDEN = (5**0.5 - 1) / 2
ETA = 7**-0.5
STEPS = np.array([1.0, 0.5, ETA, 0.25, ETA / 2])  # in the order in which they are taken; the first three show flatness


def least_noise(powers: tuple[int, ...]) -> Array:
    """Weights w on the five steps with Σ w_k h_k^p = 1 for p = 0 and 0 for the other powers.

    Of all such weights those with the least Σ (w_k/h_k)²: a difference's noise goes as 1/h.
    """
    moments = np.array([STEPS**p for p in powers]) * STEPS
    wanted = np.array([1.0] + [0.0] * (len(powers) - 1))
    return np.linalg.lstsq(moments, wanted, rcond=None)[0] * STEPS


class Weights(NamedTuple):
    """On the values at `STEPS`: (3), X, R and J."""

    smooth: Array
    careful: Array
    second: Array
    jump: Array


WEIGHTS = Weights(
    np.array([1 / 45, -20 / 45, 0.0, 64 / 45, 0.0]),
    least_noise((0, 1, 2, 4)),
    np.array([0.0, 0.0, -1 / 3, 0.0, 4 / 3]),
    least_noise((0, 1, 3)),
)

# Where the second differences exceed this many times their worst noise, as measured, they are seen. It costs
# evaluations only: what is not seen stands in the bound all the same.
SEEN = 4.0


class Answer(NamedTuple):
    """What one level says of every member of a group.

    `converged`: T is down to the noise of the numbers that it is made of, so that a smaller step gains nothing.
    `stays`: the second differences are seen, and stay as h falls (p between ½ and -¼). `seen`: seen at the smallest
    step. `edge`: the last term of (4); `hidden`: what it could be more, in outputs whose J is within noise. `turn`: the
    first term of (4); `linear`: the L of (5).
    """

    value: Array
    bound: Array
    confirmed: Array
    converged: Array
    stays: Array
    seen: Array
    edge: Array
    hidden: Array
    turn: Array
    linear: Array


class Samples(NamedTuple):
    """D, Σ|v s| and N for every member of a group at one step."""

    slope: Array
    jump: Array
    noise: Array

    @property
    def jump_noise(self) -> Array:
        """The second difference takes four values where the first takes two, over half the width."""
        return 4.0 * self.noise

    def part(self, members: slice) -> Samples:
        return Samples(*(a[members] for a in self))


def flat(samples: list[Samples]) -> Array:
    """Whether the first three steps show a straight line, both sequences agreeing."""
    a, b, e = samples[:3]
    straight = np.ones(a.slope.shape, bool)
    for s in (a, b, e):
        straight &= s.jump <= SEEN * s.jump_noise
    for s in (a, e):
        straight &= np.abs(s.slope - b.slope) <= s.noise + b.noise
    return straight


def of_a_line(samples: list[Samples]) -> Answer:
    a, b, e = samples[:3]
    spread = np.maximum(np.abs(a.slope - b.slope), np.abs(e.slope - b.slope))
    yes, no = np.ones(spread.shape, bool), np.zeros(spread.shape, bool)
    bound, linear = spread + b.noise + b.jump / 2, spread + a.noise + b.noise
    return Answer(b.slope, bound, yes, yes, no, no, b.jump / 2, 2.0 * b.noise, np.zeros(spread.shape), linear)


# Members at a time: there may be ten million of them, and (3) and (4) take a score of arrays.
CHUNK = 2**18


def answer_of(samples: list[Samples], edges: tuple[Array, Array] | None) -> Answer:
    """What three steps say, or five where `edges`, seen and hidden, are given: of each member as a line or a curve."""
    size = samples[0].slope.size
    out = Answer(*(np.empty(size, kind) for kind in (float, float, *[bool] * 4, *[float] * 4)))
    for start in range(0, size, CHUNK):
        members = slice(start, start + CHUNK)
        here = [s.part(members) for s in samples]
        said = of_a_line(here)
        if edges is not None:
            straight = flat(here)
            curved = of_a_curve(here, edges[0][members], edges[1][members])
            said = Answer(*(np.where(straight, a, b) for a, b in zip(said, curved, strict=True)))
        for whole, part in zip(out, said, strict=True):
            whole[members] = part
    return out


def of_a_curve(samples: list[Samples], edge: Array, hidden: Array) -> Answer:
    """(3) and (4) from all five steps."""
    with np.errstate(all="ignore"):
        slopes, noises = np.array([s.slope for s in samples]), np.array([s.noise for s in samples])
        smooth, careful, second = (w @ slopes for w in WEIGHTS[:3])
        noise, noise_careful, noise_second = (np.abs(w) @ noises for w in WEIGHTS[:3])
        apart = np.abs(smooth - second)
        turn = 2 * np.abs(smooth - careful)
        error = turn + edge + noise
        own = np.abs(second - samples[4].slope) + noise_second
        coarse, fine = samples[0], samples[3]
        ratio = fine.jump / coarse.jump
        seen = fine.jump > SEEN * fine.jump_noise
        return Answer(
            smooth,
            error + apart,
            apart <= error + own,
            error + apart <= 2 * noise_careful + noise_second + 2 * noise,
            seen & (ratio > 4**-0.5) & (ratio < 4**0.25),
            seen,
            edge,
            hidden,
            turn,
            turn / 2 + noise_careful,
        )
