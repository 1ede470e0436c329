"""Dark and light: follow the system, can be set, are remembered, never flash."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import DARK, LIGHT, Screen, View, screen

pytestmark = pytest.mark.e2e

# The background of the page just before the first paint. The parser may well make the body before
# the style sheet is there, but nothing is painted, and no animation frame runs, until it is.
FIRST_BACKGROUND = """new MutationObserver((changes, observer) => {
  if (!document.body) return;
  observer.disconnect();
  requestAnimationFrame(() => {
    window.firstBackground = getComputedStyle(document.documentElement).backgroundColor;
  });
}).observe(document, { childList: true, subtree: true });"""


def brightness(ui: Screen) -> float:
    """Mean of the page's background colour, from 0 to 255."""
    return float(
        ui.page.evaluate(
            """() => getComputedStyle(document.documentElement).backgroundColor
            .match(/[0-9.]+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3"""
        )
    )


@pytest.mark.parametrize("view", [LIGHT, DARK], ids=lambda view: view.name)
def test_follows_the_system(ui: Screen, view: View) -> None:
    assert (brightness(ui) < 128) == (view.theme == "dark")
    ui.page.emulate_media(color_scheme="light" if view.theme == "dark" else "dark")
    assert (brightness(ui) < 128) == (view.theme != "dark")


@pytest.mark.parametrize("view", [DARK], ids=lambda view: view.name)
def test_dark_is_not_pure_black(ui: Screen) -> None:
    assert brightness(ui) > 15


def test_choice_is_kept_on_all_pages_and_can_be_undone(ui: Screen) -> None:
    ui.page.get_by_title("Dark").click()
    assert brightness(ui) < 128
    ui.open("/about.html")
    assert brightness(ui) < 128
    expect(ui.page.get_by_role("radio", name="Dark")).to_be_checked()
    ui.page.get_by_role("radio", name="Dark").focus()
    ui.page.keyboard.press("ArrowLeft")
    assert brightness(ui) > 128
    ui.page.keyboard.press("ArrowLeft")
    ui.open()
    expect(ui.page.get_by_role("radio", name="Like the system")).to_be_checked()
    assert ui.page.evaluate("localStorage.getItem('theme')") is None


@pytest.mark.parametrize(("system", "chosen"), [(LIGHT, "dark"), (DARK, "light")])
def test_never_flashes(browser: Browser, origin: str, system: View, chosen: str) -> None:
    with screen(browser, origin, system) as ui:
        ui.page.evaluate("theme => localStorage.setItem('theme', theme)", chosen)
        ui.page.add_init_script(FIRST_BACKGROUND)
        for path in ("/", "/about.html"):
            ui.open(path)
            first = ui.page.wait_for_function("window.firstBackground").json_value()
            now = ui.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
            assert first == now
            assert (brightness(ui) < 128) == (chosen == "dark")


def test_report_prints_on_white_from_the_dark_theme(ui: Screen, pictures: Path) -> None:
    ui.page.get_by_title("Dark").click()
    ui.judge(pictures / "portrait.jpg")
    ui.page.emulate_media(media="print")
    assert brightness(ui) > 250
