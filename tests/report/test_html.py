"""The page for a notebook: one well-formed element, the caller's words escaped, nothing wider than the screen."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import crosscheck

NAME = '<b>cube</b> & "<script>"'


class Elements(HTMLParser):
    """The elements of a page, each closed by its own end."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.text += "\n"
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def cube(grad_output: Any, x: Any) -> Any:
    return (2 if len(x) > 1 else 3) * grad_output * x**2


def checked() -> Any:
    return crosscheck.check(lambda x: x**3, cube, {"x": np.linspace(1, 2, 6).reshape(2, 3)}, name=NAME)


def surveyed() -> Any:
    def make(rows: int, rng: np.random.Generator) -> Any:
        return lambda x: x**3, cube, {"x": rng.normal(size=(rows, 2))}

    return crosscheck.survey(make, {"rows": (1, 2)}, diagnose=False, name=NAME)


@pytest.mark.parametrize("ask", [checked, surveyed], ids=["check", "survey"])
def test_the_page_is_one_element_and_what_the_caller_wrote_is_text(ask: Any) -> None:
    result = ask()
    html = result._repr_html_()
    found = Elements(html)
    assert {tag for tag, _ in found.seen} == {"div", "details", "summary"}
    assert " ".join(str(result).split()) in " ".join(found.text.split())
    for _, attributes in found.seen:
        assert not set(attributes) - {"style"}
        style = attributes.get("style") or ""
        assert not re.search(r"(?<!-)width", style)  # nothing has a width of its own,
        assert "white-space:pre;" not in style or "overflow-x:auto" in style  # and what does not fold scrolls
