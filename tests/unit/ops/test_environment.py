from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from ops.environment import main, pinned, problems
from ops.settings import ROOT

FILES = ("requirements.txt", "requirements-nodeps.txt", "requirements-dev.txt")


def test_pins_are_read_without_comments(tmp_path: Path) -> None:
    file = tmp_path / "r.txt"
    file.write_text("# all\n\nalpha==1.2  # why\nbeta-x==3.0.1+cpu\n")
    assert pinned(file) == {"alpha": "1.2", "beta-x": "3.0.1+cpu"}


def test_this_environment_is_the_pinned_one() -> None:
    for name in FILES:
        assert problems(pinned(ROOT / name)) == []


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_is_pinned_and_has_its_reason(name: str) -> None:
    lines = [line for line in (ROOT / name).read_text().splitlines() if line.strip()]
    for line in lines:
        assert line.startswith("#") or ("==" in line and "# " in line), line


def test_what_is_missing_or_another_version_is_told() -> None:
    version = metadata.version("requests")
    assert problems({"requests": version}) == []
    assert problems({"requests": "0.1"}) == [f"requests is {version}, not 0.1"]
    assert problems({"no-such-package": "1"}) == ["no-such-package is missing"]


def test_exit_status_and_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "r.txt"
    file.write_text("".join(f"no-such-{index}==1\n" for index in range(5)))
    assert main([str(file)]) == 1
    first = ", ".join(f"no-such-{index} is missing" for index in range(3))
    sentence = f"The environment is incomplete: {first} and 2 more.\n"
    assert capsys.readouterr().err == sentence
    assert main([str(ROOT / "requirements-nodeps.txt")]) == 0
