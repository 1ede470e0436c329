"""Renders the page to a folder of static files.

Usage: `python -m ui.render --out build/site`

All assets lie in one folder that is named after a hash of their contents, so that a browser
never mixes an old script with a new page. The folder of the render before stays, for pages that
were opened just before the swap.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ui.colours import legend_svg
from ui.facts import ModelFacts, combined_facts, limits_facts, model_facts
from ui.metrics import Combined
from ui.texts import PRODUCT, REPORT_NOTE, SAMPLES, for_scripts

UI = Path(__file__).parent
MODEL_STORE = UI.parent / "model_store"
ENDPOINT = "api/detect"
PAGES = ("index", "about")
TIMEOUT_SECONDS = 60
"""How long the page waits without a sign of life before it offers to try again."""


def _script_config(
    limits: dict[str, Any], models: list[ModelFacts], combined: Combined | None
) -> str:
    """Write the module through which the scripts know limits, texts and error rates."""
    config = {
        "endpoint": ENDPOINT,
        "timeoutSeconds": TIMEOUT_SECONDS,
        "limits": limits,
        "errorRates": {f"{model.name}-{model.version}": model.error_rates for model in models},
        "combined": combined and {"versions": combined.versions, "rates": combined.error_rates},
        "texts": for_scripts(),
    }
    text = json.dumps(config, ensure_ascii=False, indent=1)
    origin = "// Written by ui/render.py from the service's own configuration."
    return f"{origin}\nexport default {text};\n"


def _write_assets(folder: Path, config: str) -> str:
    """Fill `folder` with assets/<hash>/ and return that path, relative, for use in the pages."""
    staged = folder / "assets" / "staged"
    ignore = shutil.ignore_patterns("*.sources", "*.md")
    shutil.copytree(UI / "static", staged, ignore=ignore)
    (staged / "js" / "config.js").write_text(config, encoding="utf-8")
    (staged / "img" / "legend.svg").write_text(legend_svg(), encoding="utf-8")
    digest = hashlib.sha256()
    for path in sorted(staged.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(staged).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    name = digest.hexdigest()[:16]
    staged.rename(staged.with_name(name))
    return f"assets/{name}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(UI / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["card_html"] = Markup  # made by ui.cards, which lets no raw HTML through
    return environment


def _write_pages(folder: Path, context: dict[str, Any]) -> None:
    environment = _environment()
    for page in PAGES:
        html = environment.get_template(f"{page}.html").render(page=page, **context)
        (folder / f"{page}.html").write_text(html, encoding="utf-8")


def _keep_previous_assets(folder: Path, out: Path, assets: str) -> None:
    """Carry the asset folder that `out` uses now over into the new site."""
    index = out / "index.html"
    if not index.is_file():
        return
    html = index.read_text(encoding="utf-8")
    for previous in (out / "assets").iterdir():
        name = f"assets/{previous.name}"
        if name != assets and name in html:
            shutil.copytree(previous, folder / name)


def _swap(folder: Path, out: Path) -> None:
    """Put `folder` in the place of `out`; two renames, so no file is ever half written."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".old-") as old:
        if out.exists():
            out.rename(Path(old) / "site")
        folder.rename(out)


def render(
    out: Path, model_store: Path = MODEL_STORE, serving: Mapping[str, str] | None = None
) -> None:
    """Render the whole site into `out`, replacing what is there in one step.

    Args:
        out: folder of the site; made if missing.
        model_store: folder of the model versions that the page describes.
        serving: the version of each model that serves; those of serving.json if not given.

    Raises:
        OSError: a folder cannot be written.
        jinja2.TemplateError: a template uses what the page does not know.
    """
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    limits, models = limits_facts(), model_facts(model_store, serving)
    combined = combined_facts(model_store, serving)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".site-") as temporary:
        folder = Path(temporary) / "site"
        folder.mkdir()
        assets = _write_assets(folder, _script_config(limits, models, combined))
        context = {
            "assets": assets,
            "combined": combined,
            "endpoint": ENDPOINT,
            "limits": limits,
            "models": models,
            "modules": sorted(path.name for path in (folder / assets / "js").glob("*.js")),
            "product": PRODUCT,
            "report_note": REPORT_NOTE,
            "samples": SAMPLES,
        }
        _write_pages(folder, context)
        _keep_previous_assets(folder, out, assets)
        _swap(folder, out)


def main() -> None:
    """Read the command line and render."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/site"), help="folder to write")
    parser.add_argument("--model-store", type=Path, default=MODEL_STORE, help="model versions")
    parser.add_argument(
        "--serving", nargs="*", metavar="MODEL=VERSION", help="what serves, if not serving.json"
    )
    arguments = parser.parse_args()
    serving = dict(item.partition("=")[::2] for item in arguments.serving or [])
    render(arguments.out, arguments.model_store, serving)


if __name__ == "__main__":
    main()
