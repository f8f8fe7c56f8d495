"""A browser without a screen: the app's test client, signed up as a fresh merchant."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import count
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from app.config import Settings
from app.core import clock
from app.core.db import begin
from app.extensions import db, runtime
from app.factory import create_app
from app.identity import accounts
from app.identity.models import DirectoryEntry, DirectoryKind
from tests.conftest import Databases

PASSWORD = "correct horse battery staple"
PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}

_TOKEN = re.compile(r'name="csrf-token" content="([^"]+)"')
_SERIAL = count(1)


@dataclass
class Browser:
    """One browser. `post` sends the CSRF token that the pages carry."""

    client: FlaskClient
    app: Flask
    merchant_id: int = 0
    token: str = ""

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, **options)

    def text(self, path: str, **options: Any) -> str:
        """Return the page of a GET that must succeed."""
        answer = self.get(path, **options)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, path: str, form: dict[str, Any] | None = None, **options: Any) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self.token} | (form or {}), **options)

    def read_token(self) -> None:
        """Take the CSRF token from a page that everybody may see."""
        found = _TOKEN.search(self.text("/"))
        assert found
        self.token = found[1]


@pytest.fixture(scope="session")
def web_app(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Make the whole application, on this worker's database."""
    app = create_app(
        Settings(
            app_database_url=databases.app,
            reader_database_url=databases.reader,
            redis_url=os.environ["REDIS_URL"],
            instance_dir=tmp_path_factory.mktemp("instance"),
            webhook_allow_loopback=True,
        )
    )
    yield app
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()
        runtime().redis.close()


@pytest.fixture
def visitor(web_app: Flask) -> Browser:
    """Return a browser nobody signed in with."""
    return Browser(web_app.test_client(), web_app)


@pytest.fixture
def sign_up(web_app: Flask, engine: Engine) -> Callable[..., Browser]:
    """Sign up a fresh merchant and return the browser that did it."""

    def sign_up(company: str = "Lumen AI") -> Browser:
        browser = Browser(web_app.test_client(), web_app)
        # An address of its own, so that a long run is not one visitor who signs up too often.
        browser.client.environ_base["REMOTE_ADDR"] = str(IPv4Address("127.1.0.0") + next(_SERIAL))
        browser.read_token()
        email = f"owner-{os.getpid()}-{next(_SERIAL)}@lumen.example"
        form = {"email": email, "company": company, "password": PASSWORD}
        answer = browser.post("/signup", form)
        assert answer.status_code == 302, answer.text
        browser.read_token()  # signing in starts a new session, and the token is the session's
        with begin(engine, None) as session:
            entry = session.get_one(DirectoryEntry, (DirectoryKind.EMAIL, email))
            (browser.merchant_id,) = accounts.merchants_of(session, entry.target_id)
        return browser

    return sign_up


@pytest.fixture
def browser(sign_up: Callable[..., Browser]) -> Browser:
    """Return the browser of a fresh merchant's owner."""
    return sign_up()


@pytest.fixture
def operator(web_app: Flask, engine: Engine) -> Browser:
    """Return the browser of somebody who works for the platform."""
    email = f"operator-{os.getpid()}-{next(_SERIAL)}@buffmoney.example"
    with begin(engine, None) as session:
        accounts.register_user(session, email, PASSWORD, is_operator=True, now=clock.now())
    browser = Browser(web_app.test_client(), web_app)
    browser.read_token()
    answer = browser.post("/signin", {"email": email, "password": PASSWORD})
    assert answer.status_code == 302, answer.text
    browser.read_token()
    return browser
