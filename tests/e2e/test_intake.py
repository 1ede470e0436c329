"""The ways in: choose, drop, paste, samples, several at once."""

import base64
import hashlib
from pathlib import Path

import pytest
from playwright.sync_api import expect

from detection.image import BACKGROUND
from tests.support.browser import ENDPOINT, Screen

pytestmark = pytest.mark.e2e

# Builds a real File in the page and hands it over in an event, as the browser does on a drop.
HAND_OVER = """([kind, name, type, base64]) => {
  const transfer = new DataTransfer();
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  if (name) transfer.items.add(new File([bytes], name, { type }));
  else transfer.setData("text/uri-list", "https://example.org/picture.jpg");
  const target = document.body;
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true })
    : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
  target.dispatchEvent(event);
}"""


def hand_over(ui: Screen, kind: str, file: Path | None) -> None:
    content = base64.b64encode(file.read_bytes()).decode() if file else ""
    ui.page.evaluate(HAND_OVER, [kind, file.name if file else "", "image/jpeg", content])


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_drop_and_paste(ui: Screen, pictures: Path, kind: str) -> None:
    file = pictures / "portrait.jpg"
    if kind == "drop":
        hand_over(ui, "dragover", file)
        expect(ui.page.locator("#veil")).to_be_visible()
    with ui.page.expect_response(ENDPOINT) as answer:
        hand_over(ui, kind, file)
    ui.result()
    expect(ui.page.locator("#veil")).to_be_hidden()
    assert answer.value.json()["image"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_what_is_no_file_is_explained(ui: Screen, kind: str) -> None:
    hand_over(ui, kind, None)
    expect(ui.page.locator("#toast")).to_contain_text("not a picture file")
    expect(ui.page.locator("#status")).to_contain_text("not a picture file")
    assert ui.requests_to_detect() == 0


def test_samples_are_judged_by_the_service(ui: Screen) -> None:
    for name in ("A real photo", "A made-up fake"):
        with ui.page.expect_response(ENDPOINT) as answer:
            ui.page.get_by_role("button", name=name).click()
        ui.result()
        reply = answer.value.json()
        assert len(reply["faces"]) == 1
        assert reply["faces"][0]["box"] is not None
    expect(ui.page.locator(".recent-open")).to_have_count(2)
    ui.screenshot("samples")  # the picture in the README


def test_several_pictures_queue_up_and_all_are_judged(ui: Screen, pictures: Path) -> None:
    files = [pictures / name for name in ("portrait.jpg", "notes.jpg", "other.png", "group.jpg")]
    ui.give(*files)
    expect(ui.page.locator("#queue")).to_be_visible()
    expect(ui.page.locator(".recent-open")).to_have_count(3, timeout=60_000)
    expect(ui.page.locator("#result-name")).to_have_text("portrait.jpg")  # what was chosen first
    expect(ui.page.locator(".queue-name")).to_have_text(["notes.jpg"])
    names = ui.page.locator(".recent-name").all_inner_texts()
    assert names == ["group.jpg", "other.png", "portrait.jpg"]
    assert ui.requests_to_detect() == 3
    ui.page.get_by_role("button", name="group.jpg").click()
    expect(ui.page.locator("#result-name")).to_have_text("group.jpg")
    ui.page.get_by_role("button", name="Remove notes.jpg").click()
    expect(ui.page.locator("#queue")).to_be_hidden()


def test_files_that_cannot_be_sent_are_told_before_their_turn(ui: Screen, pictures: Path) -> None:
    with ui.dead_line():
        ui.give(pictures / "portrait.jpg", pictures / "other.png", pictures / "notes.jpg")
        states = ui.page.locator(".queue-state")
        expect(states.nth(2)).to_have_text("This kind of file is not accepted")
        expect(states.nth(1)).to_have_text("Waiting")
        ui.page.locator("#cancel").click()


def test_large_photo_is_sent_as_it_is(ui: Screen, pictures: Path) -> None:
    file = pictures / "large.jpg"
    reply = ui.judge(file)
    assert reply["image"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (reply["image"]["width"], reply["image"]["height"]) == (4000, 4000)


def test_what_the_browser_cannot_show_is_judged_all_the_same(ui: Screen, pictures: Path) -> None:
    reply = ui.judge(pictures / "scan.tif")
    assert reply["image"]["format"] == "TIFF"
    expect(ui.page.locator("#no-preview")).to_be_visible()
    expect(ui.page.locator("#boxes .box")).to_have_count(1)
    frame = ui.page.locator("#frame").bounding_box()
    assert frame is not None
    assert frame["width"] == pytest.approx(frame["height"], abs=2)  # the picture is square


def test_a_picture_turned_by_its_camera_is_shown_upright(ui: Screen, pictures: Path) -> None:
    reply = ui.judge(pictures / "turned.jpg")
    width, height = reply["image"]["width"], reply["image"]["height"]
    assert width < height  # the file's own rows run the other way
    photo = ui.page.locator("#photo").evaluate("photo => [photo.naturalWidth, photo.naturalHeight]")
    assert photo == [width, height]


def test_transparency_is_shown_as_it_was_judged(ui: Screen, pictures: Path) -> None:
    ui.judge(pictures / "transparent.png")
    corner = ui.page.locator("#photo").evaluate(
        """photo => {
          const canvas = document.createElement("canvas");
          canvas.getContext("2d").drawImage(photo, 0, 0);
          return [...canvas.getContext("2d").getImageData(2, 2, 1, 1).data];
        }"""
    )
    assert corner == pytest.approx([*BACKGROUND, 255], abs=2)


def test_progress_is_shown_and_told(ui: Screen, pictures: Path) -> None:
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)

    ui.page.expose_function("tell", tell)
    ui.page.evaluate(
        """new MutationObserver(() => tell(document.getElementById("status").textContent))
        .observe(document.getElementById("status"), { childList: true, characterData: true })"""
    )
    ui.give(pictures / "large.jpg")
    expect(ui.page.locator("#work-progress")).to_be_visible()
    expect(ui.page.locator("#cancel")).to_be_visible()
    ui.result()
    stages = [text.partition(": ")[2] for text in told]
    assert "Sending." in stages
    assert "Finding faces and judging them." in stages
    headline = ui.text("#verdict-words")
    assert told[-1].startswith(f"large.jpg: {headline}.")


def test_cancel_keeps_the_picture_and_retry_judges_it(ui: Screen, pictures: Path) -> None:
    with ui.dead_line():
        ui.give(pictures / "portrait.jpg")
        expect(ui.page.locator("#work-photo")).to_be_visible()
        ui.page.locator("#cancel").focus()
        ui.page.keyboard.press("Enter")
        ui.failure("Cancelled")
    expect(ui.page.locator("#failure-heading")).to_be_focused()
    expect(ui.page.locator("#work-photo")).to_be_visible()
    ui.page.get_by_role("button", name="Try again").click()
    ui.result()
