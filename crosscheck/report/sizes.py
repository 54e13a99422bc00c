"""One result in its sizes: a line, the page, everything; and the page for a notebook."""

from __future__ import annotations

from collections.abc import Iterable

from crosscheck.evidence.result import PageSize, Result
from crosscheck.report.html import html
from crosscheck.report.layout import WIDEST, Paragraph, columns, folded
from crosscheck.report.page import full, page, summary


def rendered(result: Result, size: PageSize = "page", width: int | None = None) -> str:
    """The result as text of a width, or as HTML."""
    if size == "summary":
        return summary(result)
    if size == "html":
        return html(result.verdict, said(result, page(result, WIDEST)), said(result, full(result, WIDEST)))
    wide = columns(width)
    return folded(said(result, (page if size == "page" else full)(result, wide)), wide)


def said(result: Result, blocks: Iterable[Paragraph]) -> list[Paragraph]:
    """The blocks in the words of the door."""
    return [b if b.role == "code" else b._replace(text=result.reworded(b.text)) for b in blocks]
