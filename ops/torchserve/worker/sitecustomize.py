"""Python imports this at the start of every worker: torch is loaded at its first use, or never.

TorchServe's worker imports torch for one comparison that our replies never reach. That costs
every worker a second or more at its start and 200 MiB, and only those that run a network in torch
need it. (`importlib.util.LazyLoader` does not help: in Python 3.11 the import statement itself
counts as a use.)
"""

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


_load_at_first_use("torch")
