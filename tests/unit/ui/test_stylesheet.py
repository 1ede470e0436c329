import json
import shutil
from pathlib import Path

import pytest

from ui import stylesheet


def test_style_sheet_was_compiled_from_its_present_sources() -> None:
    recorded = stylesheet.FINGERPRINT.read_text().strip()
    assert recorded == stylesheet.fingerprint(), (
        "the style sheet is older than its sources: run `npm install && npm run build` in ui/"
    )


def test_fingerprint_follows_each_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "ui"
    ignore = shutil.ignore_patterns("node_modules", "samples")
    shutil.copytree(stylesheet.ROOT, copy, ignore=ignore)
    monkeypatch.setattr(stylesheet, "ROOT", copy)
    before = stylesheet.fingerprint()
    for name in ("tailwind/site.css", "templates/about.html", "static/js/main.js"):
        path = copy / name
        original = path.read_bytes()
        path.write_bytes(original + b"\n")
        assert stylesheet.fingerprint() != before
        path.write_bytes(original)
    assert stylesheet.fingerprint() == before


def test_lock_file_pins_by_hash_and_names_no_registry() -> None:
    lock = json.loads((stylesheet.ROOT / "package-lock.json").read_text())
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert packages
    assert all("integrity" in each for each in packages.values() if not each.get("inBundle"))
    assert not [name for name, each in packages.items() if "resolved" in each]


def test_style_sheet_loads_nothing_from_elsewhere() -> None:
    css = (stylesheet.ROOT / "static" / "css" / "site.css").read_text()
    assert "@import" not in css
    assert "url(http" not in css
