"""What we sign, any Standard Webhooks verifier accepts; what was changed, none does."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from app.webhooks.signing import new_secret, sign

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "standard_webhooks.json").read_text("utf-8")
)["v1"]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOON_UNIX = 1_795_176_000


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_published_vectors_come_out_byte_for_byte(vector: dict[str, Any]) -> None:
    headers = sign(
        vector["payload"].encode(),
        secrets=[vector["secret"]],
        message_id=vector["webhook-id"],
        timestamp=vector["webhook-timestamp"],
    )

    assert headers == {
        "webhook-id": vector["webhook-id"],
        "webhook-timestamp": str(vector["webhook-timestamp"]),
        "webhook-signature": vector["webhook-signature"],
    }


@given(body=st.text(max_size=200))
def test_the_reference_library_verifies_every_body(body: str) -> None:
    secret = new_secret()

    headers = sign(body.encode(), secrets=[secret], message_id="msg_1", timestamp=NOON_UNIX)

    with time_machine.travel(NOON, tick=False):
        Webhook(secret).verify(body.encode(), headers, json_parse=False)


def test_both_secrets_verify_while_one_replaces_the_other() -> None:
    new, old, foreign = new_secret(), new_secret(), new_secret()

    headers = sign(b"{}", secrets=[new, old], message_id="msg_1", timestamp=NOON_UNIX)

    with time_machine.travel(NOON, tick=False):
        assert Webhook(new).verify(b"{}", headers) == {}
        assert Webhook(old).verify(b"{}", headers) == {}
        with pytest.raises(WebhookVerificationError):
            Webhook(foreign).verify(b"{}", headers)


@given(position=st.integers(0, 10), bit=st.integers(0, 6))
def test_any_flipped_bit_of_the_body_is_noticed(position: int, bit: int) -> None:
    secret = new_secret()
    body = bytearray(b'{"paid":1} ')
    headers = sign(bytes(body), secrets=[secret], message_id="msg_1", timestamp=NOON_UNIX)

    body[position] ^= 1 << bit

    with time_machine.travel(NOON, tick=False), pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(bytes(body), headers)


def test_an_attempt_older_than_five_minutes_is_refused_by_receivers() -> None:
    secret = new_secret()
    headers = sign(b"{}", secrets=[secret], message_id="msg_1", timestamp=NOON_UNIX - 301)

    with time_machine.travel(NOON, tick=False), pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(b"{}", headers)


def test_a_secret_is_32_bytes_and_never_the_same_twice() -> None:
    first, second = new_secret(), new_secret()

    assert first != second
    assert first.startswith("whsec_")
    assert len(first) == len("whsec_") + 44


@pytest.mark.parametrize(("message_id", "secrets"), [("msg.1", [new_secret()]), ("msg_1", [])])
def test_a_dotted_id_or_no_secret_is_a_fault(message_id: str, secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="without dots"):
        sign(b"{}", secrets=secrets, message_id=message_id, timestamp=NOON_UNIX)
