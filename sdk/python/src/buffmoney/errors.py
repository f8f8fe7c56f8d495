"""What can go wrong. `is_transient` says whether the same request may work later."""

from __future__ import annotations

_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = 500
_STILL_RUNNING = "idempotency_key_in_use"


class BuffMoneyError(Exception):
    """Every error of this package."""

    is_transient = False
    retry_after = 0.0
    """How many seconds the server asked to wait."""


class ApiError(BuffMoneyError):
    """The API said no. Go by `code`, which is stable; the message is for people.

    `path` names the field it is about, if it is about one; `request_id` is what support asks for.
    """

    def __init__(self, message: str, *, status: int, code: str, path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.path = path
        self.request_id = ""
        self.is_transient = (
            status == _TOO_MANY_REQUESTS or status >= _SERVER_ERRORS or code == _STILL_RUNNING
        )

    def __str__(self) -> str:
        where = f" at {self.path}" if self.path else ""
        return f"{self.status} {self.code}{where}: {self.message}"


class NoAnswer(BuffMoneyError):
    """No answer came, or none that the API could have given. What was sent may have arrived."""

    is_transient = True


class QueueFull(BuffMoneyError):
    """There was no room for the event in time: it was not taken."""


class Closed(BuffMoneyError):
    """The client was closed."""
