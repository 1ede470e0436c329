"""What operators have promoted: a file in the state folder, which outlives the service.

`serving.json` in the model store names the versions that serve by default; this file says which
others were promoted, and what served before them. While a promotion is under way the file says so:
one that was cut off half way is then undone, by the next command or the next start.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ops import archive
from ops.errors import OpsError
from ops.settings import Settings

FILE = "promotions.json"
_EARLIER_KEPT = 20
_EVENTS_KEPT = 200


@dataclass(frozen=True)
class Choice:
    """What was promoted of one model.

    Attributes:
        serving: the version promoted last.
        earlier: versions that served before it, the latest last: where rollbacks lead.
    """

    serving: str
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pending:
    """A promotion under way: `model` from version `old` to `new`."""

    model: str
    old: str
    new: str


@dataclass
class Promotions:
    """The contents of the file.

    Attributes:
        choices: by model name; a model that is not there follows `serving.json`.
        pending: a promotion under way, or one that was cut off.
        events: what was done, the latest last.
    """

    choices: dict[str, Choice] = field(default_factory=dict)
    pending: Pending | None = None
    events: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> "Promotions":
        """Read the file of a state folder; without one, nothing was promoted.

        Raises:
            OpsError: the file cannot be read or understood.
        """
        path = folder / FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            choices = {
                str(model): Choice(str(entry["serving"]), tuple(map(str, entry["earlier"])))
                for model, entry in content["models"].items()
            }
            pending = content["pending"] and Pending(**content["pending"])
            return cls(choices, pending, list(content["events"]))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise OpsError(
                f"{path}, which says what was promoted, cannot be read ({error!r}): mend it, or "
                "remove it and promote again."
            ) from error

    def write(self, folder: Path) -> None:
        """Write the file in one step, and onto the disk before this returns.

        Raises:
            OpsError: the folder cannot be written.
        """
        content = {
            "models": {model: asdict(choice) for model, choice in self.choices.items()},
            "pending": asdict(self.pending) if self.pending else None,
            "events": self.events[-_EVENTS_KEPT:],
        }
        new = folder / f".{FILE}.new"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with new.open("w", encoding="utf-8") as file:
                file.write(json.dumps(content, indent=2) + "\n")
                file.flush()
                os.fsync(file.fileno())
            new.replace(folder / FILE)
        except OSError as error:
            raise OpsError(
                f"{folder} cannot be written ({error.strerror}): promotions are kept there; "
                "STATE_DIR names another folder."
            ) from error

    def earlier(self, model: str) -> tuple[str, ...]:
        """Versions of a model that served before, the latest last."""
        return self.choices[model].earlier if model in self.choices else ()

    def promoted(self, model: str, old: str, new: str, default: str) -> None:
        """Note that `new` serves in the place of `old`, which a rollback leads back to."""
        chain = self.earlier(model)
        if old != new and chain[-1:] != (old,):
            chain = (*chain, old)[-_EARLIER_KEPT:]
        elif chain[-1:] == (new,):
            chain = chain[:-1]
        self._settle("promote", model, Choice(new, chain), default)

    def rolled_back(self, model: str, default: str) -> None:
        """Note that the version before serves again."""
        *chain, version = self.earlier(model)
        self._settle("rollback", model, Choice(version, tuple(chain)), default)

    def _settle(self, action: str, model: str, choice: Choice, default: str) -> None:
        self.pending = None
        before = self.choices.pop(model, Choice(default))
        if choice != Choice(default):  # else nothing is decided any more: follow serving.json
            self.choices[model] = choice
        if choice != before:
            time = datetime.now(UTC).isoformat(timespec="seconds")
            self.events.append(
                {"time": time, "action": action, "model": model, "version": choice.serving}
            )


def effective_versions(settings: Settings, say: Callable[[str], None]) -> dict[str, str]:
    """The version of each model to come up with: those promoted last, where they are whole.

    Where one is missing or damaged, that is said, and the default version serves in its place.

    Raises:
        OpsError: `serving.json` cannot be read.
    """
    versions = archive.serving_versions(settings.model_store)
    try:
        promotions = Promotions.read(settings.state_dir)
    except OpsError as error:
        say(f"{error} The default versions serve.")
        return versions
    if promotions.pending is not None:
        say(
            f"The promotion of {promotions.pending.model} {promotions.pending.new} was cut off: "
            f"what served before it serves again."
        )
    for model in versions.keys() & promotions.choices.keys():
        version = promotions.choices[model].serving
        if version == versions[model]:
            continue
        try:
            archive.require_whole(settings.model_store, model, version)
        except OpsError as error:
            say(f"{error} {model} {versions[model]} serves, not {version} as promoted.")
        else:
            versions[model] = version
    return versions
