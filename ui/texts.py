"""Every sentence that the page's scripts show, in one place, handed to them by the renderer.

The wording is part of the product: calling a real photo fake does harm, so no verdict is stated
as a fact. Texts of reason codes and refusals are not here: the server sends them.
"""

from __future__ import annotations

from typing import Any

PRODUCT = "Deepfake Image Detector"

MODEL_NAMES = {"cnn": "CNN", "efficientnet": "EfficientNet"}
"""How models are called in sentences; a name that is missing here is shown as it is."""

VERDICTS: dict[str, dict[str, str]] = {
    "fake": {
        "headline": "Likely fake",
        "sentence": "The models see traces here that they know from manipulated faces. "
        "That is an indication, not proof: look for the source before you act on it.",
    },
    "real": {
        "headline": "Likely real",
        "sentence": "The models see none of the traces that they know from manipulated faces. "
        "That is no guarantee: a forgery of a kind unknown to them can look the same.",
    },
    "uncertain": {
        "headline": "Cannot tell",
        "sentence": "The signs do not reach the level at which this detector commits itself. "
        "Treat the picture as unchecked.",
    },
}

STRENGTHS: list[dict[str, Any]] = [
    {"at_least": 0.95, "words": "Strong indication"},
    {"at_least": 0.85, "words": "Moderate indication"},
    {"at_least": 0.0, "words": "Weak indication"},
]
"""Words for the confidence of a committed verdict, strongest first."""

UNCERTAIN_STRENGTH = "No clear indication"

STAGES = {
    "waiting": "Waiting",
    "preparing": "Reading the picture",
    "sending": "Sending",
    "judging": "Finding faces and judging them",
    "done": "Done",
    "failed": "Not judged",
}

FAILURES: dict[str, dict[str, Any]] = {
    "cancelled": {
        "title": "Cancelled",
        "text": "This picture was not judged.",
        "retry": True,
    },
    "network": {
        "title": "The service could not be reached",
        "text": "Check your connection, then try again. Your picture is still here.",
        "retry": True,
    },
    "timeout": {
        "title": "The service took too long",
        "text": "It may be very busy. Your picture is still here: try again in a moment.",
        "retry": True,
    },
    "busy": {
        "title": "The service is busy",
        "text": "Too many pictures are being judged right now. Try again in a moment.",
        "retry": True,
    },
    "server": {
        "title": "The service failed",
        "text": "Something went wrong on the server, not with your picture. Try again; "
        "if it keeps failing, tell whoever runs this service.",
        "retry": True,
    },
    "garbled": {
        "title": "The answer could not be read",
        "text": "The service answered in a form that this page does not know. "
        "Reload the page, then try again.",
        "retry": True,
    },
    "refused": {
        "title": "This picture was not accepted",
        "text": "",
        "retry": False,
    },
    "too_large": {
        "title": "This file is too large",
        "text": "It has {size}; the service accepts up to {limit}.",
        "retry": False,
    },
    "empty": {
        "title": "This file is empty",
        "text": "It has no content. Save or export the picture again, then choose the new file.",
        "retry": False,
    },
    "unreadable": {
        "title": "This file could not be opened",
        "text": "It may be a folder, or it was moved or deleted after you chose it.",
        "retry": False,
    },
    "format": {
        "title": "This kind of file is not accepted",
        "text": "{found} Accepted are {formats}. "
        "Open it in a picture viewer and save it as one of these.",
        "retry": False,
    },
    "pixels": {
        "title": "This picture has too many pixels",
        "text": "It is {width} by {height}; the service accepts up to {limit} megapixels. "
        "Cut out the face, or save a smaller copy.",
        "retry": False,
    },
    "small": {
        "title": "This picture is too small",
        "text": "It is {width} by {height} pixels; each side must have at least {limit}.",
        "retry": False,
    },
    "shape": {
        "title": "This picture is too long and narrow",
        "text": "It is {width} by {height} pixels. Cut out the part with the face.",
        "retry": False,
    },
}

NOTICES = {
    "no_file": "That was not a picture file. Save the picture first, then choose the file here.",
    "copied": "Copied.",
    "copy_failed": "The browser did not allow copying. Use “Save JSON” instead.",
    "saved": "Saved to your downloads.",
    "sample_failed": "The sample could not be loaded. Check your connection and try again.",
    "cleared": "All results removed from this browser.",
    "removed": "Removed.",
    "not_kept": "This browser does not let the page keep results; they go when you close it.",
    "no_preview": "Your browser cannot show this kind of picture. It was judged all the same; "
    "the boxes below are in the right place.",
    "doubt": "Why this may be wrong",
    "doubt_uncertain": "Why there is no clear answer",
    "models": "What each model says",
    "of_face": "{title}: {face}",
    "no_reasons": "There is no particular warning for this picture. The general limits still hold.",
    "false_alarms": "In our tests, {subject} called up to {share} of real faces fake.",
    "misses": "In our tests, {subject} called up to {share} of fake faces real.",
    "this_detector": "this detector",
    "map_caption": "The brighter a place, the more {model} relied on it to answer “{label}”. "
    "The map shows where the model looked, not where the picture was edited.",
    "map_absent": "For this face the evidence is spread so evenly that no place stands out, "
    "so no map is drawn.",
    "face": "Face {n}",
    "whole_picture": "Whole picture",
    "decides": "decides",
    "several_faces": "{count} faces. The answer is that of face {n}, the most suspicious one.",
    "thresholds": "likely real up to {real}, likely fake from {fake}",
    "progress": "{name}: {stage}.",
    "result": "{name}: {headline}. {strength}: {number} {counts}.",
    "failed": "{name}: {title}. {text}",
    "waiting": "{count} waiting",
    "counts_fake": "estimated probability of a fake",
    "counts_real": "estimated probability of a real face",
    "short_fake": "{number} fake",
    "short_real": "{number} real",
}

COLUMNS = {
    "face": "Face",
    "place": "Place (left, top, right, bottom)",
    "result": "Result",
    "decider": "Decided by",
}
"""Headings of the report's figures; between result and decider stand the models."""


def for_scripts() -> dict[str, Any]:
    """Return all texts under the keys by which the page's scripts know them."""
    return {
        "product": PRODUCT,
        "modelNames": MODEL_NAMES,
        "verdicts": VERDICTS,
        "strengths": STRENGTHS,
        "uncertainStrength": UNCERTAIN_STRENGTH,
        "stages": STAGES,
        "failures": FAILURES,
        "notices": NOTICES,
        "columns": COLUMNS,
    }


REPORT_NOTE = (
    "This is a statistical estimate by two neural networks, for research and evaluation. It is "
    "not proof that a picture was or was not manipulated, and it says nothing about who is shown "
    "or whether the scene took place. Whoever has the same file can check that it is the one "
    "judged here by its SHA-256."
)

SAMPLES = [
    {"file": "sample-real.jpg", "thumb": "thumb-real.jpg", "label": "A real photo"},
    {"file": "sample-fake.jpg", "thumb": "thumb-fake.jpg", "label": "A made-up fake"},
]
"""The two sample pictures; see static/samples/README.md for where they come from."""
