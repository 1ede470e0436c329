"""Fixtures of the page's tests: a browser, views, and pictures to judge."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFilter
from playwright.sync_api import Browser, sync_playwright
from skimage import data

from tests.support.browser import ARGUMENTS, DARK, LIGHT, PHONE, Screen, View, screen


@pytest.fixture(scope="session")
def origin(request: pytest.FixtureRequest) -> str:
    """Address of the real service; PAGE_URL names one that runs already."""
    running = os.environ.get("PAGE_URL")
    if running:
        return running.rstrip("/")
    address: str = request.getfixturevalue("service").url
    return address.rstrip("/")


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One Chromium for all tests."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def view() -> View:
    """How the page is looked at; tests parametrize it where it matters."""
    return LIGHT


@pytest.fixture
def ui(browser: Browser, origin: str, view: View) -> Iterator[Screen]:
    """The open page; a test fails if it left a console error or called a third party."""
    with screen(browser, origin, view, reduced_motion="reduce") as opened:
        yield opened
        assert opened.problems == []
        assert all(address.startswith(opened.origin) for address in opened.requests)


each_view = pytest.mark.parametrize("view", [LIGHT, DARK, PHONE], ids=lambda view: view.name)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures and of files that are none."""
    folder = tmp_path_factory.mktemp("pictures")
    astronaut = Image.fromarray(data.astronaut())
    astronaut.save(folder / "portrait.jpg", quality=92)
    astronaut.crop((0, 0, 400, 400)).save(folder / "other.png")
    retouched, part = astronaut.copy(), (200, 100, 250, 140)  # one eye and what is beside it
    retouched.paste(astronaut.crop(part).filter(ImageFilter.GaussianBlur(4)), part[:2])
    retouched.save(folder / "retouched.jpg", quality=92)
    group = Image.new("RGB", (1280, 720), (203, 207, 212))
    # The largest is retouched: a face that is found fake has a map, others need not have one.
    for picture, size, place in (
        (retouched, 640, (20, 40)),
        (astronaut, 420, (660, 20)),
        (astronaut, 260, (1010, 440)),
    ):
        group.paste(picture.resize((size, size)), place)
    group.save(folder / "group.jpg", quality=90)
    ramp = np.linspace(60, 190, 640, dtype=np.uint8)
    Image.fromarray(np.broadcast_to(ramp[None, :, None], (480, 640, 3)).copy()).save(
        folder / "no-face.png"
    )
    large = astronaut.resize((4000, 4000), Image.Resampling.BICUBIC)
    large.save(folder / "large.jpg", quality=95)
    astronaut.save(folder / "scan.tif")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    upright = astronaut.crop((60, 0, 400, 512))
    upright.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.jpg", exif=exif)
    clear = astronaut.copy()
    clear.putalpha(Image.new("L", clear.size, 255))
    clear.paste((0, 0, 0, 0), (0, 0, 40, 40))
    clear.save(folder / "transparent.png")
    whole = (folder / "portrait.jpg").read_bytes()
    (folder / "cut-off.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.jpg").write_text("These are notes and no picture at all.")
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    (folder / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "huge.jpg").write_bytes(whole + bytes(21 * 1024 * 1024))
    Image.new("1", (9000, 6000)).save(folder / "gigantic.png")
    astronaut.resize((20, 20)).save(folder / "tiny.png")
    Image.new("RGB", (1200, 60)).save(folder / "strip.png")
    return folder
