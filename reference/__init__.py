"""Every forward pass again, in JAX: `jax.vjp` of these is the ground truth for the gradients.

One module per operation, named as in `manual`, each with one function `forward`. The arguments
before the star are arrays and are differentiated; those after it are hyper-parameters and are not.
The modules go through `jax.lax` and `jax.nn`, and share nothing with the code that they judge.

    from reference import convolution
    y = convolution.forward(x, filters, biases, stride=(2, 2))

Adding an operation is adding its file; `network.operations()` lists what is there.
"""
