"""Who signs up has a sandbox of his own and comes back to it with his password."""

import os
from itertools import count

import pytest
from flask import Flask
from sqlalchemy import Engine, select

from app.core.db import begin
from app.core.language import Language
from app.identity.models import User
from tests.web.conftest import PASSWORD, Browser, add_user

_SERIAL = count(1)


def form_of(email: str) -> dict[str, str]:
    return {"email": email, "company": "Lumen AI", "password": PASSWORD}


@pytest.fixture
def email() -> str:
    return f"newcomer-{os.getpid()}-{next(_SERIAL)}@lumen.example"


def test_who_signs_up_is_at_his_dashboard(visitor: Browser, email: str) -> None:
    visitor.read_token()

    answer = visitor.post("/signup", form_of(email))

    assert (answer.status_code, answer.location) == (302, "/merchant")
    assert "Lumen AI" in visitor.text("/merchant")


def test_who_signed_up_comes_back_with_his_password(
    web_app: Flask, visitor: Browser, email: str
) -> None:
    visitor.read_token()
    visitor.post("/signup", form_of(email))
    later = Browser(web_app.test_client(), web_app)
    later.read_token()

    answer = later.post("/signin", form_of(email))

    assert (answer.status_code, answer.location) == (302, "/merchant")
    assert "Lumen AI" in later.text("/merchant")


def test_the_language_of_the_pages_is_that_of_his_mails(
    visitor: Browser, engine: Engine, email: str
) -> None:
    def languages() -> list[Language]:
        with begin(engine, None) as session:
            return list(session.scalars(select(User.language).where(User.email == email)))

    visitor.read_token()
    visitor.post("/signup", form_of(email), headers={"Accept-Language": "en"})
    assert languages() == [Language.EN]

    visitor.read_token()
    visitor.post("/language", {"language": "zh", "back": "/"})

    assert languages() == [Language.ZH_HANS_CN]


def test_a_wrong_password_opens_nothing(visitor: Browser, engine: Engine, email: str) -> None:
    with begin(engine, None) as session:
        add_user(session, email)
    visitor.read_token()

    answer = visitor.post("/signin", {"email": email, "password": PASSWORD.upper()})

    assert answer.status_code == 422
    assert visitor.get("/merchant").status_code == 302


def test_an_operator_signs_in_to_his_own_pages(
    visitor: Browser, engine: Engine, email: str
) -> None:
    with begin(engine, None) as session:
        add_user(session, email, is_operator=True)
    visitor.read_token()

    answer = visitor.post("/signin", {"email": email, "password": PASSWORD})

    assert (answer.status_code, answer.location) == (302, "/admin")


def test_signing_in_makes_a_token_of_before_worthless(visitor: Browser, email: str) -> None:
    visitor.read_token()
    before = visitor.token
    visitor.post("/signup", form_of(email))

    assert visitor.post("/signout", {"csrf_token": before}).status_code == 400
