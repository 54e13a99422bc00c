"""The recorder: what a NumPy forward does, as a function that JAX can differentiate.

    recorded = record(forward, inputs)
    recorded.reference(**inputs)        the forward in jax.numpy, or None and recorded.why_not

The user's code runs once on arrays that carry a place on a tape beside their numbers (`array`, `values`), made by
functions that stand for NumPy's meanwhile (`creation`, `lifting`). What it did to them is the tape (`tape`), what it
wrote is followed in the memory that views share (`memory`). The tape is shortened (`passes`), rolled up (`rolling`),
and replayed (`replay`) by the counterparts of NumPy's functions in JAX (`counterparts`); and it is compared with the
forward before it is believed (`record`).

It is autodiff of the user's own code: a mistake in the forward is in it, too.
"""
