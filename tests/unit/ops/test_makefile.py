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
    targets = set(re.findall(r"^\.PHONY: (\S+)", MAKEFILE, re.MULTILINE))
    targets -= {"need-model", "need-version"}
    listed = set(re.findall(r"^  ([a-z-]+) ", make("help").stdout, re.MULTILINE))
    assert listed == targets
    promised = {"serve", "archive", "deploy", "stop", "status", "logs", "help", "test"}
    promised |= {"versions", "register", "compare", "promote", "rollback", "unregister"}
    assert promised | {"train", "calibrate", "evaluate"} <= listed


def test_no_target_replaces_another() -> None:
    assert make("--dry-run", "help").stderr == ""


def test_a_model_must_be_named() -> None:
    for target in ("train", "calibrate", "register", "promote", "rollback"):
        result = make(target)
        assert result.returncode != 0
        assert "MODEL=cnn or MODEL=efficientnet" in result.stdout


def test_a_version_must_be_named() -> None:
    for target in ("register", "promote", "unregister", "compare"):
        result = make(target, "MODEL=cnn")
        assert result.returncode != 0
        assert "VERSION=1.0 (`make versions` lists them)" in result.stdout


def test_targets_are_thin_wrappers() -> None:
    for target, command in {
        "versions": "list --json",
        "register": "register cnn 2.0 --json",
        "promote": "promote cnn 2.0 --json",
        "rollback": "rollback cnn --json",
        "unregister": "unregister cnn 2.0 --json",
        "compare": 'compare cnn 2.0 "some folder" --json',
    }.items():
        variables = ("MODEL=cnn", "VERSION=2.0", "PICTURES=some folder", "ARGS=--json")
        shown = make("--dry-run", target, *variables).stdout
        assert shown.rstrip().endswith(f"-m ops.versions {command}"), shown


def test_cleaning_keeps_what_was_promoted() -> None:
    recipe = make("--dry-run", "clean").stdout
    assert "find build -mindepth 1 -maxdepth 1 ! -name state -exec rm -rf {} +" in recipe
    assert "rm -rf build " not in recipe
