"""The scripts and what they rely on: texts, elements of the page, modules."""

import re
from pathlib import Path

import pytest

from ui import texts

UI = Path(texts.__file__).parent
SCRIPTS = sorted((UI / "static" / "js").glob("*.js"))
SOURCE = "\n".join(path.read_text() for path in SCRIPTS)
TEMPLATES = "\n".join(path.read_text() for path in (UI / "templates").glob("*.html"))


def test_every_notice_used_exists_and_every_notice_is_used() -> None:
    used = set(re.findall(r'notice\(\s*"(\w+)"', SOURCE))
    used |= set(re.findall(r"notices\.(\w+)", SOURCE))
    known = set(texts.NOTICES)
    assert used <= known
    built = {"counts_fake", "counts_real", "short_fake", "short_real"}
    named = {key for key in known if f'"{key}"' in SOURCE}
    assert known - used - built - named == set()


def test_every_kind_of_failure_has_a_text_and_is_used() -> None:
    used = set(re.findall(r'(?:Failure|fail)\("(\w+)"', SOURCE))
    used |= set(re.findall(r'return "(\w+)";', (UI / "static/js/api.js").read_text()))
    assert used == set(texts.FAILURES)


def test_every_element_sought_is_on_the_page() -> None:
    sought = set(re.findall(r'\$\("([\w-]+)"\)', SOURCE))
    sought |= set(re.findall(r'copyOf\("([\w-]+)"\)', SOURCE))
    there = set(re.findall(r'\bid="([\w-]+)"', TEMPLATES))
    assert sought <= there


def test_every_icon_of_a_verdict_is_in_the_sprite() -> None:
    for name in (*texts.VERDICTS, "failed"):
        assert f'id="icon-{name}"' in TEMPLATES


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_modules_are_small_and_never_build_html(path: Path) -> None:
    source = path.read_text()
    assert source.count("\n") < 300
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", source)
    assert "http://" not in source
    assert "https://" not in source


def test_verdicts_are_worded_with_care() -> None:
    for verdict, words in texts.VERDICTS.items():
        text = " ".join(words.values()).lower()
        assert not re.search(r"\b(is|definitely|certainly|proven) (fake|real|genuine)\b", text)
        assert verdict == "uncertain" or "likely" in words["headline"].lower()
    assert "not proof" in texts.VERDICTS["fake"]["sentence"]
    assert "no guarantee" in texts.VERDICTS["real"]["sentence"]


def test_strengths_cover_every_confidence() -> None:
    bounds = [step["at_least"] for step in texts.STRENGTHS]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] == 0
