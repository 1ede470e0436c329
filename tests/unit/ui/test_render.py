import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from detection import limits
from detection.reasons import TEXTS
from ui.render import render

WEIGHT_LIMIT = 150_000
VOID = {"meta", "link", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """Collects what a page loads and what a strict Content-Security-Policy forbids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: set[str] = set()
        self.links: set[str] = set()
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.inline += [name for name in values if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and not values.get("src")):
            self.inline.append(tag)
        if tag in {"img", "script"} and values.get("src"):
            self.loads.add(str(values["src"]))
        if tag == "link":
            self.loads.add(str(values["href"]))
        if tag == "a":
            self.links.add(str(values["href"]))
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def read(site: Path, name: str) -> Page:
    page = Page((site / name).read_text())
    assert not page.open
    return page


def config_of(site: Path) -> dict[str, Any]:
    address = next(name for name in read(site, "index.html").loads if name.endswith("/config.js"))
    text = (site / address).read_text()
    loaded: dict[str, Any] = json.loads(text.partition("export default ")[2].rstrip(";\n"))
    return loaded


@pytest.mark.parametrize("name", ["index.html", "about.html"])
def test_pages_load_only_what_was_rendered_and_nothing_inline(site: Path, name: str) -> None:
    page = read(site, name)
    assert page.inline == []
    assert page.loads
    assert all((site / address).is_file() for address in page.loads)
    local = {link.partition("#")[0] for link in page.links}
    assert local <= {"", "./", "about.html"}
    assert len(page.ids) == len(set(page.ids))


def test_links_within_pages_have_targets(site: Path) -> None:
    ids = {name: set(read(site, name).ids) for name in ("index.html", "about.html")}
    for name in ids:
        for link in read(site, name).links:
            file, _, target = link.partition("#")
            assert not target or target in ids[name if file in {"", "./"} else file]


def test_all_modules_are_preloaded(site: Path) -> None:
    modules = {path.name for path in site.glob("assets/*/js/*.js")}
    loaded = {Path(address).name for address in read(site, "index.html").loads}
    assert modules <= loaded


def test_limits_come_from_the_service(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_of(site)["limits"]["bytes"] == limits.MAX_UPLOAD_BYTES
    monkeypatch.setattr(limits, "MAX_UPLOAD_BYTES", 7 * 1024 * 1024)
    monkeypatch.setattr(limits, "FORMATS", ("PNG",))
    render(site, site)
    assert config_of(site)["limits"]["bytes"] == 7 * 1024 * 1024
    html = (site / "index.html").read_text()
    assert "up to 7 MB" in html
    assert 'accept="image/png"' in html


def test_texts_of_reasons_are_the_servers_alone(site: Path) -> None:
    for path in site.rglob("*"):
        if path.suffix in {".js", ".html"}:
            text = path.read_text()
            assert not [reason for reason in TEXTS.values() if reason in text], path.name


def test_about_page_shows_serving_versions_with_their_figures(site: Path) -> None:
    html = (site / "about.html").read_text()
    assert "CNN, version 1.2" in html
    assert "CNN, version 1.0" not in html
    for shown in ("192 &times; 192", "0.81", "0.23", "1.37", "0.871", "0f" * 32, "from scratch"):
        assert shown in html
    assert "EfficientNet, version 1.0" in html  # bare, with no figures at all
    assert "No figures have been published" in html
    assert "<script>alert" not in html


def test_renders_without_any_model(tmp_path: Path) -> None:
    render(tmp_path / "site", tmp_path / "nothing")
    assert "No model version is published yet" in (tmp_path / "site" / "about.html").read_text()


def test_new_contents_get_new_addresses_and_the_old_ones_stay_once(
    site: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def folders() -> set[str]:
        return {path.name for path in (site / "assets").iterdir()}

    first = folders()
    render(site, store)
    assert folders() == first
    monkeypatch.setattr(limits, "MIN_SIDE", 33)
    render(site, store)
    second = folders()
    assert len(second) == 2
    assert first < second
    monkeypatch.setattr(limits, "MIN_SIDE", 34)
    render(site, store)
    assert len(folders()) == 2
    assert not first & folders()


def test_a_failed_render_leaves_the_site_as_it_was(
    site: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    monkeypatch.setattr("ui.render.PAGES", ("index", "missing"))
    with pytest.raises(Exception, match="missing"):
        render(site, store)
    assert {path: path.read_bytes() for path in site.rglob("*") if path.is_file()} == before
    assert [path.name for path in site.parent.iterdir()] == ["site"]


def test_page_and_all_it_loads_is_light(site: Path) -> None:
    names = {"index.html", *read(site, "index.html").loads}
    parts = {
        name: len(gzip.compress((site / name).read_bytes()))
        for name in names
        if not re.search(r"/samples/sample-", name)
    }
    assert sum(parts.values()) < WEIGHT_LIMIT, parts
