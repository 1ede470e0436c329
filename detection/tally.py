"""What a reply adds to the service's counters; no server in sight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from detection.errors import ERROR_TYPES

COUNTERS: dict[str, tuple[str, ...]] = {
    "deepfake_verdicts_total": ("verdict",),
    "deepfake_faces_total": ("verdict", "decided_by"),
    "deepfake_doubts_total": ("reason",),
    "deepfake_rejected_total": ("reason",),
}
"""Names of the counters and of their labels. Every label takes few values, none from an upload."""

Tally = Counter[tuple[str, tuple[str, ...]]]
"""How much to add: (name of the counter, values of its labels) -> number."""


def tally(replies: Iterable[Mapping[str, Any]]) -> Tally:
    """Counts verdicts, faces, reasons for doubt and rejected pictures.

    Args:
        replies: What `explain` gave, errors among them.
    """
    counts: Tally = Counter()
    for reply in replies:
        if "verdict" in reply:
            _add_verdict(counts, reply)
        else:
            reason = reply.get("type")
            known = reason if reason in ERROR_TYPES else "internal_error"
            counts["deepfake_rejected_total", (str(known),)] += 1
    return counts


def _add_verdict(counts: Tally, reply: Mapping[str, Any]) -> None:
    counts["deepfake_verdicts_total", (reply["verdict"],)] += 1
    for reason in reply["reasons"]:
        counts["deepfake_doubts_total", (reason["code"],)] += 1
    for face in reply["faces"]:
        if face["box"] is not None:
            counts["deepfake_faces_total", (face["verdict"], face["decided_by"])] += 1
