from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ops import comparison
from ops.client import InferenceClient
from ops.errors import OpsError
from tests.support.fake_torchserve import FakeTorchServe, Reply, Server, error
from tests.unit.ops.conftest import Rig

BOTH = ("1.0", "1.1")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "pictures"
    (folder / "deeper").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "deeper/c.jpg", ".hidden", ".git"):
        (folder / name).write_bytes(name.encode())
    return comparison.pictures_in(folder)


def client(rig: Rig) -> InferenceClient:
    return InferenceClient(rig.settings.inference_url, "secret")


def compare(rig: Rig, pictures: list[Path]) -> dict[str, Any]:
    rig.rollout.register("efficientnet", "1.1")
    return comparison.compare(client(rig), "efficientnet", BOTH, pictures, rig.said.append)


def test_files_of_all_folders_but_hidden_ones(pictures: list[Path], tmp_path: Path) -> None:
    assert [path.name for path in pictures] == ["a.jpg", "b.jpg", "c.jpg"]
    with pytest.raises(OpsError, match=r"no files in .*PICTURES="):
        comparison.pictures_in(tmp_path / "nowhere")


def test_changed_verdicts_are_named(rig: Rig, pictures: list[Path]) -> None:
    asked: list[str] = []

    def alter(_: str, version: str, judgement: dict[str, Any]) -> None:
        asked.append(version)
        if version == "1.1" and len(asked) > 2 + 2:  # two are those of the check
            other = dict(judgement["faces"][0])
            judgement["faces"] += [other | {"verdict": "uncertain", "probability_fake": 0.6}]

    rig.fake.alter = alter
    found = compare(rig, pictures)
    assert asked[-6:] == ["1.0", "1.1", "1.1", "1.0", "1.0", "1.1"], "in turns"
    assert found["judged"] == 3
    changed = [Path(change["picture"]).name for change in found["changed"]]
    assert found["agreement"] == pytest.approx(1 - len(changed) / 3)
    assert changed == ["b.jpg", "c.jpg"]
    assert found["changed"][0]["serving"] == {"verdict": "real", "probability_fake": 0.1}
    assert found["changed"][0]["candidate"] == {"verdict": "uncertain", "probability_fake": 0.6}
    assert found["serving"]["verdicts"] == {"fake": 0, "real": 3, "uncertain": 0}
    assert found["candidate"]["verdicts"] == {"fake": 0, "real": 1, "uncertain": 2}
    assert found["largest_difference"] == pytest.approx(0.5)
    assert found["mean_difference"] == pytest.approx(1 / 3)
    text = "\n".join(comparison.table(found))
    assert "Agreement: 33.3% of the verdicts" in text
    assert "b.jpg: real (0.100) -> uncertain (0.600)" in text
    assert rig.defaults() == ("1.0", "1.0")


def test_refused_pictures_are_counted_apart(rig: Rig, pictures: list[Path]) -> None:
    real = rig.fake.handle

    def handle(method: str, path: str, query: dict[str, str], body: bytes) -> Reply:
        if body == b"b.jpg":
            return error(415, "This is no picture.")
        return real(method, path, query, body)

    rig.fake.handle = handle  # type: ignore[method-assign]
    pictures[2].unlink()
    found = compare(rig, pictures)
    assert found["judged"] == 1
    assert [Path(path).name for path in found["refused"]] == ["b.jpg", "c.jpg"]
    assert "This is no picture" in found["refused"][str(pictures[1])]
    assert "not judged" in "\n".join(comparison.table(found))


@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_failing_service_is_no_refused_picture(
    rig: Rig, pictures: list[Path], status: int
) -> None:
    rig.rollout.register("efficientnet", "1.1")
    rig.fake.before = lambda _, path: error(status, "no") if path.startswith("/predict") else None
    with pytest.raises(OpsError, match=f"HTTP {status}"):
        comparison.compare(client(rig), "efficientnet", BOTH, pictures, rig.said.append)


def test_nothing_to_judge(rig: Rig, pictures: list[Path]) -> None:
    rig.rollout.register("efficientnet", "1.1")
    rig.fake.before = lambda *_: error(415, "This is no picture.")
    with pytest.raises(OpsError, match=r"None of the 3 files could be judged: .*no picture"):
        comparison.compare(client(rig), "efficientnet", BOTH, pictures, rig.said.append)


def test_latency_by_nearest_rank() -> None:
    opinions = [comparison.Opinion("real", 0.1, float(time)) for time in range(1, 201)]
    side = comparison._side("1.0", opinions)
    assert (side["median_ms"], side["p99_ms"]) == (100.5, 198.0)
    assert comparison._side("1.0", opinions[:1])["p99_ms"] == 1.0


def test_another_version_than_asked_is_an_error(store: Path) -> None:
    fake = FakeTorchServe(store)
    fake.start_serving({"efficientnet": "1.0"})
    fake.alter = lambda _, __, judgement: judgement["model"].update(version="5")
    server = Server(fake)
    try:
        inference = InferenceClient(f"http://127.0.0.1:{server.port}", "secret")
        with pytest.raises(OpsError, match=r"efficientnet 5 answered where 1\.0 was asked"):
            comparison._ask(inference, "efficientnet", "1.0", b"x")
    finally:
        server.close()
