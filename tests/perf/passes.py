"""How long a face takes in passes of one face and of several, memory kept or not.

Run as `python -m tests.perf.passes` after `make archive`; one thread, everything else closed. It
decides `_FACES_AT_ONCE` of `detection.engine` and `keep_memory` of `detection.session`.
"""

from __future__ import annotations

import sys
from functools import partial

import numpy as np

from detection.engine import INPUT, LOGITS, MAPS
from detection.limits import CROP_SIZE
from detection.session import open_session
from detection.version import graph_file, serving_versions
from ops.settings import Settings
from tests.perf.bench.figures import interleaved
from tests.perf.report import table

SIZES = (1, 2, 4, 8)
_SECONDS = 12.0


def main() -> int:
    """Entry point: prints the table."""
    store = Settings.from_environment().model_store
    shape = (max(SIZES), CROP_SIZE, CROP_SIZE, 3)
    faces = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    rows = []
    for name, version in serving_versions(store).items():
        graph = graph_file(store, name, version)
        if not graph.is_file():
            print("The graphs are missing: run `make archive` first.", file=sys.stderr)
            return 2
        sessions = {kept: open_session(graph, 1, keep_memory=kept) for kept in (False, True)}
        jobs = {
            f"{kept} {size}": partial(session.run, [LOGITS, MAPS], {INPUT: faces[:size]})
            for kept, session in sessions.items()
            for size in SIZES
        }
        times = interleaved(jobs, _SECONDS)
        rows += [
            [name, "kept" if kept else "freed"]
            + [f"{1000 * float(np.median(times[f'{kept} {size}'])) / size:.2f}" for size in SIZES]
            for kept in sessions
        ]
    print(table(("", "memory", *(f"{size} a pass, ms a face" for size in SIZES)), rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
