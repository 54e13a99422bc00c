"""What a test of an error asserts: its type, and that the message has the argument's name, its value and the rule."""

import re
from collections.abc import Callable
from typing import Any

import pytest


def refused(call: Callable[[], Any], kind: type[Exception], *words: str) -> None:
    """`call` raises exactly `kind`, and every one of `words` stands in its message, not as a part of longer words."""
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    for word in words:
        assert re.search(rf"(?<!\w){re.escape(word)}(?!\w)", str(caught.value)), f"{word!r}: {caught.value}"
