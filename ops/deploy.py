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


def deploy_workflow(settings: Settings, management: ManagementClient, say: Say) -> None:
    """Register the workflow, if it is not registered; its nodes are loaded when this returns.

    Raises:
        OpsError: an archive is missing or not what was built, or TorchServe refused it.
    """
    if WORKFLOW in management.workflows():
        say(f"The workflow {WORKFLOW} is registered already.")
        return
    for file in archive.service_files(settings.model_store):
        archive.require_known(settings.model_store, file)
    say("Loading the workflow ...")
    management.register_workflow(archive.WORKFLOW_ARCHIVE)


def deploy_models(settings: Settings, management: ManagementClient, say: Say) -> None:
    """Register the serving version of each model on its own, for `/predictions/<model>`.

    Raises:
        OpsError: as for the workflow.
    """
    registered = set(management.models())
    for model, version in archive.serving_versions(settings.model_store).items():
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
        management = ManagementClient(settings.management_url, tokens.management)
        deploy_workflow(settings, management, print)
        deploy_models(settings, management, print)
    except OpsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("Everything is registered.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
