"""The models on their own, at TorchServe's /predictions, and agreement between all ways in."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from detection.pipeline import Pipeline
from tests.support import pictures, schema
from tests.support.service import RunningService

pytestmark = pytest.mark.integration

MODELS = ("cnn", "efficientnet")
BAD = pictures.bad()


def predict(service: RunningService, model: str, **request: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {service.tokens.inference}"}
    url = f"{service.settings.inference_url}/predictions/{model}"
    return requests.post(url, headers=headers, timeout=60, **request)


@pytest.mark.parametrize("model", MODELS)
def test_a_picture_gets_that_models_judgement(service: RunningService, model: str) -> None:
    for request in ({"data": pictures.jpeg()}, {"files": {"data": pictures.jpeg()}}):
        response = predict(service, model, **request)
        assert response.status_code == 200, response.text
        assert response.headers["Content-Type"] == "application/json"
        judgement = response.json()
        schema.check(judgement, "judgement")
        assert judgement["model"]["name"] == model
        assert len(judgement["faces"]) == 1


@pytest.mark.parametrize("kind", BAD)
def test_bad_uploads_get_their_true_status(service: RunningService, kind: str) -> None:
    data, status = BAD[kind]
    response = predict(service, "cnn", files={"data": data})
    assert response.status_code == status, response.text
    schema.check(response.json(), "error")
    assert response.json()["code"] == status
    assert predict(service, "cnn", data=pictures.jpeg()).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_a_form_without_a_file(service: RunningService, model: str) -> None:
    response = predict(service, model, files={"other": b"x"})
    assert response.status_code == 400
    assert response.json()["type"] == "no_file"


@pytest.mark.parametrize("kind", ["plain JPEG", "CMYK JPEG", "JPEG turned by EXIF", "16-bit PNG"])
def test_the_same_probabilities_everywhere(service: RunningService, kind: str) -> None:
    data = pictures.valid()[kind]
    pipeline = Pipeline(service.settings.model_store)
    in_process = pipeline.judge(data)["faces"][0]["models"]
    workflow = requests.post(service.detect_url, data=data, timeout=60).json()
    for model in MODELS:
        expected = in_process[model]["probability_fake"]
        in_workflow = workflow["faces"][0]["models"][model]["probability_fake"]
        alone = predict(service, model, data=data).json()["faces"][0]["probability_fake"]
        assert in_workflow == pytest.approx(expected, abs=1e-4)
        assert alone == pytest.approx(expected, abs=1e-4)


def test_the_map_is_the_same_in_process_and_in_the_workflow(service: RunningService) -> None:
    data = pictures.jpeg()
    in_process = Pipeline(service.settings.model_store).judge(data)["faces"][0]["grad_cam"]
    served = requests.post(service.detect_url, data=data, timeout=60).json()
    grid = served["faces"][0]["grad_cam"]["grid"]
    assert [value for row in grid for value in row] == pytest.approx(
        [value for row in in_process["grid"] for value in row], abs=1e-2
    )
