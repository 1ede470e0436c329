"""Tells whether the committed style sheet was compiled from the sources beside it.

Usage: `python -m ui.stylesheet` (after compiling) writes the fingerprint of the sources next to
the compiled file; a unit test computes it afresh.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).parent
FINGERPRINT = ROOT / "static" / "css" / "site.css.sources"
_PATTERNS = ("tailwind/*.css", "templates/*.html", "static/js/*.js", "package-lock.json")


def sources() -> list[Path]:
    """List the files from which the style sheet is compiled, in a fixed order."""
    return sorted(path for pattern in _PATTERNS for path in ROOT.glob(pattern))


def fingerprint() -> str:
    """Hash the names and contents of all sources (SHA-256, hexadecimal)."""
    digest = hashlib.sha256()
    for path in sources():
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def main() -> None:
    """Record the fingerprint of the present sources."""
    FINGERPRINT.write_text(fingerprint() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
