"""Changes which versions of the models a running service has loaded, and which serve.

Each model is registered twice with TorchServe: as a node of the workflow (`deepfake__cnn`), which
answers the users, and on its own (`cnn`), where versions are tried. Both are kept in step. The
version that served before stays loaded after a promotion, so that going back takes no time.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ops import archive, manifest, trial
from ops.client import InferenceClient, ManagementClient
from ops.errors import OpsError
from ops.loading import Loader, patiently
from ops.locks import locked
from ops.promotions import Pending, Promotions
from ops.settings import MODELS, WORKFLOW, Settings
from ops.site import render_site
from ops.tokens import read_tokens

Say = Callable[[str], None]
Note = Callable[[Promotions, str, str], None]
_BUSY = "Another command is changing versions of this service: wait for its end, then try again."


@dataclass(frozen=True)
class Outcome:
    """What a command did.

    Attributes:
        action: register, promote, rollback or unregister.
        model: name of the model.
        version: the version it was about.
        serving: the version that serves now.
        changed: whether anything had to be done.
        seconds: how long it took.
    """

    action: str
    model: str
    version: str
    serving: str
    changed: bool
    seconds: float


class Rollout:
    """The operator's hand on a running service. Every method raises `OpsError` where it fails."""

    def __init__(
        self,
        settings: Settings,
        management: ManagementClient,
        inference: InferenceClient,
        say: Say,
    ) -> None:
        self._settings = settings
        self._management = management
        self._inference = inference
        self._say = say
        self._loader = Loader(settings, management, inference)

    @classmethod
    def connect(cls, settings: Settings, say: Say) -> "Rollout":
        """Reach the service of these settings; tokens are read anew with each request."""
        run_dir = settings.run_dir
        read_tokens(run_dir)
        return cls(
            settings,
            ManagementClient(settings.management_url, lambda: read_tokens(run_dir).management),
            InferenceClient(settings.inference_url, lambda: read_tokens(run_dir).inference, 90),
            say,
        )

    def serving(self, model: str) -> str:
        """The version of a model that the workflow runs now."""
        versions = self._management.versions(_node(model))
        if not versions or WORKFLOW not in self._management.workflows():
            raise OpsError("The workflow is not registered: wait for the start, or `make deploy`.")
        return next(iter(versions))

    def register(self, model: str, version: str) -> Outcome:
        """Load a version beside the serving one and check it; no user meets it."""
        begin = time.monotonic()
        with self._alone(), ExitStack() as undo:
            changed = self._load_checked(model, version, [model], undo)
            undo.pop_all()
            return self._outcome("register", model, version, begin, changed=changed)

    def promote(self, model: str, version: str) -> Outcome:
        """Serve a version from the next request on, once it has been loaded and checked.

        Where anything fails, the version before goes on serving and the new one is taken out.
        """
        begin = time.monotonic()
        with self._alone():
            changed = self._switch(
                model,
                version,
                lambda promotions, old, default: promotions.promoted(model, old, version, default),
            )
            return self._outcome("promote", model, version, begin, changed=changed)

    def rollback(self, model: str) -> Outcome:
        """Serve the version that served before the last promotion."""
        begin = time.monotonic()
        with self._alone():
            earlier = Promotions.read(self._settings.state_dir).earlier(model)
            if not earlier:
                raise OpsError(
                    f"There is no earlier version of {model} to go back to: nothing was promoted. "
                    f"{model} {self.serving(model)} serves."
                )
            changed = self._switch(
                model,
                earlier[-1],
                lambda promotions, _, default: promotions.rolled_back(model, default),
                served_before=True,
            )
            return self._outcome("rollback", model, earlier[-1], begin, changed=changed)

    def unregister(self, model: str, version: str) -> Outcome:
        """Take a version that does not serve out of memory."""
        begin = time.monotonic()
        with self._alone():
            if version == self.serving(model):
                raise OpsError(f"{model} {version} serves: promote another version first.")
            places = [p for p in _places(model) if version in self._management.versions(p)]
            if not places:
                raise OpsError(f"{model} {version} is not loaded (`make versions` lists what is).")
            for place in places:
                self._loader.retire(place, version)
            return self._outcome("unregister", model, version, begin, changed=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One operator at a time; what one who was cut off left half done is undone first."""
        with locked(self._settings.versions_lock, busy=_BUSY):
            promotions = Promotions.read(self._settings.state_dir)
            if promotions.pending is not None:
                self._undo_pending(promotions, promotions.pending)
            yield

    def _undo_pending(self, promotions: Promotions, pending: Pending) -> None:
        self._switch_back(pending.model, pending.old)
        for place in _places(pending.model):
            if self._loader.is_spare(place, pending.new):
                self._loader.retire(place, pending.new)
        promotions.pending = None
        promotions.write(self._settings.state_dir)
        self._say(
            f"A promotion of {pending.model} {pending.new} had been cut off half way: undone."
        )

    def _switch(self, model: str, version: str, note: Note, *, served_before: bool = False) -> bool:
        """Load and check a version and let it serve; returns whether it did not already.

        Args:
            model: the model.
            version: the version.
            note: notes the change in the record; gets it, the version before and the default.
            served_before: then a wrong verdict on a reference picture must not bar the way back.
        """
        folder = self._settings.state_dir
        old = self.serving(model)
        default = archive.serving_versions(self._settings.model_store)[model]
        with ExitStack() as undo:
            if version != old:
                self._retire_stale(model, keep={old, version})
            self._load_checked(model, version, _places(model), undo, verdicts=not served_before)
            promotions = Promotions.read(folder)
            if version != old:
                promotions.pending = Pending(model, old, version)
                promotions.write(folder)
                undo.callback(self._abandon, model, old)
            for place in _places(model):
                self._management.set_default(place, version)
            self._require_served(model, version)
            note(promotions, old, default)
            promotions.write(folder)
            undo.pop_all()
        self._render()
        return version != old

    def _load_checked(
        self,
        model: str,
        version: str,
        places: list[str],
        undo: ExitStack,
        *,
        verdicts: bool = True,
    ) -> bool:
        """Load a version wherever it is not loaded, and let it judge; returns whether it was not.

        Args:
            model: the model.
            version: the version.
            places: the registered names to load it under.
            undo: gets what takes it out again.
            verdicts: as for `Loader.check`.
        """
        manifest.require_known(self._settings.model_store, archive.model_file(model, version))
        like = next(iter(self._management.versions(_node(model)).values()))
        if not self._management.versions(model):
            # The first version of a name becomes its default: that must be the serving one.
            self._loader.load(model, model, like.version, like)
        loaded = False
        for place in places:
            if self._loader.is_wanting(place, version):
                undo.callback(self._take_out, place, version)
                self._say(f"Loading {place} {version} ...")
                self._loader.load(place, model, version, like)
                loaded = True
            self._loader.check(place, model, version, verdicts=verdicts)
        return loaded

    def _require_served(self, model: str, version: str) -> None:
        """Check with one request that the workflow now answers with a version."""
        reply = patiently(lambda: self._inference.workflow(WORKFLOW, trial.reference()))
        answering = reply.get("models", {}).get(model, {}).get("version")
        if answering != version:
            raise OpsError(f"The workflow does not answer with {model} {version}: {reply}.")

    def _abandon(self, model: str, old: str) -> None:
        """Undo a switch that failed."""
        try:
            self._switch_back(model, old)
            promotions = Promotions.read(self._settings.state_dir)
            promotions.pending = None
            promotions.write(self._settings.state_dir)
        except OpsError as error:
            self._say(f"{error} The next command or start will go back to {model} {old}.")
        else:
            self._say(f"{model} {old} goes on serving.")

    def _switch_back(self, model: str, old: str) -> None:
        for place in _places(model):
            if old in self._management.versions(place):
                self._management.set_default(place, old)

    def _take_out(self, place: str, version: str) -> None:
        """Undo a load; says what stands in the way, as something failed before."""
        try:
            if self._loader.is_spare(place, version):
                self._loader.retire(place, version)
                self._say(f"{place} {version} was taken out again.")
        except OpsError as error:
            self._say(f"{place} {version} could not be taken out: {error}")

    def _retire_stale(self, model: str, keep: set[str]) -> None:
        """Make room: no more than the serving version and its successor are ever loaded."""
        for version in self._management.versions(_node(model)):
            if version not in keep:
                for place in _places(model):
                    if self._loader.is_spare(place, version):
                        self._loader.retire(place, version)

    def _render(self) -> None:
        """Bring the page up to date; the versions serve all the same if that fails."""
        try:
            render_site(self._settings, {model: self.serving(model) for model in MODELS})
        except OpsError as error:
            self._say(f"The page still shows the versions from before. {error}")

    def _outcome(
        self, action: str, model: str, version: str, begin: float, *, changed: bool
    ) -> Outcome:
        seconds = round(time.monotonic() - begin, 2)
        return Outcome(action, model, version, self.serving(model), changed, seconds)


def _node(model: str) -> str:
    return f"{WORKFLOW}__{model}"


def _places(model: str) -> list[str]:
    """Names under which a model is registered; the one that answers the users first."""
    return [_node(model), model]
