"""Registers the archives on a TorchServe that runs: the workflow, and both models on their own.

Run as `python -m ops.deploy`.
"""

import sys
from collections.abc import Callable, Mapping

from ops import archive, manifest
from ops.client import ManagementClient
from ops.errors import OpsError
from ops.locks import locked
from ops.promotions import effective_versions
from ops.properties import BASE, read_properties
from ops.settings import MODELS, WORKFLOW, Settings
from ops.site import render_site
from ops.tokens import read_tokens

Say = Callable[[str], None]


def prepare_archives(settings: Settings, say: Say) -> dict[str, str]:
    """Build what the service loads, where it is not there already.

    Returns:
        The version of each model to come up with.

    Raises:
        OpsError: an archive of the default versions could not be built.
    """
    for file in archive.build_all(settings):
        say(f"Built {file}.")
    defaults = archive.serving_versions(settings.model_store)
    versions = effective_versions(settings, say)
    for model, version in versions.items():
        try:
            plan = archive.model_plan(settings.model_store, model, version)
            archive.build(settings.model_store, [plan])
        except OpsError as error:
            say(f"{error} {model} {defaults[model]} serves, not {version} as promoted.")
            versions[model] = defaults[model]
    archive.build_workflow(settings, versions)
    return versions


def deploy_workflow(settings: Settings, management: ManagementClient, say: Say) -> None:
    """Register the workflow, if it is not registered; its nodes are loaded when this returns.

    It comes up with the versions that were promoted last. If TorchServe cannot load those, that is
    said, and the default versions serve.

    Raises:
        OpsError: an archive is missing or not what was built, or TorchServe refused it.
    """
    if WORKFLOW in management.workflows():
        say(f"The workflow {WORKFLOW} is registered already.")
        return
    versions = effective_versions(settings, lambda _: None)  # said when they were prepared
    defaults = archive.serving_versions(settings.model_store)
    say("Loading the workflow ...")
    try:
        _register(settings, management, versions)
    except OpsError as error:
        if versions == defaults:
            raise
        say(f"The promoted versions cannot be loaded, the default ones serve: {error}")
        remove_workflow(management)
        _register(settings, management, defaults)
        render_site(settings, defaults)


def _register(
    settings: Settings, management: ManagementClient, versions: Mapping[str, str]
) -> None:
    archive.build_workflow(settings, versions)
    archive.require_service_files(settings, versions)
    properties = read_properties(BASE)
    management.register_workflow(
        archive.WORKFLOW_ARCHIVE,
        response_timeout=int(properties["default_response_timeout"]),
        startup_timeout=int(properties["default_startup_timeout"]),
    )


def remove_workflow(management: ManagementClient) -> None:
    """Unregister the workflow with all versions of its nodes, however they were left.

    TorchServe fails at a node with two versions, and then refuses to register the workflow again:
    so the versions that do not serve go first.
    """
    for node in _nodes(management):
        for version in list(management.versions(node))[1:]:
            management.unregister_model(node, version)
    if WORKFLOW in management.workflows():
        management.unregister_workflow(WORKFLOW)
    for node in _nodes(management):
        management.unregister_model(node)


def _nodes(management: ManagementClient) -> list[str]:
    return [name for name in management.models() if name.startswith(f"{WORKFLOW}__")]


def deploy_models(settings: Settings, management: ManagementClient, say: Say) -> None:
    """Register on its own each model that the workflow serves, for `/predictions/<model>`.

    Raises:
        OpsError: as for the workflow.
    """
    with locked(settings.versions_lock):
        for model in MODELS:
            if management.versions(model):
                say(f"The model {model} is registered already.")
                continue
            version = next(iter(management.versions(f"{WORKFLOW}__{model}")))
            file = archive.model_file(model, version)
            manifest.require_known(settings.model_store, file)
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
        prepare_archives(settings, print)
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
