"""Reading pages in tests: elements by XPath, never strings of HTML."""

from __future__ import annotations

from typing import Any

import lxml.html


def parse(response: Any) -> lxml.html.HtmlElement:
    return lxml.html.fromstring(response.content.decode())


def text(node: lxml.html.HtmlElement) -> str:
    return " ".join(node.text_content().split())


def texts(page: lxml.html.HtmlElement, xpath: str) -> list[str]:
    return [text(node) for node in page.xpath(xpath)]


def fields(form: lxml.html.HtmlElement) -> dict[str, list[str]]:
    """What a browser without scripts would send from a form, without its buttons."""
    found: dict[str, list[str]] = {}
    for name, value in form.form_values():
        found.setdefault(name, []).append(value)
    return found
