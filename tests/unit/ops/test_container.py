"""The image and the compose file, as far as that can be checked without a container engine."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ops.settings import ROOT, Settings

FOLDER = ROOT / "ops" / "container"
DOCKERFILE = FOLDER / "Dockerfile"
COMPOSE = FOLDER / "compose.yaml"
PROGRAMS = Path(sys.executable).parent


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def instructions() -> list[list[str]]:
    """The Dockerfile's instructions with continued lines joined, in words."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    joined = text.replace("\\\n", " ")
    return [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]


def values(name: str) -> list[str]:
    return [rest[0] for instruction, *rest in instructions() if instruction == name]


def copied_from_the_repository() -> list[str]:
    copies = [shlex.split(value) for value in values("COPY") if not value.startswith("--")]
    return [source for *sources, _ in copies for source in sources]


def test_hadolint_has_nothing_to_say() -> None:
    run(str(PROGRAMS / "hadolint"), str(DOCKERFILE))


def test_the_compose_file_fits_its_schema() -> None:
    run(
        str(PROGRAMS / "check-jsonschema"),
        "--builtin-schema",
        "vendor.compose-spec",
        str(COMPOSE),
    )


def test_the_image_runs_as_nobody_in_particular() -> None:
    assert values("USER") == ["10001:10001"]
    (health,) = values("HEALTHCHECK")
    assert health.endswith('CMD ["python", "-m", "ops.probe"]')
    (entry,) = values("ENTRYPOINT")
    assert json.loads(entry) == ["tini", "--"]


def test_nothing_secret_is_copied() -> None:
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text().split("\n")
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert ignored[1] == "*"  # after the comment: nothing, but for what follows
    assert allowed == set(copied_from_the_repository())
    assert not allowed & {"build", "tests", "training", ".git", ".venv", "."}


def test_what_is_copied_is_enough_to_serve(tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    for source in copied_from_the_repository():
        path = ROOT / source
        if path.is_dir():
            pattern = shutil.ignore_patterns(
                "__pycache__", "*.mar", "*.war", "*.onnx", "archives.json"
            )
            shutil.copytree(path, app / source, ignore=pattern)
        else:
            shutil.copyfile(path, app / source)
    store = tmp_path / "store"
    environment = {"MODEL_STORE": str(store), "RUN_DIR": str(tmp_path / "run"), "PATH": ""}
    for module, *arguments in (
        ("ops.seed",),
        ("ops.archive",),
        ("ui.render", "--out", str(tmp_path / "site"), "--model-store", str(store)),
        ("ops.status",),
        ("ops.probe", "--help"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=app,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        # Nothing runs there, which is what `status` must find out.
        expected = 1 if module == "ops.status" else 0
        assert done.returncode == expected, done.stdout + done.stderr
    assert (tmp_path / "run" / "workflows" / "deepfake.war").is_file()
    assert (tmp_path / "site" / "index.html").is_file()


def test_the_images_environment_is_one_of_ours() -> None:
    (text,) = [value for value in values("ENV") if "RUN_DIR" in value]
    environment = dict(pair.split("=", 1) for pair in shlex.split(text))
    settings = Settings.from_environment(environment)
    assert settings.edge_bind == "0.0.0.0"
    assert settings.json_output
    writable = [settings.run_dir, settings.state_dir, settings.site_dir, settings.model_store]
    assert all(str(folder).startswith("/var/lib/deepfake/") for folder in writable)


def test_the_container_may_do_little() -> None:
    service = yaml.safe_load(COMPOSE.read_text())["services"]["detector"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "10001:10001"
    assert service["mem_limit"]
    assert service["pids_limit"]
    mounts = {volume.split(":")[1] for volume in service["volumes"]}
    folder = "/var/lib/deepfake"
    assert mounts == {f"{folder}/run", f"{folder}/state", f"{folder}/model_store"}
    assert "privileged" not in service
    assert not any(word in COMPOSE.read_text().lower() for word in ("password", "secret"))


@pytest.mark.parametrize("port", ["8080", "8081", "8082", "7070", "7071", "8083"])
def test_no_port_of_torchserve_is_published(port: str) -> None:
    published = yaml.safe_load(COMPOSE.read_text())["services"]["detector"]["ports"]
    assert not any(port in entry for entry in published)
