"""Registers the archives on a TorchServe that runs: the workflow, and both models on their own.

Run as `python -m ops.deploy`.
"""

import sys
from collections.abc import Callable

from ops import archive
from ops.client import ManagementClient
from ops.errors import OpsError
from ops.settings import WORKFLOW, Settings
from ops.tokens import read_tokens

Say = Callable[[str], None]


def deploy(settings: Settings, management: ManagementClient, say: Say) -> None:
    """Register what is not registered yet.

    Raises:
        OpsError: an archive is missing or not what was built, or TorchServe refused it.
    """
    versions = archive.serving_versions(settings.model_store)
    if WORKFLOW in management.workflows():
        say(f"The workflow {WORKFLOW} is registered already.")
    else:
        archive.require_known(settings.model_store, archive.WORKFLOW_ARCHIVE)
        say("Loading the workflow ...")
        management.register_workflow(archive.WORKFLOW_ARCHIVE)
    registered = set(management.models())
    for model, version in versions.items():
        if model in registered:
            say(f"The model {model} is registered already.")
            continue
        file = f"{model}-{version}.mar"
        archive.require_known(settings.model_store, file)
        say(f"Loading {model} {version} ...")
        management.register_model(
            file,
            model,
            batch_size=archive.BATCH_SIZE,
            max_batch_delay_ms=archive.MAX_BATCH_DELAY_MS,
        )


def main() -> int:
    """Entry point."""
    try:
        settings = Settings.from_environment()
        for file in archive.build_all(settings):
            print(f"Built {file}.")
        tokens = read_tokens(settings.run_dir)
        deploy(settings, ManagementClient(settings.management_url, tokens.management), print)
    except OpsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("Everything is registered.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
