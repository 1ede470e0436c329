"""What runs now: written by `make serve`, read by `make stop`, `make status` and the next start."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from ops.processes import is_alive

_FILE = "service.json"


@dataclass(frozen=True)
class State:
    """A running service.

    Attributes:
        pid: of the supervising process (`ops.serve`).
        started: when it started, in seconds since the epoch.
        page_url: address of the page.
        groups: process groups of TorchServe and the edge.
        scratch: TorchServe's folder of unpacked archives and sockets.
        ready: whether a picture has been judged.
    """

    pid: int
    started: float
    page_url: str
    groups: list[int]
    scratch: str
    ready: bool = False

    def is_alive(self) -> bool:
        """Whether the supervising process lives."""
        return is_alive(self.pid, self.started)


def started(pid: int) -> float:
    """When a process started, in seconds since the epoch."""
    return float(psutil.Process(pid).create_time())


def read(run_dir: Path) -> State | None:
    """The state that was last written, or None; the service it names may have ended."""
    try:
        return State(**json.loads((run_dir / _FILE).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def write(run_dir: Path, state: State) -> None:
    """Write the state in one step."""
    path = run_dir / _FILE
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(state), indent=2))
    new.replace(path)


def clear(run_dir: Path) -> None:
    """Remove the state: nothing runs."""
    (run_dir / _FILE).unlink(missing_ok=True)
