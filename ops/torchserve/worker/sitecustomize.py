"""Python imports this at the start of every worker: what TorchServe does there, and we do without.

A line for each batch: the worker prints when one arrived and how long it took. Nobody reads the
first, and the workflow engine measures the second (`deepfake_node_seconds`); but each line is a
system call and wakes a thread of the server that reads it.

Torch is loaded at its first use, or never: TorchServe's worker imports it for one comparison that
our replies never reach. That costs every worker a second or more at its start and 200 MiB, and only
those that run a network in torch need it. (`importlib.util.LazyLoader` does not help: in Python
3.11 the import statement itself counts as a use.)
"""

import logging
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class _LoadedAtFirstUse(ModuleType):
    """Stands in for a module until somebody asks for anything in it."""

    def __getattr__(self, name: str) -> Any:
        """Gives what the real module has; reached for whatever this one lacks."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def _load_at_first_use(name: str) -> None:
    spec = find_spec(name)
    if spec is not None and name not in sys.modules:
        module = _LoadedAtFirstUse(name)
        module.__spec__ = spec
        sys.modules[name] = module


def _is_wanted(record: logging.LogRecord) -> bool:
    text = str(record.msg)
    return not text.startswith(("Backend received inference", "[METRICS]PredictionTime"))


_load_at_first_use("torch")
for _name in (None, "ts.metrics.caching_metric"):
    logging.getLogger(_name).addFilter(_is_wanted)
