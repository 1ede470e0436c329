import json
from pathlib import Path

import pytest

from ui.render import render

CARD = """# cnn 1.0

An introduction.

## Data

Real <script>alert(1)</script> and *fake* faces.

| source | AUC |
|---|---|
| dfdc | 0.87 |

## Limits

- One.
- Two.
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A model store with one full version, one older version and one bare model."""
    root = tmp_path / "model_store"
    for name, version in (("cnn", "1.0"), ("cnn", "1.2"), ("efficientnet", "1.0")):
        folder = root / name / version
        folder.mkdir(parents=True)
        (folder / "model.json").write_text(json.dumps({"name": name, "version": version}))
    full = root / "cnn" / "1.2"
    (full / "README.md").write_text(CARD)
    (full / "model.json").write_text(
        json.dumps(
            {
                "name": "cnn",
                "version": "1.2",
                "preset": {"size": 192},
                "temperature": 1.37,
                "thresholds": {"fake": 0.81, "real": 0.23},
                "weights_sha256": "0f" * 32,
                "initialisation": "from scratch",
                "parameters": 2_400_000,
                "created": "2026-01-02",
            }
        )
    )
    calibration = {"auc": {"dfdc": 0.8712}, "error_rates": {"false_fake": 0.05, "false_real": 0.1}}
    (full / "metrics.json").write_text(json.dumps({"calibration": calibration}))
    (root / "serving.json").write_text(json.dumps({"cnn": "1.2", "efficientnet": "1.0"}))
    return root


@pytest.fixture
def site(tmp_path: Path, store: Path) -> Path:
    """The rendered page of that store."""
    out = tmp_path / "build" / "site"
    render(out, store)
    return out
