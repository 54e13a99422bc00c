"""Rewrite manual/digits.npz from scikit-learn's copy of the data, and print the checksums.

    python -m pip install scikit-learn
    python tools/pack_digits.py

The checksums are of the arrays, not of the file (whose compression may differ from one zlib to the
next), and have to be those in manual/digits.txt.
"""

import hashlib
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits  # pyright: ignore[reportMissingImports]

digits = load_digits()
arrays = {"images": digits.images.astype(np.uint8), "labels": digits.target.astype(np.uint8)}
if not np.array_equal(arrays["images"], digits.images):
    raise SystemExit("the intensities are no longer whole numbers below 256")

np.savez_compressed(Path(__file__).parents[1] / "manual" / "digits.npz", **arrays)
for name, array in arrays.items():
    print(f"sha256 {name} {hashlib.sha256(array.tobytes()).hexdigest()}")
