"""The one tree of errors: each says what is wrong, with which thing, and what to do next."""


class KeptError(Exception):
    """Anything Kept refuses or fails to do. `exit_status` is what a command ends with, `status` what a page answers."""

    exit_status = 1
    status = 500

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class CheckFailed(KeptError):
    """A check says no: the ledger does not verify, the map has drifted, a promise is broken."""

    status = 409


class WaitsForPerson(KeptError):
    """Nothing is wrong; the next move is a person's: an approval, a decision, a review."""

    status = 409


class Conflict(KeptError):
    """Someone else did, or is doing, what was asked: a lease is held, a state has moved on."""

    status = 409


class BadInput(KeptError):
    """What was given cannot be used as it is."""

    exit_status = 2
    status = 400


class NotFound(BadInput):
    """The thing that was named is not here."""

    status = 404


class TooMuch(BadInput):
    """A limit of size, number or rate was passed."""

    status = 429


class ConfigurationError(BadInput):
    """`kept.yaml`, a key or the environment does not say what Kept needs."""

    status = 500


class Unreachable(KeptError):
    """A store or a service did not answer. Nothing was lost; the same command goes on where it stopped."""

    exit_status = 3
    status = 503
