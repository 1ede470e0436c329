from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ops.engine import CLASSES, DIGEST, source_digest
from ops.engine.__main__ import compile_to


def compiler_is_17() -> bool:
    javac = shutil.which("javac")
    if javac is None:
        return False
    version = subprocess.run([javac, "-version"], capture_output=True, text=True, check=False)
    return " 17." in version.stdout + version.stderr


def test_the_committed_classes_are_those_of_the_sources(tmp_path: Path) -> None:
    assert DIGEST.read_text().strip() == source_digest(), "run `make engine`"
    classes = sorted(file.relative_to(CLASSES) for file in CLASSES.rglob("*.class"))
    assert Path("org/pytorch/serve/workflow/api/http") in {file.parent for file in classes}
    if compiler_is_17():  # the same compiler gives the same bytes
        assert compile_to(tmp_path) is None
        assert sorted(f.relative_to(tmp_path) for f in tmp_path.rglob("*.class")) == classes
        for file in classes:
            assert filecmp.cmp(CLASSES / file, tmp_path / file, shallow=False), file


# In CI nothing is skipped: without a JDK it fails there.
@pytest.mark.skipif(not (compiler_is_17() or os.environ.get("CI")), reason="needs a JDK 17")
def test_only_a_full_round_that_is_slow_lowers_what_is_admitted() -> None:
    trial = Path(__file__).parent / "engine" / "AdmissionTrial.java"
    command = ["java", "-cp", str(CLASSES), str(trial)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == [
        "after lone slow runs: 16",
        "after a slow round: 12",
        "more after fast rounds: true",
    ]
