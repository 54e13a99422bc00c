"""Surveys: when a gradient is wrong.

    made            what the caller's factory gave, as an operation      circumstances   order, calls, ties, signs
    visits          one configuration: what was seen of every gradient   quantities      the numbers and words of it
    atoms           what may be said of configurations                   conditions      what fits all that was seen
    telling         the configuration that tells conditions apart        survey          the loop, and the door
    causes          one cause across configurations                      record, page    what was found, and its page

A survey asks the judge of each configuration, at that point alone, and keeps to what it says: right, wrong, undecided,
raised. A condition is a statement about configurations (`padding ≥ 1`, `stride > kernel and batch = 1`) that is true of
every configuration at which a gradient is wrong, and of none at which it is right. The shortest that fits is told.
While several fit, configurations are looked for at which they differ, and the code is asked there.
"""
