"""An API key is shown once, proves itself under its own merchant, and dies at once (A9)."""

import pytest
from sqlalchemy.orm import Session

from app.core.db import merchant_of
from app.core.errors import Invalid
from app.core.ids import show_merchant
from app.identity import keys
from app.identity.models import Mode, Scope
from tests.make import NOON

PEPPER = b"p" * 32


def create(session: Session) -> tuple[int, str]:
    key, text = keys.create_key(
        session, "Backend", scopes=[Scope.USAGE_WRITE], pepper=PEPPER, now=NOON
    )
    return key.id, text


def test_a_key_has_the_form_of_the_guide_and_names_its_merchant(session: Session) -> None:
    _, text = create(session)

    head, _, secret = text.partition(".")
    assert head.startswith("bm_sandbox_")
    assert len(head) == len("bm_sandbox_AbCd1234")
    assert secret.startswith(show_merchant(merchant_of(session)))


def test_a_key_proves_itself(session: Session) -> None:
    key_id, text = create(session)

    claim = keys.read_claim(text)
    key, merchant = keys.authenticate(session, claim, pepper=PEPPER, now=NOON)

    assert (key.id, claim.mode, key.last_used_at) == (key_id, Mode.SANDBOX, NOON)
    assert merchant.merchant_id == merchant_of(session)


def test_a_revoked_key_is_refused_on_the_next_request(session: Session) -> None:
    key_id, text = create(session)
    keys.revoke_key(session, key_id, now=NOON)

    with pytest.raises(keys.UnknownKey):
        keys.authenticate(session, keys.read_claim(text), pepper=PEPPER, now=NOON)


@pytest.mark.parametrize("change", [str.lower, str.upper, lambda t: t + "\n", lambda t: t[:-1]])
def test_a_changed_key_is_refused(session: Session, change: type) -> None:
    _, text = create(session)

    with pytest.raises(keys.UnknownKey):
        keys.authenticate(session, keys.read_claim(change(text)), pepper=PEPPER, now=NOON)


def test_the_last_character_counts(session: Session) -> None:
    _, text = create(session)
    other = text[:-1] + ("a" if text[-1] != "a" else "b")

    with pytest.raises(keys.UnknownKey):
        keys.authenticate(session, keys.read_claim(other), pepper=PEPPER, now=NOON)


def test_a_key_needs_a_name_and_a_scope(session: Session) -> None:
    for name, scopes in [
        ("", [Scope.USAGE_WRITE]),
        ("Backend", []),
        ("a\x00b", [Scope.USAGE_READ]),
    ]:
        with pytest.raises(Invalid):
            keys.create_key(session, name, scopes=scopes, pepper=PEPPER, now=NOON)


def test_a_claim_shows_no_secret() -> None:
    text = "bm_live_AbCd1234." + "0" * 11 + "S" * 32

    assert "S" * 32 not in repr(keys.read_claim(text))
