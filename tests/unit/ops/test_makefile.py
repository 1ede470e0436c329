from __future__ import annotations

import re
import subprocess

from ops.settings import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_every_target() -> None:
    targets = set(re.findall(r"^\.PHONY: (\S+)", MAKEFILE, re.MULTILINE)) - {"need-model"}
    listed = set(re.findall(r"^  ([a-z-]+) ", make("help").stdout, re.MULTILINE))
    assert listed == targets
    promised = {"serve", "archive", "deploy", "stop", "status", "logs", "help", "test"}
    assert promised | {"train", "calibrate", "evaluate"} <= listed


def test_a_model_must_be_named() -> None:
    for target in ("train", "calibrate"):
        result = make(target)
        assert result.returncode != 0
        assert "MODEL=cnn or MODEL=efficientnet" in result.stdout
