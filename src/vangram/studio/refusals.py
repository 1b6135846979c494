"""Refused requests: status and message."""

from __future__ import annotations

from starlette.exceptions import HTTPException

from vangram.errors import InputError, OutputError, VangramError


class Refused(HTTPException):
    """A request that is refused; its text is one line that says what to do.

    Args:
        status: of the answer.
        message: one line.
        kind: class of the error, where one of the program's own is the reason.
    """

    def __init__(self, status: int, message: str, kind: str = "HTTPError") -> None:
        super().__init__(status, message)
        self.kind = kind


def missing(what: str) -> Refused:
    """Refusal: there is no object with that id."""
    return Refused(404, f"there is no {what}; it may have been removed")


def conflict(message: str) -> Refused:
    """Refusal: the state does not allow it."""
    return Refused(409, message)


def status_of(error: VangramError) -> int:
    """HTTP status of one of our errors: 507 for outputs, 422 for other inputs, 500 for the rest."""
    if isinstance(error, OutputError):
        return 507
    return 422 if isinstance(error, InputError) else 500


def body_of(message: str, kind: str) -> dict[str, dict[str, str]]:
    """The body of every refusal."""
    return {"error": {"message": message, "kind": kind}}
