"""Checks that the Python environment is whole: the right packages, in the pinned versions.

Run as `python -m ops.environment FILE...`; exits 1 with one sentence where something is missing,
so that `make` knows to install again. Uses the standard library only: the rest may be missing.
"""

import re
import sys
from importlib import metadata
from pathlib import Path

_PIN = re.compile(r"^\s*([A-Za-z0-9._-]+)==([^\s#;]+)")


def pinned(requirements: Path) -> dict[str, str]:
    """The `name==version` lines of a requirements file."""
    matches = (_PIN.match(line) for line in requirements.read_text().splitlines())
    return {match[1]: match[2] for match in matches if match}


def problems(pins: dict[str, str]) -> list[str]:
    """What is missing or has another version than pinned, one phrase each."""
    found = []
    for name, version in pins.items():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            found.append(f"{name} is missing")
            continue
        # Builds for one kind of device carry a suffix: 2.14.1+cpu is 2.14.1.
        if installed.split("+")[0] != version.split("+")[0]:
            found.append(f"{name} is {installed}, not {version}")
    return found


def main(arguments: list[str]) -> int:
    """Entry point: the requirements files to check against."""
    pins: dict[str, str] = {}
    for name in arguments:
        pins |= pinned(Path(name))
    wrong = problems(pins)
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        print(f"The environment is incomplete: {', '.join(wrong[:3])}{more}.", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
