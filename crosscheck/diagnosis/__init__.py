"""Why a gradient is wrong: the known mistake that reproduces it, found by search.

A wrong derivation is usually the right backward pass with one thing changed: its result rearranged, another array
read, a path left out. Such a change is a *candidate*, a frozen record that says what is different (`candidates`), in
terms of named functions and named arrays (`expressions`). One function evaluates it at a *point* (`points`: inputs, a
cotangent, the user's gradients there and the truth), and `matching` says whether the user's code computes the same: at
the judged point and at generic ones, within the bounds of the judgement, with at most a factor that has a name
(`factors`). What nothing reproduces gets no name. `search` holds the table of families and the one loop over it.

    results      the right gradient flipped, transposed, shifted; the cotangent summed over the wrong axes
    cotangents   another cotangent: ones, masked, cut, flipped, or as the backward left it after writing to it
    windowed     convolutions and pools: indices (`windows`), overlaps, `winners`   one step of the backward switched,
    activations  masks and derivatives                                              or all steps of a kind (`steps`),
    extremes     the branches of a maximum of two exchanged
    operands     products; what a layer passes back; a state before or after        or every turn of a loop (`sites`)
    matrices     triangles, diagonals, symmetric halves; Cholesky, QR, solve
    gathers      what comes back to an entry that is read several times; an order that is not undone
    spectra      half spectra, conjugates, running sums
    known        softmax, GELU, SiLU: functions of several steps
    paths        paths left out or weighted; statistics taken as constants; turns of a loop lost
    constants    masks, counts and eps of another forward
    products     the whole gradient times an array of the forward
    arguments    another input
    terms        contributions to an entry lost
    scaling, shapes, glance, clips, precision, places   what is said without a candidate

A name has to hold at the judged point, at generic ones of the same sizes, and at one of other sizes (`elsewhere`),
where a coincidence of lengths does not: 3 columns that are 3 rows, √d that is √batch. It says in which line of the
reference the step was written (`crosscheck.traces.sources`). A scan that is short enough is written out into its turns,
and a longer one is one step.

To have another mistake named, find the family that it belongs to:

    a rearrangement of an array         one `Transform` in `transforms`; results, cotangents, operands and arguments
                                        all try it
    something done to a square matrix   one row of `matrices.squares`
    another derivative of a function    one row of `activations.DERIVATIVES`; of a function of several steps, `known`
    another entry of a pool's window    one row of `winners.WINNERS`
    another index in a window           one line of `windows.index_mistakes`
    another incoming gradient           one row of `cotangents.ROWS`
    another number as a weight          one line of `sizes.special_sizes`
    anything else                       a generator `mistakes(problem, name)` that yields `Candidate(kind, text, ...)`,
                                        and its name in `search.TABLE`, after what should be believed first

and plant it in the test file of the same name (`tests/diagnosis`), or as a row of `tests/beyond`: `make beyond` plants
mistakes in attention, norms, recurrent cells, factorizations, likelihoods, and says which are named, and truly.

The search is bounded in work, not in seconds (`budget`), draws its points from the ranges of the caller's numbers, and
never takes the verdict down with it: what fails in here becomes a remark (`search.verdict_stands`).
"""

from crosscheck.diagnosis.search import Explained, Remark, diagnose_all

__all__ = ["Explained", "Remark", "diagnose_all"]
