"""Fills a model store from the repository's: a container's volume begins empty.

Versions that are there stay as they are, so that an operator can add some. `serving.json`, which
says what serves where nobody has promoted anything, is always the repository's. Run as
`python -m ops.seed` before `ops.serve`, with the volume as MODEL_STORE.
"""

import shutil
import sys
from pathlib import Path

from ops.errors import OpsError
from ops.settings import MODELS, ROOT, Settings

_SERVING = "serving.json"


def seed(source: Path, target: Path) -> list[str]:
    """Copy what `target` lacks; each version folder appears whole or not at all.

    Args:
        source: the repository's model store.
        target: another folder, made if need be.

    Returns:
        What was copied, e.g. `cnn/1.0`.
    """
    copied = []
    target.mkdir(parents=True, exist_ok=True)
    for model in MODELS:
        for folder in sorted(path for path in (source / model).glob("*") if path.is_dir()):
            place = target / model / folder.name
            if not place.exists():
                new = target / model / f".{folder.name}.new"
                shutil.rmtree(new, ignore_errors=True)
                shutil.copytree(folder, new)
                new.rename(place)
                copied.append(f"{model}/{folder.name}")
    new = target / f".{_SERVING}.new"
    shutil.copyfile(source / _SERVING, new)
    new.rename(target / _SERVING)
    return copied


def main() -> int:
    """Entry point; prints what was copied."""
    source = ROOT / "model_store"
    try:
        target = Settings.from_environment().model_store
        copied = seed(source, target)
    except (OpsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if copied:
        print(f"Copied {', '.join(copied)} into {target}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
