"""A file with a forward and a backward, checked from the command line.

crosscheck new my_layer.py          `starting`    a file to begin with
crosscheck check my_layer.py        `commands`

loading     the file as a module, and what of a traceback is the file's own
contents    what it says by which names
drawing     inputs that are given by their shapes
unfilled    gradients that are still `...`
checking    the check, and what is to be printed
watching    again on every save
whole       a JSON file that is there whole or not at all
"""
