"""Wrong derivations of different kinds, written as one finds them."""

from tests.report.gallery import behaviour, norms, sequences, windows

PICTURES = (*windows.PICTURES, *norms.PICTURES, *sequences.PICTURES, *behaviour.PICTURES)
