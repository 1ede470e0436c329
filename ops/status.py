"""Says what runs, from the outside in. Run as `python -m ops.status`; exit status 0: it serves."""

import sys

from ops import state
from ops.client import EdgeClient, ManagementClient
from ops.errors import OpsError
from ops.settings import WORKFLOW, Settings
from ops.tokens import read_tokens


def report(settings: Settings) -> tuple[bool, list[str]]:
    """Whether the service serves, and the lines that say what runs."""
    running = state.read(settings.run_dir)
    if running is None or not running.is_alive():
        return False, ["The service does not run: start it with `make serve`."]
    lines = [
        f"Page: {running.page_url} (process {running.pid}{'' if running.ready else ', starting'})"
    ]
    try:
        tokens = read_tokens(settings.run_dir)
        management = ManagementClient(settings.management_url, tokens.management, timeout=10)
        page = EdgeClient(f"http://127.0.0.1:{settings.ports.edge}", timeout=10).page_status()
        lines.append(f"Edge: answers with status {page}")
        lines.append(f"Workflow {WORKFLOW}: {_yes(WORKFLOW in management.workflows())}")
        lines += [_model_line(management, name) for name in sorted(management.models())]
    except OpsError as error:
        return False, [*lines, str(error)]
    return running.ready and page == 200, lines


def _model_line(management: ManagementClient, name: str) -> str:
    described = management.describe_model(name)[0]
    workers = ", ".join(
        f"worker {worker['id']} {worker['status']} (process {worker['pid']})"
        for worker in described["workers"]
    )
    return f"{name} {described['modelVersion']}: {workers or 'no worker'}"


def _yes(registered: bool) -> str:
    return "registered" if registered else "not registered"


def main() -> int:
    """Entry point."""
    try:
        serves, lines = report(Settings.from_environment())
    except OpsError as error:
        serves, lines = False, [f"error: {error}"]
    print("\n".join(lines))
    return 0 if serves else 1


if __name__ == "__main__":
    sys.exit(main())
