"""What a URL of the browser's door is: path, view, and who it is for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.web.access import Access

PUBLIC, OPERATOR = Access.PUBLIC, Access.OPERATOR


@dataclass(frozen=True)
class Route:
    rule: str
    view: Callable[..., Any]
    access: Access
    name: str = ""
    method: str = "GET"

    @property
    def endpoint(self) -> str:
        return self.name or self.view.__name__


def get(rule: str, view: Callable[..., Any], *, name: str = "") -> Route:
    """Return a page for merchants, which changes nothing."""
    return Route(rule, view, Access.MERCHANT, name)


def post(rule: str, view: Callable[..., Any], *, name: str = "") -> Route:
    """Return what merchants do."""
    return Route(rule, view, Access.MERCHANT, name, method="POST")
