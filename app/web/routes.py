"""Every URL of the browser's door, on one page: path, view, and who it is for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, request

from app.core.errors import Refusal
from app.web import accounts, errors, health
from app.web.access import Access, guard

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


ROUTES = (
    Route("/", accounts.landing, PUBLIC),
    Route("/signup", accounts.signup, PUBLIC),
    Route("/signup", accounts.create_account, PUBLIC, method="POST"),
    Route("/signin", accounts.signin, PUBLIC),
    Route("/signin", accounts.create_session, PUBLIC, method="POST"),
    Route("/signout", accounts.signout, PUBLIC, method="POST"),
    Route("/language", accounts.set_language, PUBLIC, method="POST"),
    Route("/healthz", health.healthz, PUBLIC),
    Route("/readyz", health.readyz, PUBLIC),
    Route("/metrics", health.metrics, PUBLIC),
)


def blueprint() -> Blueprint:
    """Return the door with every route behind its guard."""
    door = Blueprint("web", __name__)
    access = {}
    for route in ROUTES:
        access[f"web.{route.endpoint}"] = route.access
        door.add_url_rule(route.rule, route.endpoint, route.view, methods=[route.method])
    door.before_request(lambda: guard(access[str(request.endpoint)]))
    door.register_error_handler(Refusal, errors.answer_refusal)
    return door
