"""How NumPy reaches the speed of the machine: threads, scratch that is kept, and runs of memory as long as caches like.

No layer's mathematics stands here, and nothing here knows a layer: layers and convolution engines import this room, and
it imports only `manual.checks`.
"""
