"""Renders the page, in a process of its own: the renderer knows templates, we know versions."""

import subprocess
import sys
from collections.abc import Mapping

from ops.errors import OpsError
from ops.settings import ROOT, Settings


def render_site(settings: Settings, versions: Mapping[str, str]) -> None:
    """Render the page; what stood there before is replaced in one step.

    Args:
        settings: of the service.
        versions: the version of each model that serves.

    Raises:
        OpsError: the page could not be rendered; the one before stays.
    """
    serving = [f"{model}={version}" for model, version in versions.items()]
    render = subprocess.run(
        [
            *(sys.executable, "-m", "ui.render", "--out", str(settings.site_dir)),
            *("--model-store", str(settings.model_store), "--serving", *serving),
        ],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if render.returncode != 0:
        last = render.stderr.strip().splitlines()[-1:] or ["no message"]
        raise OpsError(f"The page could not be rendered: {last[0]}")
