"""What the page loads, from where, under which policy, and how heavy it is."""

import re
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, expect

from tests.support.browser import LIGHT, Screen, screen
from ui.render import UI

pytestmark = pytest.mark.e2e

WEIGHT_LIMIT = 150_000


@pytest.mark.parametrize("path", ["/", "/about.html"])
def test_policy_is_strict_and_the_one_the_page_was_written_for(origin: str, path: str) -> None:
    policy = requests.get(origin + path, timeout=10).headers["Content-Security-Policy"]
    directives = {part.split()[0]: part.split()[1:] for part in policy.split(";") if part.strip()}
    assert directives["default-src"] == ["'none'"]
    assert directives["script-src"] == ["'self'"]
    assert directives["style-src"] == ["'self'"]
    assert directives["connect-src"] == ["'self'"]
    assert "unsafe" not in policy
    assert "http" not in policy
    wanted = (UI / "csp.txt").read_text()
    for part in wanted.split(";"):
        name, *values = part.split()
        assert set(values) == set(directives[name])


def test_policy_is_enforced(ui: Screen) -> None:
    ran = ui.page.evaluate(
        """async () => {
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.head.append(script);
          const style = document.createElement("style");
          style.textContent = "body { display: none }";
          document.head.append(style);
          const third = await fetch("https://example.org/").catch(() => "blocked");
          return [window.ran, getComputedStyle(document.body).display, third];
        }"""
    )
    assert ran == [None, "flex", "blocked"]
    assert len(ui.problems) >= 3
    ui.problems.clear()


def test_a_whole_visit_stays_on_the_origin_without_console_errors(
    ui: Screen, pictures: Path
) -> None:
    ui.judge(pictures / "group.jpg")
    ui.page.get_by_role("button", name="Report").click()
    expect(ui.page.locator("#report")).to_be_visible()
    ui.open("/about.html")
    assert ui.requests
    # The fixture checks origins and console on the way out.


def test_page_weighs_little(browser: Browser, origin: str) -> None:
    with screen(browser, origin, LIGHT) as ui:
        session = ui.page.context.new_cdp_session(ui.page)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        sizes: dict[str, float] = {}
        names: dict[str, str] = {}
        session.on(
            "Network.responseReceived",
            lambda event: names.update({event["requestId"]: event["response"]["url"]}),
        )
        session.on(
            "Network.loadingFinished",
            lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}),
        )
        ui.open()
        ui.page.wait_for_load_state("networkidle")
        weights = {names[key]: size for key, size in sizes.items() if key in names}
        assert any(name.endswith("site.css") for name in weights)
        assert any(name.endswith("main.js") for name in weights)
        loaded = sum(size for name, size in weights.items() if "/sample-" not in name)
        assert 20_000 < loaded < WEIGHT_LIMIT, weights


def test_assets_never_change_under_their_address(origin: str) -> None:
    html = requests.get(origin, timeout=10).text
    addresses = re.findall(r'(?:src|href)="(assets/[^"]+)"', html)
    assert addresses
    assert all(re.match(r"assets/[0-9a-f]{16}/", address) for address in addresses)


def test_page_says_what_to_do_without_scripts(browser: Browser, origin: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(origin)
    expect(page.get_by_text("This page needs JavaScript")).to_be_visible()
    expect(page.locator("#drop")).to_be_hidden()
    page.goto(origin + "/about.html")
    expect(page.locator("#limits")).to_be_visible()
    context.close()
