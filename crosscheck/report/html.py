"""The page for a notebook: the same words, escaped, in one element that brings no script, style sheet or image.

Nothing has a colour of its own but the bar at the side: text and background are the notebook's, light or dark. Words
fold where the screen ends, after 80 columns at the latest, and hang under where they began; what is a picture of
characters does not fold: it scrolls by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from crosscheck.report.layout import WIDEST, Paragraph, Role, lines_of, opening

BAR = {"agree": "#3a9a5b", "disagree": "#d9534f", "undecided": "#c98a1b"}
BOLD: frozenset[Role] = frozenset(["title", "wrong", "cause"])
BLOCK = f"font-family:monospace;line-height:1.3;color:inherit;background:none;max-width:{WIDEST}ch"


def html(verdict: str, page: Iterable[Paragraph], full: Iterable[Paragraph]) -> str:
    """The page, and everything behind a triangle."""
    return boxed(verdict, page, {"everything that was found": full})


def boxed(verdict: str, page: Iterable[Paragraph], behind: Mapping[str, Iterable[Paragraph]]) -> str:
    """A page beside a bar, and behind triangles whatever else there is, by what it is."""
    more = "".join(
        f"<details><summary>{escape(what)}</summary>{marked(blocks)}</details>" for what, blocks in behind.items()
    )
    bar = f"border-left:4px solid {BAR[verdict]};padding-left:0.8em"
    return f'<div style="{bar}">{marked(page)}{more}</div>'


def marked(blocks: Iterable[Paragraph]) -> str:
    """Escaped lines; what matters is bold."""
    return f'<div style="{BLOCK}">{"".join(map(of_block, blocks))}</div>'


def of_block(block: Paragraph) -> str:
    """One paragraph, an element of its own: what is in it need not be folded by us."""
    bold = ";font-weight:bold" if block.role in BOLD else ""
    if block.role in ("map", "numbers"):
        lines = escape("\n".join(lines_of(block, WIDEST)))
        return f'<div style="white-space:pre;overflow-x:auto{bold}">{lines}</div>'
    before, after = opening(block)
    hanging = f"padding-left:{len(after)}ch;text-indent:-{len(after)}ch"
    style = f"white-space:pre-wrap;overflow-wrap:anywhere;{hanging}{bold}"
    return f'<div style="{style}">{escape(before + block.text)}</div>'
