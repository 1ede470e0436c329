"""Everything that can go wrong says what it was and offers a way on; nothing is lost."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, expect

from detection import limits
from tests.support.browser import ENDPOINT, Screen

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    ("name", "title", "text"),
    [
        ("notes.jpg", "This kind of file is not accepted", "does not look like a picture"),
        ("phone.heic", "This kind of file is not accepted", "a HEIC file"),
        ("drawing.svg", "This kind of file is not accepted", limits.ACCEPTED),
        ("empty.jpg", "This file is empty", "no content"),
        ("huge.jpg", "This file is too large", "up to 20.0 MB"),
        ("gigantic.png", "This picture has too many pixels", "9000 by 6000"),
        ("tiny.png", "This picture is too small", f"at least {limits.MIN_SIDE}"),
        ("strip.png", "This picture is too long and narrow", "1200 by 60"),
    ],
)
def test_what_the_service_would_refuse_is_not_sent(
    ui: Screen, pictures: Path, name: str, title: str, text: str
) -> None:
    ui.give(pictures / name)
    ui.failure(title)
    assert text in ui.text("#failure-text")
    expect(ui.page.locator("#alert")).to_contain_text(title)
    expect(ui.page.locator("#retry")).to_be_hidden()
    expect(ui.page.locator("#choose-another")).to_be_visible()
    assert ui.requests_to_detect() == 0
    assert ui.judge(pictures / "portrait.jpg")["faces"]  # the way on


def test_a_refusal_is_shown_in_the_services_own_words(ui: Screen, pictures: Path) -> None:
    with ui.page.expect_response(ENDPOINT) as answer:
        ui.give(pictures / "cut-off.jpg")
    ui.failure("This picture was not accepted")
    refusal = answer.value.json()
    assert refusal["code"] >= 400
    assert ui.text("#failure-text") == refusal["message"]
    assert refusal["type"] in ui.text("#failure-detail")
    ui.problems.clear()  # Chromium logs every status from 400 on as a console error


def test_a_lost_network_loses_nothing(ui: Screen, pictures: Path) -> None:
    ui.judge(pictures / "other.png")
    ui.page.context.set_offline(True)
    ui.give(pictures / "portrait.jpg")
    ui.failure("The service could not be reached")
    expect(ui.page.locator("#work-photo")).to_be_visible()
    expect(ui.page.locator(".recent-open")).to_have_count(1)
    ui.page.context.set_offline(False)
    ui.page.get_by_role("button", name="Try again").click()
    ui.result()
    expect(ui.page.locator("#result-name")).to_have_text("portrait.jpg")
    ui.problems.clear()  # the browser's own note on the lost network


def test_a_silent_service_times_out(ui: Screen, pictures: Path) -> None:
    ui.page.clock.install()
    with ui.dead_line():
        ui.give(pictures / "portrait.jpg")
        expect(ui.page.locator("#work-title")).to_have_text(re.compile("Sending|judging"))
        ui.page.wait_for_timeout(300)
        ui.page.clock.fast_forward(61_000)
        ui.failure("The service took too long")
    ui.page.get_by_role("button", name="Try again").click()
    ui.result()


@pytest.mark.parametrize(
    ("status", "body", "title", "text"),
    [
        (503, {"code": 503, "type": "busy", "message": "Full."}, "The service is busy", "again"),
        (429, {"code": 429, "type": "busy", "message": "Full."}, "The service is busy", "again"),
        (413, None, "This file is too large", "20.0 MB"),
        (500, {"code": 500, "type": "error", "message": "x"}, "The service failed", "not with"),
        (200, {"code": 500, "type": "error", "message": "x"}, "The service failed", "not with"),
        (200, {"code": 422, "type": "t", "message": "Too odd."}, "was not accepted", "Too odd."),
        (200, {"unknown": 1}, "The answer could not be read", "Reload"),
        (200, None, "The answer could not be read", "Reload"),
        (502, None, "The service failed", "on the server"),
    ],
)
def test_every_status_of_a_failing_service(
    ui: Screen, pictures: Path, status: int, body: dict[str, object] | None, title: str, text: str
) -> None:
    answer = json.dumps(body) if body else "<html>not what we asked for</html>"
    ui.page.route(ENDPOINT, lambda route: route.fulfill(status=status, body=answer))
    ui.give(pictures / "portrait.jpg")
    expect(ui.page.locator("#failure-title")).to_contain_text(title)
    assert text in ui.text("#failure-text")
    expect(ui.page.locator("#work-photo")).to_be_visible()
    ui.problems.clear()
    ui.page.unroute(ENDPOINT)
    retry = ui.page.get_by_role("button", name="Try again")
    if retry.is_visible():
        retry.click()
        ui.result()
    else:
        assert ui.judge(pictures / "portrait.jpg")["faces"]


def test_a_sample_that_cannot_be_fetched_is_explained(ui: Screen) -> None:
    ui.page.route("**/samples/sample-*", lambda route: route.abort())
    ui.page.get_by_role("button", name="A real photo").click()
    expect(ui.page.locator("#toast")).to_contain_text("could not be loaded")
    ui.problems.clear()


def test_leaving_while_pictures_are_on_their_way_is_asked_about(ui: Screen, pictures: Path) -> None:
    asked: list[str] = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    ui.page.on("dialog", leave)
    with ui.dead_line():
        ui.give(pictures / "portrait.jpg")
        expect(ui.page.locator("#work-title")).to_have_text(re.compile("Sending|judging"))
        ui.page.mouse.click(5, 300)  # browsers only ask after the user has done something
        ui.page.reload()
    assert asked == ["beforeunload"]
