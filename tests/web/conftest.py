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
from flask import session as cookie
from flask.testing import FlaskClient
from flask_wtf.csrf import generate_csrf
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.config import Settings
from app.core import clock
from app.core.db import begin
from app.core.ids import new_merchant_id
from app.extensions import db, runtime
from app.factory import create_app
from app.identity import accounts, passwords
from app.identity.models import DirectoryEntry, DirectoryKind, User
from app.pricing import metrics
from app.web import access
from tests.conftest import Databases

PASSWORD = "correct horse battery staple"
PASSWORD_HASH = passwords.hash_password(PASSWORD)  # once: it is made to be slow
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


@pytest.fixture(scope="session")
def sign_up(web_app: Flask, engine: Engine) -> Callable[..., Browser]:
    """Make what a merchant has who signed up, and return the browser he is signed in with."""

    def sign_up(company: str = "Lumen AI") -> Browser:
        merchant_id, now = new_merchant_id(), clock.now()
        with begin(engine, merchant_id) as session:
            user = add_user(session, f"owner-{os.getpid()}-{next(_SERIAL)}@lumen.example")
            accounts.open_sandbox(session, user, company, merchant_id=merchant_id, now=now)
            metrics.make_built_in(session, now=now)
        return signed_in(web_app, user, merchant_id)

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
        user = add_user(session, email, is_operator=True)
    return signed_in(web_app, user, None)


def add_user(session: Session, email: str, *, is_operator: bool = False) -> User:
    """Add a user who knows PASSWORD, without the work of hashing it once more."""
    user = User(
        email=email, password_hash=PASSWORD_HASH, is_operator=is_operator, created_at=clock.now()
    )
    session.add(user)
    session.flush()  # the directory entry names the user's id
    session.add(DirectoryEntry(kind=DirectoryKind.EMAIL, key=email, target_id=user.id))
    return user


def signed_in(app: Flask, user: User, merchant_id: int | None) -> Browser:
    """Return a browser that holds what signing in leaves in it: cookie and CSRF token."""
    browser = Browser(app.test_client(), app, merchant_id or 0)
    # An address of its own, so that a long run is not one visitor who asks too often.
    browser.client.environ_base["REMOTE_ADDR"] = str(IPv4Address("127.1.0.0") + next(_SERIAL))
    with app.test_request_context():
        access.sign_in(user, merchant_id)
        browser.token = generate_csrf()
        kept = dict(cookie)
    with browser.client.session_transaction() as own:
        own.update(kept)
    return browser
