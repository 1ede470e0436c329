"""Model cards (Markdown) as parts of the About page."""

from __future__ import annotations

from markdown_it import MarkdownIt
from markdown_it.token import Token

_HEADING_SHIFT = 2
"""A card's first heading level stands below the page's own, so that the outline stays whole."""


_TABLE_OPEN = '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>'


def _markdown() -> MarkdownIt:
    # Raw HTML stays off: a card is text, and nothing in it may become script or style.
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    # Wide tables scroll in themselves, by keyboard too, and leave the page its width.
    parser.add_render_rule("table_open", lambda *_: _TABLE_OPEN)
    parser.add_render_rule("table_close", lambda *_: "</table></div>")
    return parser


def _shift(tokens: list[Token]) -> None:
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + _HEADING_SHIFT)}"


def _without_empty_heads(tokens: list[Token]) -> list[Token]:
    """Drop table heads without a word in them, which Markdown asks for but readers stumble over."""
    kept: list[Token] = []
    head: list[Token] | None = None
    for token in tokens:
        if token.type == "thead_open":
            head = []
        (kept if head is None else head).append(token)
        if token.type == "thead_close" and head is not None:
            if any(part.content.strip() for part in head):
                kept += head
            head = None
    return kept


def card_sections(text: str) -> list[tuple[str, str]]:
    """Split a card at its second-level headings and render each part.

    Args:
        text: Markdown; what stands before the first second-level heading gets the title "".

    Returns:
        (title, HTML) of each part, without its own heading line; empty parts are left out.
    """
    parser = _markdown()
    parts: list[tuple[str, list[Token]]] = [("", [])]
    tokens = iter(parser.parse(text))
    for token in tokens:
        if token.type == "heading_open" and token.tag in {"h1", "h2"}:
            title = next(tokens).content
            next(tokens)  # the closing token
            if token.tag == "h2":
                parts.append((title, []))
            continue
        parts[-1][1].append(token)
    rendered = []
    for title, body in parts:
        _shift(body)
        shown = _without_empty_heads(body)
        rendered.append((title, parser.renderer.render(shown, parser.options, {})))
    return [(title, html) for title, html in rendered if html.strip()]
