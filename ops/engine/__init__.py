"""Our engine for TorchServe's workflows: a few Java classes that come first on its class path.

TorchServe 0.12 queues a node's job before it attaches the promise of its reply, so a quick worker's
reply can be lost (about 1 request in 1,100); it leaves threads behind when a node fails; and every
workflow reply has status 200. The classes in `classes/` mend this; they are compiled from `src/` by
`make engine` (which needs a JDK; users have only the JRE) and committed, with the digest of the
sources beside them. `WORKFLOW_ENGINE=torchserve` leaves them out.
"""

import hashlib
from pathlib import Path

FOLDER = Path(__file__).parent
SOURCES = FOLDER / "src"
CLASSES = FOLDER / "classes"
DIGEST = CLASSES / "SOURCES.sha256"


def source_files() -> list[Path]:
    """The Java sources, in a fixed order."""
    return sorted(SOURCES.rglob("*.java"))


def source_digest() -> str:
    """SHA-256 over the sources; equal to what stands in `DIGEST` when the classes are in step."""
    digest = hashlib.sha256()
    for file in source_files():
        digest.update(f"{file.relative_to(SOURCES).as_posix()}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
