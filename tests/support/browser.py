"""Drives the page in Chromium: one object that does what a user does and sees what one sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, expect

SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"
ENDPOINT = "**/api/detect"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class View:
    """How the page is looked at: colour theme of the system, width and height in CSS pixels."""

    theme: str
    width: int
    height: int

    @property
    def name(self) -> str:
        """Name for screenshots."""
        return f"{self.theme}-{self.width}"


LIGHT = View("light", 1280, 900)
DARK = View("dark", 1280, 900)
PHONE = View("light", 320, 640)
DARK_PHONE = View("dark", 320, 640)
VIEWS = [LIGHT, DARK, PHONE, DARK_PHONE]


@dataclass
class Screen:
    """An open page of the service.

    Attributes:
        page: Playwright's page.
        origin: address of the service, without a slash at the end.
        view: how it is looked at.
        problems: console errors and uncaught exceptions so far.
        requests: addresses that the page asked for, data and blob addresses left out.
    """

    page: Page
    origin: str
    view: View
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Collect problems and requests from now on."""

        def on_console(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                self.problems.append(message.text)

        def on_request(request: Request) -> None:
            if not request.url.startswith(("data:", "blob:")):
                self.requests.append(request.url)

        self.page.on("console", on_console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", on_request)

    def open(self, path: str = "/") -> None:
        """Go to a page of the service."""
        self.page.goto(self.origin + path)
        expect(self.page.locator("#theme")).to_be_visible()  # the scripts have run

    def give(self, *files: Path) -> None:
        """Choose files, as with the button."""
        self.page.set_input_files("#file", [str(file) for file in files])

    def judge(self, *files: Path) -> dict[str, Any]:
        """Choose files, wait for the answer to the first, and return the service's reply."""
        with self.page.expect_response(ENDPOINT) as answer:
            self.give(*files)
        self.result()
        reply: dict[str, Any] = answer.value.json()
        return reply

    def result(self) -> None:
        """Wait until a result is on screen."""
        expect(self.page.locator("#result")).to_be_visible(timeout=60_000)

    def failure(self, title: str) -> None:
        """Wait until a failure of this title is on screen."""
        expect(self.page.locator("#failure-title")).to_have_text(title, timeout=60_000)

    def text(self, selector: str) -> str:
        """The text of an element as it is shown, blanks joined."""
        return " ".join(self.page.locator(selector).inner_text().split())

    def requests_to_detect(self) -> int:
        """How many pictures have been sent."""
        return sum(address.endswith("/api/detect") for address in self.requests)

    def judge_changed(self, file: Path, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Judge a file, but let `change` alter the service's reply, to reach rare states."""
        with file.open("rb") as content:
            answer = requests.post(f"{self.origin}/api/detect", files={"data": content}, timeout=60)
        reply: dict[str, Any] = answer.json()
        change(reply)
        self.page.route(ENDPOINT, lambda route: route.fulfill(json=reply))
        self.judge(file)
        self.page.unroute(ENDPOINT)
        return reply

    @contextmanager
    def dead_line(self) -> Iterator[None]:
        """Let requests to the service hang, as on a line that went dead."""
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        self.page.route(ENDPOINT, hold)
        yield
        self.page.unroute(ENDPOINT)

    def screenshot(self, name: str) -> Path:
        """Keep a picture of the whole page under build/screenshots."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}-{self.view.name}.png"
        self.page.screenshot(path=path, full_page=True)
        return path

    def check_accessible(self) -> None:
        """Fail on any violation that axe-core finds, and on sideways scrolling."""
        found = Axe().run(self.page).response["violations"]
        assert not found, [
            (each["id"], each["help"], [node["target"] for node in each["nodes"]]) for each in found
        ]
        wide = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{wide} px too wide"


@contextmanager
def screen(browser: Browser, origin: str, view: View, **options: Any) -> Iterator[Screen]:
    """Open an empty browser profile on the service's page."""
    context = browser.new_context(
        viewport={"width": view.width, "height": view.height},
        color_scheme="dark" if view.theme == "dark" else "light",
        locale="en-GB",
        timezone_id="UTC",
        **options,
    )
    context.set_default_timeout(20_000)
    try:
        opened = Screen(context.new_page(), origin, view)
        opened.watch()
        opened.open()
        yield opened
    finally:
        context.close()
