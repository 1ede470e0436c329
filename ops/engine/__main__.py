"""Compiles the workflow engine: `python -m ops.engine`, with a JDK 17 or later on the PATH."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from ops.engine import CLASSES, DIGEST, source_digest, source_files


def compile_to(folder: Path) -> str | None:
    """Compile into `folder`; returns what went wrong, or None.

    The classes carry no debug information and no times: the same compiler gives the same bytes.
    """
    javac = shutil.which("javac")
    spec = find_spec("ts")
    if javac is None or spec is None or spec.origin is None:
        return "A JDK 17 (javac) and TorchServe are needed to compile the workflow engine."
    jar = Path(spec.origin).parent / "frontend" / "model-server.jar"
    command = [javac, "--release", "17", "-g:none", "-nowarn", "-cp", str(jar), "-d", str(folder)]
    result = subprocess.run(
        command + [str(file) for file in source_files()],
        check=False,
        capture_output=True,
        text=True,
    )
    return None if result.returncode == 0 else result.stderr.strip()


def main() -> int:
    """Entry point."""
    shutil.rmtree(CLASSES, ignore_errors=True)
    problem = compile_to(CLASSES)
    if problem is not None:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    DIGEST.write_text(source_digest() + "\n")
    print(f"Compiled {len(source_files())} sources into {CLASSES}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
