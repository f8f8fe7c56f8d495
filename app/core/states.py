"""A status is a table: which event leads from which status to which, and which events repeat."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from app.core.errors import Conflict

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class IllegalMove(Conflict):
    code = "illegal_state"


@dataclass(frozen=True)
class Machine(Generic[S, E]):
    """The moves of one status column. `after` is the only way to change a status.

    `repeats` names the (status, event) pairs that are a second copy of something already
    applied: `is_repeat` lets the caller answer "done before" instead of refusing.
    """

    noun: str
    moves: Mapping[tuple[S, E], S]
    repeats: frozenset[tuple[S, E]] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        both = self.repeats & self.moves.keys()
        if both:
            raise ValueError(f"{self.noun}: {sorted(both)} both move and repeat")

    def allows(self, status: S, event: E) -> bool:
        return (status, event) in self.moves

    def is_repeat(self, status: S, event: E) -> bool:
        return (status, event) in self.repeats

    def after(self, status: S, event: E) -> S:
        """Return the status `event` leads to. Raises IllegalMove when there is no such move."""
        try:
            return self.moves[status, event]
        except KeyError:
            raise IllegalMove(f"a {self.noun} that is {status} can not {event}") from None
