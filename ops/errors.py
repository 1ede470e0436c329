"""The one error of this package."""


class OpsError(Exception):
    """Something an operator can act on: the message is one clear sentence, shown as it is."""
