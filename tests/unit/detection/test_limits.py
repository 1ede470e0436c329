from __future__ import annotations

import numpy as np
from PIL import Image

from detection import faces, limits
from detection.errors import ERROR_TYPES
from detection.reasons import TEXTS, Reason, as_dicts
from detection.reply import MODELS, load_schema


def test_formats_are_pillows_own_names() -> None:
    Image.init()
    assert set(limits.FORMATS) <= set(Image.OPEN)
    assert set(limits.MEDIA_TYPES) == set(limits.FORMATS)
    assert all(Image.MIME[name] == kind for name, kind in limits.MEDIA_TYPES.items())
    assert all(name.casefold() in limits.ACCEPTED.casefold() for name in limits.FORMATS)


def test_crop_size_is_that_of_the_crop_rule() -> None:
    picture = np.zeros((50, 40, 3), np.uint8)
    crop = faces.crop_face(picture, (0, 0, 40, 40))
    assert crop.shape == (limits.CROP_SIZE, limits.CROP_SIZE, 3)


def test_schema_names_what_the_code_names() -> None:
    definitions = load_schema()["$defs"]
    assert set(definitions["error"]["properties"]["type"]["enum"]) == set(ERROR_TYPES)
    reasons = definitions["reasons"]["items"]["properties"]["code"]["enum"]
    assert set(reasons) == {reason.value for reason in Reason} == {reason.value for reason in TEXTS}
    assert definitions["image"]["properties"]["format"]["enum"] == list(limits.FORMATS)
    assert definitions["model_name"]["enum"] == list(MODELS)
    assert definitions["reply"]["properties"]["faces"]["maxItems"] == limits.MAX_FACES


def test_reasons_as_json_come_once_and_in_order() -> None:
    given = [Reason.LOW_CONFIDENCE, Reason.FACE_TOO_SMALL, Reason.LOW_CONFIDENCE]
    written = as_dicts(given)
    assert [reason["code"] for reason in written] == ["low_confidence", "face_too_small"]
    assert all(reason["text"].endswith(".") for reason in written)
