"""What `make bench` prints, and the figures that stand at the top of build/bench.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

CROP, PORTRAIT, PHOTO = "crop, 256 px", "portrait, 2 MP", "photo, 12 MP, 5 faces"
_PASSES = ("face detector", "cnn", "efficientnet")
_STAGES = ("decode and crop", "faces", "messages", "network", "map", "encode")
_SERVERS = (
    ("service", "workflow", "workflow through the edge"),
    ("service", "efficientnet", "/predictions/efficientnet"),
    ("flask", "flask", "Flask, eager torch, full backward"),
    ("litserve", "litserve", "LitServe around our judgement"),
)


def summary(parts: Mapping[str, Any]) -> dict[str, float]:
    """The key figures, of those parts that were measured."""
    found: dict[str, float | None] = {
        "floor_ms": _floor(parts, CROP),
        "in_process_ms": _in_process(parts, CROP),
        "in_process_rps": _get(parts, "throughput", "rps"),
        "workflow_c1_p50_ms": _get(parts, "service", "workflow", CROP, "1", "p50_ms"),
        "workflow_c16_rps": _get(parts, "service", "workflow", CROP, "16", "rps"),
        "flask_c1_p50_ms": _get(parts, "flask", "flask", CROP, "1", "p50_ms"),
        "flask_c16_rps": _get(parts, "flask", "flask", CROP, "16", "rps"),
        "litserve_c16_rps": _get(parts, "litserve", "litserve", CROP, "16", "rps"),
        "grad_cam_overhead": _grad_cam(parts),
        "photo_12mp_extra_ms": _difference(
            _get(parts, "service", "workflow", PHOTO, "1", "p50_ms"),
            _get(parts, "service", "workflow", CROP, "1", "p50_ms"),
        ),
        "photo_12mp_extra_in_process_ms": _difference(
            _in_process(parts, PHOTO), _in_process(parts, CROP)
        ),
        "face_search_ms": _get(parts, "floor", "pictures", CROP, "stage: faces", "p50_ms"),
        "efficientnet_ms": _get(parts, "floor", "pictures", CROP, "pass: efficientnet", "p50_ms"),
        "warm_start_s": _get(parts, "service", "warm_start_s"),
        "memory_mib": _get(parts, "service", "peak_memory_mib", "pss"),
    }
    return {name: round(value, 3) for name, value in found.items() if value is not None}


def report(parts: Mapping[str, Any]) -> str:
    """Everything measured, as tables."""
    blocks = []
    if "floor" in parts:
        blocks += [_stages(parts), _growth(parts)]
    rows = list(_loads(parts))
    if rows:
        heads = ("server", "picture", "clients", "p50 ms", "p99 ms", "a second", "n", "failures")
        blocks.append(_table(heads, rows))
    blocks.append(_memory(parts))
    blocks.append(_table(("key", "value", "goal", ""), _goals(summary(parts))))
    return "\n\n".join(block for block in blocks if block)


def _stages(parts: Mapping[str, Any]) -> str:
    pictures = parts["floor"]["pictures"]
    labels = [*(f"pass: {one}" for one in _PASSES), *(f"stage: {one}" for one in _STAGES)]
    rows: list[tuple[Any, ...]] = [
        (label, *(one[label]["p50_ms"] for one in pictures.values())) for label in labels
    ]
    rows.append(("whole, median", *(one["whole"]["p50_ms"] for one in pictures.values())))
    rows.append(("whole, 99th percentile", *(one["whole"]["p99_ms"] for one in pictures.values())))
    rows.append(("floor: all passes", *(_floor(parts, one) for one in pictures)))
    queue = [_queue(parts, name) for name in pictures]
    for label, values in zip(
        ("server and hops (1 client)", "queue (16 clients)"), zip(*queue, strict=True), strict=True
    ):
        rows.append((label, *values))
    return _table(("in process, one thread, ms", *pictures), rows)


def _queue(parts: Mapping[str, Any], picture: str) -> tuple[float | None, float | None]:
    """What the server adds to a judgement in process, and what waiting for others adds to that."""
    one = _get(parts, "service", "workflow", picture, "1", "p50_ms")
    many = _get(parts, "service", "workflow", picture, "16", "p50_ms")
    return _difference(one, _in_process(parts, picture)), _difference(many, one)


def _growth(parts: Mapping[str, Any]) -> str:
    alone = parts["floor"]["by_faces"]
    rows = [
        (
            count,
            alone[count]["p50_ms"],
            _get(parts, "service", "by_faces", count, "p50_ms"),
        )
        for count in alone
    ]
    return _table(("faces", "in process, ms", "workflow, ms"), rows)


def _loads(parts: Mapping[str, Any]) -> Iterable[tuple[Any, ...]]:
    for part, name, title in _SERVERS:
        for picture, counts in (_get(parts, part, name) or {}).items():
            for count, one in counts.items():
                failures = ", ".join(f"{code}: {n}" for code, n in one["failures"].items())
                yield (
                    *(title, picture, count, one["p50_ms"], one["p99_ms"], one["rps"], one["n"]),
                    failures,
                )


def _memory(parts: Mapping[str, Any]) -> str:
    rows = []
    for part in ("service", "flask", "litserve"):
        if part in parts:
            start, peak = parts[part]["memory_after_start_mib"], parts[part]["peak_memory_mib"]
            rows.append((part, start["pss"], peak["pss"], peak["uss"]))
    return _table(("memory of all processes, MiB", "after start", "peak", "peak, unshared"), rows)


def _goals(key: Mapping[str, float]) -> list[tuple[Any, ...]]:
    goals: dict[str, tuple[str, float | None]] = {
        "in_process_ms": ("at most 1.3 x floor", _ratio(key.get("floor_ms"), 1.3)),
        "face_search_ms": ("at most efficientnet_ms", key.get("efficientnet_ms")),
        "workflow_c1_p50_ms": (
            "at most 15 above in process",
            _difference(key.get("in_process_ms"), -15),
        ),
        "flask_c1_p50_ms": ("at least the workflow's", key.get("workflow_c1_p50_ms")),
        "grad_cam_overhead": ("at most 1.1", 1.1),
        "photo_12mp_extra_ms": ("at most 150", 150),
        "warm_start_s": ("at most 20", 20),
        "memory_mib": ("at most 2560", 2560),
        "workflow_c16_rps": (
            "at least 0.85 x in process, 3 x Flask, LitServe",
            max(
                _ratio(key.get("in_process_rps"), 0.85) or 0,
                _ratio(key.get("flask_c16_rps"), 3) or 0,
                key.get("litserve_c16_rps") or 0,
            ),
        ),
    }
    rows = []
    for name, value in key.items():
        text, bound = goals.get(name, ("", None))
        least = text.startswith("at least")
        met = (
            ""
            if bound is None
            else ("met" if (value >= bound) == least or value == bound else "MISSED")
        )
        rows.append((name, value, f"{text} ({bound:.2f})" if bound is not None else text, met))
    return rows


def _floor(parts: Mapping[str, Any], picture: str) -> float | None:
    passes = [
        _get(parts, "floor", "pictures", picture, f"pass: {one}", "p50_ms") for one in _PASSES
    ]
    known = [one for one in passes if one is not None]
    return round(sum(known), 2) if len(known) == len(_PASSES) else None


def _in_process(parts: Mapping[str, Any], picture: str) -> float | None:
    median: float | None = _get(parts, "floor", "pictures", picture, "whole", "p50_ms")
    return median


def _grad_cam(parts: Mapping[str, Any]) -> float | None:
    found = _get(parts, "floor", "grad_cam")
    if found is None:
        return None
    with_maps: float = found["with"]["p50_ms"] + found["grids"]["p50_ms"]
    return with_maps / float(found["without"]["p50_ms"])


def _get(parts: Mapping[str, Any], *path: str) -> Any:
    value: Any = parts
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else round(one - other, 2)


def _ratio(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _table(heads: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [[*heads], *([_cell(value) for value in row] for row in rows)]
    if len(lines) == 1:
        return ""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) for line in lines
    ]
    text.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(line.rstrip() for line in text)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) and abs(value) >= 100 else str(value)
