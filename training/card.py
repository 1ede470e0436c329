"""The model card of a version (Mitchell et al. 2019, arXiv 1810.03993), made from its own files."""

from __future__ import annotations

import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_TEMPLATES = Path(__file__).parent / "templates"


def render_card(folder: Path) -> None:
    """Writes ``README.md`` of a version from its ``model.json`` and ``metrics.json``.

    Args:
        folder: The version's folder, or one that will become it.

    Raises:
        FileNotFoundError: One of the two files is missing.
    """
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (Markdown, from our own files)
    )
    card = environment.get_template("card.md").render(model=model, metrics=metrics)
    (folder / "README.md").write_text(card, encoding="utf-8")
