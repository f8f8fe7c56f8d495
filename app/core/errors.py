"""Four kinds of refusal. Rooms raise them; only doors know which HTTP status each becomes."""


class Refusal(Exception):
    """Something the caller asked for will not happen, for a reason he can be told.

    `code` is stable and public: the JSON doors answer it, the docs list it. Declare a subclass
    beside the function that raises it. The message is for people and never holds a secret;
    `path` names the field it is about, if it is about one.
    """

    code = "refused"

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class Invalid(Refusal):
    """The input is wrong in itself, whatever the state of the books."""

    code = "invalid"


class NotFound(Refusal):
    """There is no such row, or it is somebody else's: the two are never told apart."""

    code = "not_found"


class Conflict(Refusal):
    """The input is fine, but the state does not allow it now."""

    code = "conflict"


class Unavailable(Refusal):
    """Something outside did not answer; the same request may work later."""

    code = "unavailable"
