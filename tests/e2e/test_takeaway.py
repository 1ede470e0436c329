"""Copying, saving, reporting, and the results kept in this browser."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from detection.limits import MAX_FACES
from detection.reasons import TEXTS
from tests.e2e.conftest import each_view
from tests.support.browser import LIGHT, Screen, screen
from ui.texts import VERDICTS

pytestmark = pytest.mark.e2e


def test_reply_is_copied_and_saved_as_it_came(ui: Screen, pictures: Path, tmp_path: Path) -> None:
    ui.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    reply = ui.judge(pictures / "portrait.jpg")
    ui.page.get_by_role("button", name="Copy JSON").click()
    expect(ui.page.locator("#toast")).to_have_text("Copied.")
    assert json.loads(ui.page.evaluate("navigator.clipboard.readText()")) == reply
    with ui.page.expect_download() as download:
        ui.page.get_by_role("button", name="Save JSON").click()
    assert download.value.suggested_filename == "portrait.json"
    download.value.save_as(tmp_path / "reply.json")
    assert json.loads((tmp_path / "reply.json").read_text()) == reply


def test_copying_works_without_the_clipboard_interface(ui: Screen, pictures: Path) -> None:
    """As on a plain http address that is not this machine."""
    ui.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    reply = ui.judge(pictures / "portrait.jpg")
    ui.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
    ui.page.get_by_role("button", name="Copy JSON").click()
    expect(ui.page.locator("#toast")).to_have_text("Copied.")
    assert json.loads(ui.page.evaluate("navigator.clipboard.readText()")) == reply


@each_view
def test_report_holds_all_that_is_needed_to_check_it(ui: Screen, pictures: Path) -> None:
    reply = ui.judge(pictures / "group.jpg")
    ui.page.get_by_role("button", name="Report").click()
    report = ui.page.locator("#report")
    expect(report).to_be_visible()
    expect(ui.page.locator("#main")).to_be_hidden()
    text = report.inner_text()
    assert VERDICTS[reply["verdict"]]["headline"] in text
    assert reply["image"]["sha256"] in text
    assert "group.jpg" in text
    assert re.search(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}", text)
    for model in reply["models"].values():
        assert model["weights_sha256"] in text
        assert model["version"] in text
    for face in reply["faces"]:
        assert ", ".join(map(str, face["box"])) in text
    for reason in reply["reasons"]:
        assert reason["text"] in text
    expect(report.locator(".photo")).to_have_count(3)
    expect(report.locator(".map:visible")).to_have_count(1)
    ui.screenshot("report")
    ui.page.go_back()
    expect(ui.page.locator("#result")).to_be_visible()
    expect(ui.page.locator("#open-report")).to_be_focused()


@pytest.mark.parametrize("from_report", [False, True], ids=["from result", "from report"])
def test_printing_gives_the_report_on_one_page(
    ui: Screen, pictures: Path, tmp_path: Path, *, from_report: bool
) -> None:
    reply = ui.judge(pictures / "group.jpg")
    if from_report:
        ui.page.get_by_role("button", name="Report").click()
    pdf = ui.page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    assert len(pdf) > 20_000  # the pictures are in it
    ui.page.emulate_media(media="print")
    if from_report:
        expect(ui.page.locator("#report")).to_be_visible()
        expect(ui.page.locator("#print")).to_be_hidden()
        assert reply["image"]["sha256"] in ui.page.locator("#report").inner_text()


def test_report_on_the_most_faces_still_fits_on_one_page(
    ui: Screen, pictures: Path, tmp_path: Path
) -> None:
    def crowd(reply: dict[str, Any]) -> None:
        reply["faces"] = (reply["faces"] * MAX_FACES)[:MAX_FACES]
        reply["faces"][0]["reasons"] = reply["reasons"] = [
            {"code": code, "text": text} for code, text in TEXTS.items()
        ]

    ui.judge_changed(pictures / "group.jpg", crowd)
    pdf = ui.page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1


def test_results_stay_in_this_browser_until_cleared(ui: Screen, pictures: Path) -> None:
    reply = ui.judge(pictures / "portrait.jpg")
    ui.judge(pictures / "group.jpg")
    ui.open()
    recent = ui.page.locator(".recent-open")
    expect(recent).to_have_count(2)
    expect(ui.page.locator("#result")).to_be_hidden()
    expect(recent.first.locator("img")).to_be_visible()
    ui.screenshot("earlier-results")
    ui.page.get_by_role("button", name="portrait.jpg").click()
    ui.result()
    expect(ui.page.locator("#verdict-headline")).to_be_focused()
    assert ui.text("#verdict-words") == VERDICTS[reply["verdict"]]["headline"]
    expect(ui.page.locator("#photo")).to_be_visible()
    ui.page.get_by_role("button", name="Clear all").click()
    ui.page.get_by_role("button", name="Keep them").click()
    expect(recent).to_have_count(2)
    ui.page.get_by_role("button", name="Clear all").click()
    ui.screenshot("clear-all")
    ui.page.get_by_role("button", name="Remove all").click()
    expect(ui.page.locator("#recent")).to_be_hidden()
    expect(ui.page.locator("#result")).to_be_hidden()
    ui.open()
    expect(recent).to_have_count(0)


def test_nothing_is_kept_when_that_is_unticked(ui: Screen, pictures: Path) -> None:
    ui.judge(pictures / "portrait.jpg")
    ui.page.get_by_label("Keep results in this browser").uncheck()
    ui.judge(pictures / "other.png")
    expect(ui.page.locator(".recent-open")).to_have_count(2)  # until the page is left
    ui.open()
    expect(ui.page.locator("#recent")).to_be_hidden()
    ui.judge(pictures / "portrait.jpg")
    expect(ui.page.get_by_label("Keep results in this browser")).not_to_be_checked()
    ui.open()
    expect(ui.page.locator("#recent")).to_be_hidden()


def test_a_browser_that_keeps_nothing_still_judges(
    browser: Browser, origin: str, pictures: Path
) -> None:
    with screen(browser, origin, LIGHT) as ui:
        ui.page.add_init_script(
            """Object.defineProperty(window, "localStorage", { get() { throw new Error("no"); } });
            IDBFactory.prototype.open = () => { throw new Error("no"); };"""
        )
        ui.open()
        ui.judge(pictures / "portrait.jpg")
        expect(ui.page.locator(".recent-open")).to_have_count(1)
        assert "go when you close it" in ui.text("#not-kept")
        assert ui.problems == []


def test_privacy_is_stated_plainly(ui: Screen) -> None:
    text = ui.text(".privacy")
    assert "to nobody else" in text
    assert "keeps nothing" in text
    assert "in this browser" in text
