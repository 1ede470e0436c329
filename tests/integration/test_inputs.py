"""What the service makes of all kinds of uploads, through the edge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from detection.limits import MAX_UPLOAD_BYTES
from tests.support import pictures, schema
from tests.support.service import RunningService

pytestmark = pytest.mark.integration

VALID = pictures.valid()
BAD = pictures.bad()


@pytest.fixture(scope="module", autouse=True)
def _no_worker_restarts(service: RunningService) -> Iterator[None]:
    before = service.workers()
    yield
    assert service.workers() == before
    assert "Traceback" not in service.log()
    assert "Backend worker error" not in service.log()


def assert_served(service: RunningService) -> None:
    response = requests.post(service.detect_url, files={"data": pictures.jpeg()}, timeout=60)
    assert response.status_code == 200
    schema.check(response.json())


def assert_refused(response: requests.Response, status: int) -> None:
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"].startswith("application/json")
    error = response.json()
    schema.check(error, "error")
    assert error["code"] == status


@pytest.mark.parametrize("kind", VALID)
def test_valid_pictures_are_judged(service: RunningService, kind: str) -> None:
    response = requests.post(service.detect_url, files={"data": VALID[kind]}, timeout=60)
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/json"
    reply = response.json()
    schema.check(reply)
    assert (reply["image"]["width"], reply["image"]["height"]) == (256, 300)
    assert [face["box"] is not None for face in reply["faces"]] == [True]


@pytest.mark.parametrize("kind", BAD)
def test_bad_uploads_are_refused_and_the_next_is_served(service: RunningService, kind: str) -> None:
    data, status = BAD[kind]
    assert_refused(requests.post(service.detect_url, files={"data": data}, timeout=60), status)
    assert_refused(requests.post(service.detect_url, data=data, timeout=60), status)
    assert_served(service)


@pytest.mark.parametrize("field", ["data", "body", "image"])
def test_every_field_name(service: RunningService, field: str) -> None:
    response = requests.post(service.detect_url, files={field: pictures.jpeg()}, timeout=60)
    schema.check(response.json())


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "image/jpeg",
        "image/png",
        "text/plain",
        "application/json",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "nonsense",
        "multipart/mixed; boundary=x",
    ],
)
def test_a_bare_body_is_judged_whatever_type_it_claims(
    service: RunningService, content_type: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = requests.post(service.detect_url, data=pictures.jpeg(), headers=headers, timeout=60)
    assert response.status_code == 200, response.text
    schema.check(response.json())


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "image/heic"])
def test_a_form_field_is_judged_whatever_type_it_claims(
    service: RunningService, content_type: str
) -> None:
    part = {"data": ("x", pictures.jpeg(), content_type)}
    response = requests.post(service.detect_url, files=part, timeout=60)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("content_type", ["image/jpeg", "application/json", "text/plain"])
def test_text_is_refused_whatever_type_it_claims(
    service: RunningService, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    body = b'{"data": "not a picture"}'
    assert_refused(requests.post(service.detect_url, data=body, headers=headers, timeout=60), 415)


def test_a_form_without_a_file(service: RunningService) -> None:
    response = requests.post(service.detect_url, files={"other": b"x"}, timeout=60)
    assert_refused(response, 400)
    assert response.json()["type"] == "no_file"
    assert_served(service)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"abc"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"abc"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nabc"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="data"'),
        ("multipart/form-data; boundary=x", b"--x--\r\n"),
        ("multipart/form-data; boundary=" + "x" * 3000, b"--xxx\r\n"),
    ],
)
def test_broken_forms(service: RunningService, content_type: str, body: bytes) -> None:
    headers = {"Content-Type": content_type}
    response = requests.post(service.detect_url, data=body, headers=headers, timeout=60)
    assert response.status_code in {400, 415, 422}, response.text
    assert_refused(response, response.status_code)
    assert_served(service)


def test_too_large_by_announced_length(service: RunningService) -> None:
    body = bytes(MAX_UPLOAD_BYTES + 2**20)
    assert_refused(requests.post(service.detect_url, data=body, timeout=60), 413)
    assert_refused(requests.post(service.detect_url, files={"data": body}, timeout=60), 413)
    assert_served(service)


def test_just_too_large_for_the_service_itself(service: RunningService) -> None:
    response = requests.post(service.detect_url, data=bytes(MAX_UPLOAD_BYTES + 1), timeout=60)
    assert_refused(response, 413)


def test_too_large_without_an_announced_length(service: RunningService) -> None:
    def body() -> Iterator[bytes]:
        for _ in range(21):
            yield bytes(2**20)

    assert_refused(requests.post(service.detect_url, data=body(), timeout=60), 413)
    assert_served(service)


def test_a_picture_without_a_face_is_judged_whole(service: RunningService) -> None:
    blank = pictures.encode(pictures.portrait().resize((300, 200)).point(lambda _: 90), "PNG")
    reply = requests.post(service.detect_url, data=blank, timeout=60).json()
    schema.check(reply)
    assert [face["box"] for face in reply["faces"]] == [None]
    assert "no_face_found" in [reason["code"] for reason in reply["reasons"]]


def test_every_face_is_judged(service: RunningService) -> None:
    one = pictures.portrait()
    pair = one.resize((2 * one.width, one.height))
    pair.paste(one, (0, 0))
    pair.paste(one, (one.width, 0))
    data = pictures.encode(pair, "PNG")
    reply = requests.post(service.detect_url, data=data, timeout=60).json()
    schema.check(reply)
    assert len(reply["faces"]) == 2
    worst = max(face["probability_fake"] for face in reply["faces"])
    assert reply["probability_fake"] == worst
