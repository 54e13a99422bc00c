"""Print the page of every picture, or of those whose name has one of the words on the command line."""

import sys

from tests.report.gallery import PICTURES

for picture in PICTURES:
    if not sys.argv[1:] or any(word in picture.name for word in sys.argv[1:]):
        print(f"\n{picture.name}: {picture.mistake}\n\n{picture.check()}", flush=True)
