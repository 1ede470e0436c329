"""Keeps a started service alive: starts again what ends or hangs, and renews tokens in time."""

import time
from collections.abc import Callable
from typing import Protocol

from ops.errors import OpsError

_TICK_SECONDS = 0.25
# A program that ran this long has not failed quickly, and its failures are counted anew.
_STEADY_SECONDS = 60.0
_PAUSES = (0.0, 1.0, 2.0, 4.0, 8.0)


class Restarts:
    """Says how long to wait before a program is started again, and when to give up."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._clock = clock
        self._since: float | None = None  # running; None while it is being started
        self._quick_failures = 0

    def running(self) -> None:
        """Note that the program does its work from now on."""
        self._since = self._clock()

    def pause(self, reason: str) -> float:
        """Note that the program failed.

        Args:
            reason: what happened, for the message.

        Returns:
            Seconds to wait before it is started again.

        Raises:
            OpsError: it has failed too often, too quickly.
        """
        if self._since is not None and self._clock() - self._since >= _STEADY_SECONDS:
            self._quick_failures = 0
        self._since = None
        if self._quick_failures >= len(_PAUSES):
            raise OpsError(
                f"{self._name} failed {self._quick_failures + 1} times in a row, each time within "
                f"{_STEADY_SECONDS:.0f} seconds of its start, so it is not started again. {reason}"
            )
        self._quick_failures += 1
        return _PAUSES[self._quick_failures - 1]


class Watch:
    """Tells a hang-up from a moment's trouble: something must be wrong at every look for a while.

    Args:
        look: says what is wrong, or None. Is called every `every` seconds.
        patience: seconds that something may be wrong.
    """

    def __init__(
        self,
        look: Callable[[], str | None],
        every: float,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._every = every
        self._patience = patience
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Begin anew: what was watched has just been started."""
        self._next = self._clock() + self._every
        self._wrong_since: float | None = None

    def verdict(self) -> str | None:
        """What has been wrong for too long, or None; looks only when it is time to."""
        if self._clock() < self._next:
            return None
        begin = self._clock()
        wrong = self._look()
        self._next = self._clock() + self._every
        if wrong is None:
            self._wrong_since = None
            return None
        if self._wrong_since is None:
            self._wrong_since = begin
        return wrong if self._clock() - self._wrong_since >= self._patience else None


class Supervised(Protocol):
    """What `Supervisor` keeps alive: `service.Service`."""

    def torchserve_trouble(self) -> str | None:
        """Why TorchServe cannot go on (it ended), or None."""

    def edge_trouble(self) -> str | None:
        """Why the edge cannot go on (it ended), or None."""

    def workers_trouble(self) -> str | None:
        """What is wrong with a TorchServe that runs: it hangs, or a node has lost its worker."""

    def restart_torchserve(self) -> None:
        """Start TorchServe again and wait until a picture has been judged.

        Raises:
            OpsError: it did not come up.
        """

    def start_models(self) -> None:
        """Load what the page and the API do not need.

        Raises:
            OpsError: it could not be loaded.
        """

    def restart_edge(self) -> None:
        """Start the edge again."""

    def ensure_probe(self) -> None:
        """Start the process that keeps readiness, if it has ended."""

    def renew_tokens(self) -> None:
        """Renew the tokens if it is time to.

        Raises:
            OpsError: it could not be done; there is time to try again.
        """


class Supervisor:
    """The loop that mends a service."""

    def __init__(
        self,
        service: Supervised,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._say = say
        self._clock = clock
        self._edge = Restarts("The edge", clock)
        self._torchserve = Restarts("TorchServe", clock)
        self._watch = Watch(service.workers_trouble, every=10.0, patience=60.0, clock=clock)
        self._renewal_failed = ""

    def run(self) -> None:
        """Mend whatever fails, for ever.

        Raises:
            OpsError: something fails again and again.
        """
        self.begin()
        while True:
            self.tick()
            time.sleep(_TICK_SECONDS)

    def begin(self) -> None:
        """Note that everything runs from now on."""
        self._edge.running()
        self._torchserve.running()
        self._watch.reset()

    def tick(self) -> None:
        """Look once, and mend what is broken."""
        self._mend_edge()
        trouble = self._service.torchserve_trouble() or self._watch.verdict()
        if trouble is not None:
            self._mend_torchserve(trouble)
        self._service.ensure_probe()
        self._renew_tokens()

    def _mend_edge(self) -> None:
        trouble = self._service.edge_trouble()
        if trouble is None:
            return
        pause = self._edge.pause(trouble)
        self._say(f"{trouble} Starting it again ...")
        time.sleep(pause)
        self._service.restart_edge()
        self._edge.running()

    def _mend_torchserve(self, trouble: str) -> None:
        begin = self._clock()
        while True:
            pause = self._torchserve.pause(trouble)
            self._say(f"{trouble} Starting TorchServe again ...")
            time.sleep(pause)
            self._mend_edge()  # it says that the service is not ready while it is not
            try:
                self._service.restart_torchserve()
                self._say(f"The service judges again after {self._clock() - begin:.0f} seconds.")
                self._service.start_models()
            except OpsError as error:
                trouble = str(error)
                continue
            break
        self._torchserve.running()
        self._watch.reset()

    def _renew_tokens(self) -> None:
        try:
            self._service.renew_tokens()
            self._renewal_failed = ""
        except OpsError as error:
            if str(error) != self._renewal_failed:  # tried again with each tick: say it once
                self._renewal_failed = str(error)
                self._say(f"warning: the tokens could not be renewed yet: {error}")
