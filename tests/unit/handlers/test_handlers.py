"""The four handlers one after the other, as the workflow calls them."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

import handlers.explain
import handlers.ingest
import handlers.model
from detection.errors import InputError
from detection.message import is_message, unpack
from handlers.counters import PROBE_HEADER
from handlers.explain import ExplainHandler
from handlers.ingest import IngestHandler
from handlers.model import ModelHandler
from tests.support import pictures, schema
from tests.support.service import write_untrained_version

MODELS = ("cnn", "efficientnet")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelHandler]:
    store = tmp_path_factory.mktemp("store")
    loaded = {}
    for name in MODELS:
        folder = write_untrained_version(store, name, "1.0")
        loaded[name] = ModelHandler()
        loaded[name].initialize(_Context(folder))
    return loaded


class _Context:
    def __init__(self, folder: Path) -> None:
        self.system_properties = {"model_dir": str(folder)}

    @property
    def metrics(self) -> Any:
        raise AssertionError

    def get_request_header(self, idx: int, key: str) -> str | None:
        raise AssertionError((idx, key))

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        raise AssertionError((code, phrase, idx))

    def set_response_content_type(self, idx: int, value: str) -> None:
        raise AssertionError((idx, value))


@pytest.fixture(scope="module")
def ingest() -> IngestHandler:
    handler = IngestHandler()
    handler.initialize(_Context(Path()))
    return handler


def test_a_batch_of_good_and_bad_goes_through_the_workflow(
    ingest: IngestHandler, models: dict[str, ModelHandler], context: Any
) -> None:
    batch: list[dict[str, Any]] = [
        {"data": pictures.jpeg()},
        {"body": b"text"},
        {},
        {"image": bytearray(pictures.jpeg())},
    ]
    messages = ingest.handle(batch, context)
    assert all(is_message(message) for message in messages)
    judged = {
        name: handler.handle([{"body": bytearray(m)} for m in messages], context)
        for name, handler in models.items()
    }
    assert context.statuses == {}  # between nodes everything is a message
    rows = [
        {"deepfake__ingest": message, **{f"deepfake__{n}": judged[n][i] for n in MODELS}}
        for i, message in enumerate(messages)
    ]
    explain = ExplainHandler()
    explain.initialize(context)
    replies = [json.loads(reply) for reply in explain.handle(rows, context)]
    assert context.statuses == {0: 200, 1: 415, 2: 400, 3: 200}
    for reply in (replies[0], replies[3]):
        schema.check(reply)
    assert replies[0]["faces"] == replies[3]["faces"]
    for reply in replies[1:3]:
        schema.check(reply, "error")
    counts = context.metrics.counts
    assert counts["deepfake_rejected_total", "unsupported_format"] == 1
    assert counts["deepfake_rejected_total", "no_file"] == 1
    verdict, face = replies[0]["verdict"], replies[0]["faces"][0]
    assert counts["deepfake_verdicts_total", verdict] == 2
    assert counts["deepfake_faces_total", face["verdict"], face["decided_by"]] == 2


def test_a_probes_judgement_is_not_counted(context: Any) -> None:
    explain = ExplainHandler()
    explain.initialize(context)
    context.headers[0] = {PROBE_HEADER: "1"}
    explain.handle([{}, {}], context)
    assert context.metrics.counts == {("deepfake_rejected_total", "internal_error"): 1}


def test_a_bad_upload_is_an_error_message(ingest: IngestHandler, context: Any) -> None:
    (message,) = ingest.handle([{"body": b"text"}], context)
    with pytest.raises(InputError, match="Accepted are"):
        unpack(message)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_answers_pictures_and_messages_in_kind(
    ingest: IngestHandler, models: dict[str, ModelHandler], context: Any, name: str
) -> None:
    (message,) = ingest.handle([{"body": pictures.jpeg()}], context)
    batch = [{"body": message}, {"data": pictures.jpeg()}, {"body": b"text"}, {"x": b""}]
    answers = models[name].handle(batch, context)
    assert is_message(answers[0])
    assert context.statuses == {1: 200, 2: 415, 3: 400}
    judgement = json.loads(answers[1])
    schema.check(judgement, "judgement")
    assert judgement["model"]["name"] == name
    for answer in answers[2:]:
        schema.check(json.loads(answer), "error")


def test_hostile_messages_are_answered(
    models: dict[str, ModelHandler], ingest: IngestHandler, context: Any
) -> None:
    (good,) = ingest.handle([{"body": pictures.jpeg()}], context)
    hostile = [good[:20], good[:-1], good + b"x", good.replace(b"faces", b"fakes")]
    answers = models["cnn"].handle([{"body": one} for one in [*hostile, good]], context)
    assert all(is_message(answer) for answer in answers)
    for answer in answers[:-1]:
        with pytest.raises(InputError):
            unpack(answer)
    assert unpack(answers[-1]).kind == "judgement"


@pytest.mark.parametrize("module", [handlers.explain, handlers.ingest, handlers.model])
def test_torchserve_finds_exactly_one_class(module: Any) -> None:
    own = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if member.__module__ == module.__name__
    ]
    assert len(own) == 1
