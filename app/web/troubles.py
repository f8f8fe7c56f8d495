"""What wants a merchant's attention."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Trouble:
    """Something to look at, and where."""

    title: str
    text: str
    href: str
