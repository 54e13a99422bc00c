"""What a backward pass does besides returning gradients.

    probes      the table: which side effects are looked for, by which change of the call, what is expected, the finding
    audit       the one loop over it
    calls       the code under audit, its two points, the answers and the findings so far
    visits      the ordinary calls                       memory   arguments, shared memory, dtypes
    layout      variants of the backward call            state    caches, accumulation, chance
    batch       zero samples                             uninitialised   memory that nobody has set
    arrays, comparison      copies and layouts of arrays; equal bit for bit, within rounding, or far apart

To look for one more side effect, add a row to `probes.PROBES`: its name, a change, an expectation, the finding's kind,
and whether it fails the check. The expectation is a small function `(calls, answer)` in the file it belongs to, which
yields a sentence for each way in which it is not met, and nothing for healthy code. The change is

- one of those there are, if the effect shows under it: that costs no call;
- one more entry of `layout.VARIANTS`, if it shows in another form of the same backward call: it then rides along in the
  one call that has all variants at once, and is made by itself only where that call's answer differs. A layout is
  applied to what those below it gave, and must keep it;
- or a `calls.Change` of its own, whose `when` says on which suspicion it is worth its calls: a healthy audit makes two
  forwards, three backwards and the small calls of `batch`, one more of each where the code can make empty arrays, and a
  test counts them.

Then plant the effect in `tests/effects/planted.py`: a test asserts that every row of the table speaks for one there.
"""
