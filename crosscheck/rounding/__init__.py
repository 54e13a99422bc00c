"""Random roundings: how far each number that a program computes may be from the truth, and what it may not say.

The program is run once as it is, and K times more with every rounding replaced by a random one, t times as large. What
the copies scatter, divided by t, is the standard deviation σ of the rounding error: with signs, so that nothing grows
that does not grow in truth. At an amplitude of t they lie where the allowance ends, so curvature (z³ where z cancels)
and decisions (the comparisons within t·σ of a tie) are seen at the scale at which they matter, and every primitive is
its own propagation rule. What has to be known of a primitive is the size of its own rounding, one column of the table
(`traces.primitives`).

    found = roundings(closed, arguments, unit=2**-53)      a ClosedJaxpr and its arguments
    for out in found.outputs:                              a Rounded for each output:
        out.value       as the program computes it, bit for bit
        out.sigma       σ, entry by entry
        out.terms       S, the sum of the absolute terms that were added up into each entry
        out.excuse      how far each entry would move if the decisions within rounding fell otherwise; None if none is
        out.entrywise   whether σ is known entry by entry: no Fourier transform, no factorisation before it
    found.t, found.copies, found.compiled, found.estimated     for the report

    quantile(copies, comparisons)      t alone; `evidence.pair.allowance` says how far two estimates may be apart
    plain(closed, closed.consts, arguments)      the outputs alone

Where it stands: `draws` random signs; `sizes` the own rounding of an equation; `terms` S; `copies` one equation;
`loops` scan, while and cond; `numeric` equations in NumPy, for programs not worth compiling, by its `rules`, and
`arrays` one name for NumPy's functions and JAX's; `evaluate` a whole program; `spreads` what the copies say; `reading`
what a program says without being run; `programs` what is compiled once; `allowance` t.

Why copies and not derivatives. Tangents (a derivative of every primitive times the roundings so far) give the same σ to
first order, and were tried. They miss what is zero to first order, need a second product for every contraction, and
a derivative that some primitives lack (polygamma in its order, a factorisation of a wide matrix) and others have as 1/0
(a degenerate eigenvalue, √ at 0). A copy needs nothing but the primitive. The one thing that derivatives do better is
to stay on one side of a jump; copies get that from the main run, whose decisions they take over (`copies`, "locked").
Perturbing by 2^-30 instead of t·u would save the estimate of t, and flip decisions that no rounding flips.
"""

from crosscheck.rounding.allowance import DELTA, copies_for, quantile
from crosscheck.rounding.evaluate import Rounded, Roundings, long, plain, roundings

__all__ = ["DELTA", "Rounded", "Roundings", "copies_for", "long", "plain", "quantile", "roundings"]
