"""Every state of the page, in both themes and on a phone: axe-core, keyboard, live regions."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import LIGHT, PHONE, VIEWS, Screen, View, screen

pytestmark = pytest.mark.e2e

all_views = pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)


@all_views
def test_empty_and_about(ui: Screen) -> None:
    ui.check_accessible()
    ui.screenshot("empty")
    ui.open("/about.html")
    ui.check_accessible()
    for summary in ui.page.locator("summary").all():
        summary.click()
    ui.check_accessible()
    ui.screenshot("about")


@all_views
def test_working_and_failed(ui: Screen, pictures: Path) -> None:
    with ui.dead_line():
        ui.give(pictures / "portrait.jpg", pictures / "group.jpg", pictures / "notes.jpg")
        expect(ui.page.locator("#work-photo")).to_be_visible()
        ui.check_accessible()
        ui.screenshot("working")
        ui.page.locator("#cancel").click()
        ui.failure("Cancelled")
        ui.check_accessible()
        ui.screenshot("failed")
        ui.page.get_by_role("button", name="Remove portrait.jpg").click()


@all_views
def test_results_report_and_dialog(ui: Screen, pictures: Path) -> None:
    ui.judge(pictures / "portrait.jpg")
    ui.check_accessible()
    ui.judge(pictures / "group.jpg")
    ui.page.locator("summary").click()
    ui.check_accessible()
    ui.page.get_by_text("Face", exact=True).click()
    ui.check_accessible()
    ui.judge(pictures / "no-face.png")
    ui.check_accessible()
    ui.page.get_by_role("button", name="Clear all").click()
    ui.check_accessible()
    ui.page.keyboard.press("Escape")
    ui.page.get_by_role("button", name="Report").click()
    expect(ui.page.locator("#report")).to_be_visible()
    ui.check_accessible()


def test_everything_is_reached_by_keyboard_with_visible_focus(ui: Screen, pictures: Path) -> None:
    ui.judge(pictures / "group.jpg")
    ui.page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    reached = []
    for _ in range(60):
        ui.page.keyboard.press("Tab")
        state = ui.page.evaluate(
            """() => {
              const now = document.activeElement;
              if (now === document.body) return null;
              const ringed = now.matches(".sr-only")
                ? now.closest("label") ?? now.nextElementSibling : now;
              const style = getComputedStyle(ringed);
              const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
              const native = now.matches("input[type=checkbox], input[type=range]");
              const name = now.id || now.name || now.value || now.className || now.textContent;
              return [name.trim(), ring || native];
            }"""
        )
        if state is None:
            break
        reached.append(state[0])
        assert state[1], f"no visible focus on {state[0]}"
    for wanted in ("skip", "theme", "file", "sample", "box", "zoom", "layer", "opacity", "face"):
        assert wanted in reached
    for wanted in ("open-report", "save-json", "copy-json", "recent-open", "keep", "clear"):
        assert wanted in reached


def test_skip_link_leads_to_the_content(ui: Screen) -> None:
    ui.page.keyboard.press("Tab")
    expect(ui.page.get_by_text("Skip to content")).to_be_focused()
    ui.page.keyboard.press("Enter")
    assert ui.page.evaluate("document.activeElement.id") == "main"


def test_result_and_failure_are_announced(ui: Screen, pictures: Path) -> None:
    ui.judge(pictures / "portrait.jpg")
    words = ui.text("#verdict-words")
    expect(ui.page.locator("[role=status]")).to_contain_text(f"portrait.jpg: {words}.")
    ui.give(pictures / "notes.jpg")
    ui.failure("This kind of file is not accepted")
    expect(ui.page.locator("[role=alert]")).to_contain_text("notes.jpg: This kind of file")


@pytest.mark.parametrize("reduced", [True, False], ids=["reduced", "not reduced"])
def test_motion_is_reduced_on_request(
    browser: Browser, origin: str, pictures: Path, *, reduced: bool
) -> None:
    motion = "reduce" if reduced else "no-preference"
    with screen(browser, origin, LIGHT, reduced_motion=motion) as ui:
        ui.judge(pictures / "portrait.jpg")
        moving = ui.page.evaluate(
            """() => [...document.querySelectorAll("*")].filter((element) => {
              const style = getComputedStyle(element);
              return parseFloat(style.transitionDuration) > 0 || style.animationName !== "none";
            }).length"""
        )
        assert (moving == 0) == reduced


@pytest.mark.parametrize("view", [LIGHT, PHONE], ids=lambda view: view.name)
def test_targets_are_large_enough(ui: Screen, pictures: Path, view: View) -> None:
    """WCAG 2.2, 2.5.8: at least 24 by 24 px, text links within sentences excepted."""
    ui.judge(pictures / "group.jpg")
    small = ui.page.evaluate(
        """() => [...document.querySelectorAll("button, summary, label, input[type=range]")]
        .filter((target) => target.offsetParent && !target.matches(".sr-only"))
        .map((target) => [target.textContent.trim(), target.getBoundingClientRect()])
        .filter(([, box]) => box.width < 24 || box.height < 24)
        .map(([text, box]) => `${text} ${box.width} x ${box.height}`)"""
    )
    assert small == [], view.name


def test_text_can_be_enlarged(browser: Browser, origin: str, pictures: Path) -> None:
    """WCAG 1.4.4 and 1.4.10: at 200 % and on 320 px nothing scrolls sideways."""
    with screen(browser, origin, View("light", 640, 800)) as ui:
        ui.page.add_init_script(
            """addEventListener("DOMContentLoaded", () => {
              document.documentElement.style.fontSize = "200%";
            });"""
        )
        ui.open()
        ui.judge(pictures / "group.jpg")
        ui.check_accessible()
