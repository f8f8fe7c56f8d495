"""Signing up opens a sandbox at once; a session ends for everybody who holds its cookie."""

from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.core.db import Transaction, begin, merchant_of
from app.core.errors import Invalid
from app.identity import accounts, passwords
from app.identity.accounts import SignedIn
from app.identity.models import Merchant, Mode
from tests.make import NOON, Make

PEPPER = b"p" * 32
PASSWORD = "a few plain words"


def sign_up(session: Session, email: str = "ada@lumen.example") -> Merchant:
    user = accounts.register_user(session, email, PASSWORD, now=NOON)
    merchant_id = session.info["merchant_id"]
    return accounts.open_sandbox(session, user, "Lumen AI", merchant_id=merchant_id, now=NOON)


@pytest.fixture
def empty(engine: Engine) -> Transaction:
    """Open committed transactions of a merchant that does not exist yet."""
    return partial(begin, engine, Make.new_merchant_id())


def test_signing_up_opens_a_sandbox_merchant(empty: Transaction) -> None:
    with empty() as session:
        merchant = sign_up(session, "one@lumen.example")
        session.flush()

        assert (merchant.mode, merchant.name) == (Mode.SANDBOX, "Lumen AI")
        assert merchant.late_window_days == 400


def test_an_address_signs_up_once_whatever_its_case(session: Session) -> None:
    accounts.register_user(session, "Two@Lumen.Example", PASSWORD, now=NOON)

    with pytest.raises(accounts.EmailTaken):
        accounts.register_user(session, "two@lumen.example ", PASSWORD, now=NOON)


@pytest.mark.parametrize(
    "email", ["", "ada", "ada@", "a@b@c.de", "ada@lumen.example\r\nBcc: x@y.z"]
)
def test_what_is_no_address_is_refused(session: Session, email: str) -> None:
    with pytest.raises(Invalid):
        accounts.register_user(session, email, PASSWORD, now=NOON)


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "x" * 129, "grace-hopper-2026"])
def test_a_weak_password_is_refused(session: Session, password: str) -> None:
    with pytest.raises(passwords.WeakPassword):
        accounts.register_user(session, "grace@lumen.example", password, now=NOON)


def test_only_the_right_password_signs_in(session: Session) -> None:
    user = accounts.register_user(session, "three@lumen.example", PASSWORD, now=NOON)

    assert accounts.check_credentials(session, "THREE@lumen.example", PASSWORD) is user
    for email, password in [("three@lumen.example", "wrong"), ("nobody@lumen.example", PASSWORD)]:
        with pytest.raises(accounts.WrongCredentials):
            accounts.check_credentials(session, email, password)


def a_session(session: Session, email: str) -> str:
    user = accounts.register_user(session, email, PASSWORD, now=NOON)
    token = accounts.begin_session(
        session, user, merchant_id=merchant_of(session), agent="Firefox", pepper=PEPPER, now=NOON
    )
    session.flush()
    return token


def find(session: Session, token: str, *, now: datetime) -> SignedIn | None:
    return accounts.find_session(
        session, token, merchant_id=merchant_of(session), pepper=PEPPER, now=now
    )


def test_a_session_is_found_by_its_secret_until_it_ends(session: Session) -> None:
    token = a_session(session, "four@lumen.example")

    found = find(session, token, now=NOON)
    accounts.end_session(session, token, pepper=PEPPER)

    assert found is not None
    assert found.email == "four@lumen.example"
    assert found.merchant is not None
    assert found.merchant.merchant_id == merchant_of(session)
    assert found.merchant.is_sandbox
    assert find(session, token, now=NOON) is None


def test_a_session_ends_when_idle_and_at_the_latest_after_twelve_hours(session: Session) -> None:
    token = a_session(session, "five@lumen.example")

    assert find(session, token, now=NOON + timedelta(hours=7)) is not None
    assert find(session, token, now=NOON + timedelta(hours=11, minutes=59)) is not None
    assert find(session, token, now=NOON + timedelta(hours=12)) is None


def test_an_idle_session_is_over(session: Session) -> None:
    token = a_session(session, "six@lumen.example")

    late = NOON + timedelta(hours=8)

    assert find(session, token, now=late) is None


def test_a_session_is_found_for_its_own_merchant_only(session: Session) -> None:
    token = a_session(session, "seven@lumen.example")

    ask = partial(accounts.find_session, session, token, pepper=PEPPER, now=NOON)

    assert ask(merchant_id=Make.new_merchant_id()) is None
    assert ask(merchant_id=None) is None
