"""Why a gradient is wrong: the known mistake that reproduces it, found by search.

A wrong derivation is usually the right backward pass composed with a simple transformation of its
result or of what it reads. Each family of such transformations is a file; `search` holds the table
of families and the one loop over it.

    results      the right gradient flipped, transposed, shifted; the cotangent summed over the wrong axes
    cotangents   another cotangent: ones, masked, cut, flipped
    windowed     convolutions and pools: indices, overlaps, winners         one step of the backward pass switched,
    activations  masks and derivatives                                      or all steps of a kind
    operands     products; what a layer passes back                         (`steps`, `crosscheck.traces.tape`)
    arguments    another input
    terms        paths left out or weighted; contributions to an entry lost
    shapes, precision, places      what can be said otherwise

A candidate must reproduce the user's gradient at the judged point and at generic ones (`problem`),
within the bounds of the judgement; at most it may carry a factor that has a name (`factors`). What
nothing reproduces gets no name.
"""

from crosscheck.diagnosis.problem import Diagnosis
from crosscheck.diagnosis.search import diagnose_all

__all__ = ["Diagnosis", "diagnose_all"]
