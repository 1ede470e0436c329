"""What the measuring commands print and write: a table with units, and JSON in build/perf."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.settings import ROOT

FOLDER = ROOT / "build" / "perf"


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown, its columns aligned."""
    cells = [[str(cell) for cell in row] for row in [heads, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    lines = [
        "| " + " | ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value that `share` of the values do not exceed; None of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def seconds(value: float | None) -> str:
    """A time as text."""
    return "-" if value is None else f"{value:.2f}"


def write(name: str, figures: dict[str, Any]) -> Path:
    """Write figures, with what they were measured on, to `build/perf/<name>.json`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"measured_on": _machine()} | figures, indent=2) + "\n")
    new.replace(path)
    return path


def bars(checks: Sequence[tuple[str, bool]]) -> int:
    """Print what was to be held, and whether it was; the exit status."""
    for text, held in checks:
        print(f"{'held  ' if held else 'MISSED'}  {text}")
    return 0 if all(held for _, held in checks) else 1


def _machine() -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }
