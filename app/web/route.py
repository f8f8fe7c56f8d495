"""What a URL of the browser's door is: path, view, and who it is for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.web.access import Access

PUBLIC, MERCHANT, OPERATOR = Access.PUBLIC, Access.MERCHANT, Access.OPERATOR


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
