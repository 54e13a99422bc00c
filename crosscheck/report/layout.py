"""Lines of a page: labelled blocks of words, folded to a width, and blocks that are left as they are."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable
from typing import Literal, NamedTuple

WIDEST, NARROWEST = 80, 60
LABEL = 11  # columns of a label and the space after it
BEFORE_COMMENT = re.compile(r" {2,}#")  # as comments are aligned
TOGETHER = "\N{NO-BREAK SPACE}"  # in what is to be folded, between words that stay in one line

Role = Literal["title", "wrong", "cause", "plain", "code", "map", "numbers"]


class Paragraph(NamedTuple):
    """One thing that the page says.

    Args:
        text: words to be folded; of a map or of numbers, lines to be left as they are.
        label: what it is, in one word before it; "" where the words say that themselves.
        indent: columns before it.
        role: what it is to a reader, for what can show that by other means than words.
    """

    text: str
    label: str = ""
    indent: int = 2
    role: Role = "plain"


def columns(width: int | None) -> int:
    """A width as asked for, or the terminal's; at most WIDEST columns and at least NARROWEST."""
    if width is None:
        width = shutil.get_terminal_size((WIDEST, 24)).columns
    elif isinstance(width, bool) or not isinstance(width, int):
        raise TypeError(f"width is {width!r}; it must be a number of columns, or None for those of the terminal")
    return max(NARROWEST, min(WIDEST, width))


def opening(block: Paragraph) -> tuple[str, str]:
    """What stands before the first line of a block, and before the others."""
    before = " " * block.indent + (f"{block.label:<{LABEL - 1}} " if block.label else "")
    return before, " " * (len(before) if block.label else block.indent + 2)


def code_in(text: str, width: int) -> str:
    """A line of code, with the comment at its end where both fit."""
    together = BEFORE_COMMENT.sub("  #", text)
    return together if len(together) <= width else together.partition("  #")[0]


def lines_of(block: Paragraph, width: int) -> list[str]:
    """The block in lines of at most `width` columns, without spaces at their ends."""
    before, after = opening(block)
    if block.role in ("map", "numbers"):
        return [(before + line)[:width].rstrip() for line in block.text.split("\n")]
    folded = textwrap.wrap(
        code_in(block.text, width - len(before)) if block.role == "code" else block.text,
        width,
        initial_indent=before,
        subsequent_indent=after,
        break_on_hyphens=False,  # a witness keeps its name in one piece: "hand-derived"
    )
    return [line.replace(TOGETHER, " ").rstrip() for line in folded] or [before.rstrip()]


def folded(blocks: Iterable[Paragraph], width: int) -> str:
    """All blocks as text."""
    return "\n".join(line for block in blocks for line in lines_of(block, width))


def cut(sentence: str, width: int) -> str:
    """One line of a sentence: all of it, or its first words and an ellipsis."""
    sentence = " ".join(sentence.split())
    if len(sentence) <= width:
        return sentence
    whole = sentence[: width - 1]
    at = whole.rfind(" ")
    return (whole[:at] if at > width // 2 else whole).rstrip(" ,;:") + "…"
