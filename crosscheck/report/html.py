"""The page for a notebook: the same words, escaped, in one element that brings no script, style sheet or image.

Nothing has a colour of its own but the bar at the side: text and background are the notebook's, light or dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from crosscheck.report.layout import WIDEST, Paragraph, Role, lines_of

BAR = {"agree": "#3a9a5b", "disagree": "#d9534f", "undecided": "#c98a1b"}
STYLES: dict[Role, str] = {"title": "font-weight:bold", "wrong": "font-weight:bold", "cause": "font-weight:bold"}
BLOCK = "margin:0;white-space:pre;font-family:monospace;line-height:1.3;color:inherit;background:none"


def html(verdict: str, page: Iterable[Paragraph], full: Iterable[Paragraph]) -> str:
    """The page, and everything behind a triangle."""
    return boxed(verdict, marked(page), {"everything that was found": marked(full)})


def boxed(verdict: str, page: str, behind: Mapping[str, str]) -> str:
    """Escaped lines beside a bar, and behind triangles whatever else there is, by what it is. What is wider than the
    screen scrolls by itself."""
    more = "".join(
        f'<details><summary>{escape(what)}</summary><pre style="{BLOCK}">{lines}</pre></details>'
        for what, lines in behind.items()
    )
    bar = f"border-left:4px solid {BAR[verdict]};padding-left:0.8em;overflow-x:auto"
    return f'<div style="{bar}"><pre style="{BLOCK}">{page}</pre>{more}</div>'


def marked(blocks: Iterable[Paragraph]) -> str:
    """Escaped lines; what matters is bold."""
    return "\n".join(of_block(block) for block in blocks)


def of_block(block: Paragraph) -> str:
    text = escape("\n".join(lines_of(block, WIDEST)))
    style = STYLES.get(block.role)
    return f'<span style="{style}">{text}</span>' if style else text
