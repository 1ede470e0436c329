"""The answer and its evidence say what the service's reply says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.e2e.conftest import each_view
from tests.support.browser import Screen
from ui.texts import VERDICTS

pytestmark = pytest.mark.e2e


def shown(probability: float) -> str:
    """How the page writes a probability."""
    if probability > 0.99:
        return "> 0.99"
    return "< 0.01" if probability < 0.01 else f"{probability:.2f}"


def box_of(locator: Locator) -> dict[str, float]:
    box = locator.bounding_box()
    assert box is not None
    return {"left": box["x"], "top": box["y"], "width": box["width"], "height": box["height"]}


def expected_place(ui: Screen, area: list[int], image: dict[str, Any]) -> dict[str, float]:
    """Where an area of the picture lies on screen, in CSS pixels."""
    photo = box_of(ui.page.locator("#photo"))
    scale = photo["width"] / image["width"]
    left, top, right, bottom = area
    return {
        "left": photo["left"] + left * scale,
        "top": photo["top"] + top * scale,
        "width": (right - left) * scale,
        "height": (bottom - top) * scale,
    }


def worst_of(reply: dict[str, Any]) -> int:
    scores = [face["probability_fake"] for face in reply["faces"]]
    return scores.index(max(scores))


@each_view
def test_one_face(ui: Screen, pictures: Path) -> None:
    reply = ui.judge(pictures / "portrait.jpg")
    face = reply["faces"][0]
    words = VERDICTS[reply["verdict"]]
    assert ui.text("#verdict-words") == words["headline"]
    assert ui.text("#verdict-sentence") == words["sentence"]
    number = reply["confidence"] if reply["verdict"] == "real" else reply["probability_fake"]
    assert ui.text("#verdict-number") == shown(number)
    assert "indication" in ui.text("#verdict-strength")
    assert ui.page.locator("#verdict-icon").get_attribute("href") == f"#icon-{reply['verdict']}"
    reasons = ui.page.locator("#reasons li").all_inner_texts()
    assert reasons
    for reason in (*reply["reasons"], *face["reasons"]):
        assert reason["text"] in reasons
    expect(ui.page.locator("#faces")).to_be_hidden()
    ui.screenshot("one-face")


def test_bars_show_probabilities_and_thresholds_of_both_models(ui: Screen, pictures: Path) -> None:
    reply = ui.judge(pictures / "portrait.jpg")
    face = reply["faces"][0]
    bars = ui.page.locator(".bar")
    assert bars.count() == len(face["models"]) == 2
    for index, (name, judged) in enumerate(face["models"].items()):
        bar, model = bars.nth(index), reply["models"][name]
        expect(bar.locator(".bar-name")).to_contain_text(model["version"])
        expect(bar.locator(".bar-value")).to_have_text(shown(judged["probability_fake"]))
        track = box_of(bar.locator(".track"))
        dot = box_of(bar.locator(".dot"))
        middle = dot["left"] + dot["width"] / 2 - track["left"]
        assert middle / track["width"] == pytest.approx(judged["probability_fake"], abs=0.01)
        thresholds = model["thresholds"]
        real, fake = box_of(bar.locator(".zone-real")), box_of(bar.locator(".zone-fake"))
        assert real["width"] / track["width"] == pytest.approx(thresholds["real"], abs=0.01)
        assert fake["width"] / track["width"] == pytest.approx(1 - thresholds["fake"], abs=0.01)
        expect(bar.locator(".bar-thresholds")).to_contain_text(f"{thresholds['fake']:.2f}")
        expect(bar.locator(".tag")).to_be_visible(visible=name == face["decided_by"])


@each_view
def test_face_and_map_lie_where_the_reply_says(ui: Screen, pictures: Path) -> None:
    reply = ui.judge(pictures / "retouched.jpg")
    face, image = reply["faces"][0], reply["image"]
    box = ui.page.get_by_role("button", name=re.compile("^1 ?Face 1"))
    assert box_of(box) == pytest.approx(expected_place(ui, face["box"], image), abs=2)
    grid = ui.page.locator("#map")
    if not face["grad_cam"]["localised"]:
        pytest.fail("the map is not localised: choose another picture for this test")
    assert grid.get_attribute("src") == face["grad_cam"]["overlay"]
    assert box_of(grid) == pytest.approx(expected_place(ui, face["region"], image), abs=2)
    caption = ui.text("#map-caption")
    assert f"“{face['grad_cam']['class']}”" in caption
    assert "not where the picture was edited" in caption


def test_map_can_be_faded_and_switched_off_by_keyboard(ui: Screen, pictures: Path) -> None:
    ui.judge(pictures / "retouched.jpg")
    overlay = ui.page.locator("#map")
    slider = ui.page.get_by_role("slider", name="Strength of the map")
    before = float(overlay.evaluate("map => getComputedStyle(map).opacity"))
    slider.focus()
    for _ in range(3):
        ui.page.keyboard.press("ArrowLeft")
    after = float(overlay.evaluate("map => getComputedStyle(map).opacity"))
    assert after == pytest.approx(before - 0.15)
    expect(ui.page.locator("#legend")).to_be_visible()
    ui.page.get_by_role("radio", name="Map").focus()
    ui.page.keyboard.press("ArrowLeft")
    expect(overlay).to_be_hidden()
    expect(ui.page.locator("#legend")).to_be_hidden()
    ui.page.keyboard.press("ArrowRight")
    expect(overlay).to_be_visible()


@each_view
def test_several_faces_can_be_selected(ui: Screen, pictures: Path) -> None:
    reply = ui.judge(pictures / "group.jpg")
    faces = reply["faces"]
    assert len(faces) == 3
    worst = worst_of(reply)
    buttons = ui.page.locator(".face")
    expect(buttons).to_have_count(3)
    expect(ui.page.locator("#boxes .box")).to_have_count(3)
    expect(buttons.nth(worst)).to_have_attribute("aria-pressed", "true")
    assert f"face {worst + 1}" in ui.text("#several-faces")
    for number in range(3):
        buttons.nth(number).focus()
        ui.page.keyboard.press("Enter")
        expect(buttons.nth(number)).to_be_focused()
        expect(buttons.nth(number)).to_have_attribute("aria-pressed", "true")
        values = ui.page.locator(".bar-value").all_inner_texts()
        judged = faces[number]["models"].values()
        assert values == [shown(model["probability_fake"]) for model in judged]
        assert f"Face {number + 1}" in ui.text("#doubt-title")
        assert ui.text("#verdict-words") == VERDICTS[reply["verdict"]]["headline"]
    ui.page.locator("#boxes .box").nth(worst).click()
    expect(buttons.nth(worst)).to_have_attribute("aria-pressed", "true")
    ui.screenshot("several-faces")


def test_a_face_can_be_seen_close_up(ui: Screen, pictures: Path) -> None:
    reply = ui.judge(pictures / "group.jpg")
    face = reply["faces"][worst_of(reply)]
    ui.page.get_by_text("Face", exact=True).click()
    frame = box_of(ui.page.locator("#frame"))
    place = expected_place(ui, face["region"], reply["image"])
    assert frame == pytest.approx(place, abs=2)  # the region fills the frame
    expect(ui.page.locator("#boxes .box").first).to_be_hidden()
    ui.screenshot("close-up")


def test_no_face_is_said_and_the_whole_picture_judged(ui: Screen, pictures: Path) -> None:
    reply = ui.judge(pictures / "no-face.png")
    assert reply["faces"][0]["box"] is None
    text = next(each["text"] for each in reply["reasons"] if each["code"] == "no_face_found")
    assert text in ui.page.locator("#reasons li").all_inner_texts()
    expect(ui.page.locator("#boxes .box")).to_have_count(0)
    expect(ui.page.locator("#zoom input").last).to_be_disabled()
    ui.screenshot("no-face")


def test_evidence_that_is_not_localised_draws_no_map(ui: Screen, pictures: Path) -> None:
    def spread(reply: dict[str, Any]) -> None:
        reply["faces"][0]["grad_cam"]["localised"] = False

    ui.judge_changed(pictures / "portrait.jpg", spread)
    expect(ui.page.locator("#map")).to_be_hidden()
    expect(ui.page.locator("#map-row")).to_be_hidden()
    assert "no map is drawn" in ui.text("#map-caption")
    expect(ui.page.locator("#layer input").last).to_be_disabled()


@pytest.mark.parametrize(
    ("verdict", "probability", "strength"),
    [
        ("fake", 0.987, "Strong indication"),
        ("fake", 0.9, "Moderate indication"),
        ("fake", 0.71, "Weak indication"),
        ("real", 0.001, "Strong indication"),
        ("real", 0.1, "Moderate indication"),
        ("uncertain", 0.5, "No clear indication"),
    ],
)
def test_every_verdict_in_words_number_and_shape(
    ui: Screen, pictures: Path, verdict: str, probability: float, strength: str
) -> None:
    def decide(reply: dict[str, Any]) -> None:
        for part in (reply, reply["faces"][0]):
            part["verdict"] = verdict
            part["probability_fake"] = probability
            part["confidence"] = max(probability, 1 - probability)
            part["reasons"] = []

    ui.judge_changed(pictures / "portrait.jpg", decide)
    assert ui.text("#verdict-words") == VERDICTS[verdict]["headline"]
    assert ui.text("#verdict-strength") == strength
    number = 1 - probability if verdict == "real" else probability
    assert ui.text("#verdict-number") == shown(number)
    assert ("real" if verdict == "real" else "fake") in ui.text("#verdict-counts")
    assert ui.page.locator("#verdict-icon").get_attribute("href") == f"#icon-{verdict}"
    assert ui.page.locator("#reasons li").count() >= 1  # there is always a reason to doubt
    ui.screenshot(f"verdict-{verdict}-{strength.split(maxsplit=1)[0].lower()}")


def test_thresholds_follow_the_model_that_answered(ui: Screen, pictures: Path) -> None:
    def promote(reply: dict[str, Any]) -> None:
        reply["models"]["efficientnet"].update(version="9.7", thresholds={"fake": 0.9, "real": 0.1})

    ui.judge_changed(pictures / "portrait.jpg", promote)
    expect(ui.page.locator(".bar-name").last).to_have_text("EfficientNet 9.7")
    expect(ui.page.locator(".bar-thresholds").last).to_contain_text("fake from 0.90")


@pytest.mark.parametrize("measured", [True, False], ids=["these versions", "other versions"])
def test_error_rate_is_told_where_it_was_measured_with_these_versions(
    ui: Screen, pictures: Path, *, measured: bool
) -> None:
    def know(route: Route) -> None:
        answer = route.fetch()
        head, config = answer.text().split("export default ")
        known = json.loads(config.rstrip(";\n"))
        versions = {"cnn": "1.0" if measured else "0.9"}
        known["combined"] = {"versions": versions, "rates": {"false_alarms": 0.031}}
        known["errorRates"] = {}
        route.fulfill(response=answer, body=f"{head}export default {json.dumps(known)};")

    def accuse(reply: dict[str, Any]) -> None:
        reply["faces"][0]["verdict"] = reply["verdict"] = "fake"
        reply["models"]["cnn"]["version"] = "1.0"

    ui.page.route("**/js/config.js", know)
    ui.open()
    ui.judge_changed(pictures / "portrait.jpg", accuse)
    told = "In our tests, this detector called up to 3 % of real faces fake."
    assert (told in ui.page.locator("#reasons li").all_inner_texts()) == measured
