"""The picture that tells whether the service judges."""

from importlib.util import find_spec
from pathlib import Path

from ops.errors import OpsError


def reference_picture() -> bytes:
    """A portrait (Grace Hopper, US Navy photograph, public domain) that matplotlib ships.

    matplotlib is needed anyway (grad-cam imports it); it is not imported here, as that is slow.

    Raises:
        OpsError: the installed matplotlib does not have it.
    """
    spec = find_spec("matplotlib")
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "mpl-data" / "sample_data" / "grace_hopper.jpg"
        if path.is_file():
            return path.read_bytes()
    raise OpsError("The reference picture of matplotlib is missing: run `make clean-env env`.")
