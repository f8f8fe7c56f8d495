"""What the webhooks guide shows is what the sender does: signatures, schedule, events."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core import clock
from app.webhooks import schedule, signing
from app.webhooks.catalogue import EventType
from tests.docs import reading

GUIDE = "webhooks.md"
BODY = '{"id":"msg_0123456789abc","data":{"name":"上海智谱"}}'.encode()
_TYPES = re.compile(r": (?:string|Headers|Promise<boolean>)")
_CHECK = """
const [secret, body, given] = JSON.parse(process.argv[2]);
process.stdout.write(String(await verify(secret, new Headers(given), body)));
"""

Verify = Callable[[str, dict[str, str], bytes], bool]


def message(
    secret: str, *, age: timedelta = timedelta(0), others: tuple[str, ...] = ()
) -> dict[str, str]:
    """Sign the body as the sender does, so long ago."""
    moment = int((clock.now() - age).timestamp())
    secrets = (*others, secret)
    return signing.sign(BODY, secrets=secrets, message_id="msg_0123456789abc", timestamp=moment)


def python_snippet() -> Verify:
    names: dict[str, Any] = {}
    exec(reading.snippet(GUIDE, "Without any dependency"), names)  # noqa: S102  # the guide's text
    verify: Verify = names["verify"]
    return verify


def library_snippet() -> Verify:
    names: dict[str, Any] = {}
    exec(reading.snippet(GUIDE, "With standardwebhooks for Python"), names)  # noqa: S102  # as above

    def verify(secret: str, headers: dict[str, str], body: bytes) -> bool:
        try:
            names["receive"](secret, headers, body)
        except Exception as refusal:  # noqa: BLE001  # its class comes from the snippet's import
            assert type(refusal).__name__ == "WebhookVerificationError"  # noqa: PT017  # any other fails
            return False
        return True

    return verify


def typescript_snippet(folder: Path) -> Verify:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the TypeScript snippet was not executed")
    script = folder / "verify.mjs"
    script.write_text(_TYPES.sub("", reading.snippet(GUIDE, "With WebCrypto")) + _CHECK)

    def verify(secret: str, headers: dict[str, str], body: bytes) -> bool:
        arguments = json.dumps([secret, body.decode(), headers])
        command = [node, str(script), arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        return done.stdout == "true"

    return verify


@pytest.fixture(params=["python", "library", "typescript"])
def verify(request: pytest.FixtureRequest, tmp_path: Path) -> Verify:
    if request.param == "typescript":
        return typescript_snippet(tmp_path)
    return python_snippet() if request.param == "python" else library_snippet()


def test_a_message_of_ours_verifies(verify: Verify) -> None:
    secret = signing.new_secret()

    assert verify(secret, message(secret), BODY)


def test_while_a_secret_is_rolled_either_verifies(verify: Verify) -> None:
    old, new = signing.new_secret(), signing.new_secret()
    headers = message(old, others=(new,))

    assert verify(old, headers, BODY)
    assert verify(new, headers, BODY)


def test_another_body_another_secret_and_an_old_message_do_not(verify: Verify) -> None:
    secret = signing.new_secret()

    assert not verify(secret, message(secret), BODY.replace(b"abc", b"abd"))
    assert not verify(signing.new_secret(), message(secret), BODY)
    assert not verify(secret, message(secret, age=timedelta(seconds=330)), BODY)
    assert not verify(secret, message(secret, age=-timedelta(seconds=330)), BODY)


@pytest.mark.parametrize(
    "broken",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,nonsense v2,more"},
        {"webhook-timestamp": "yesterday"},
    ],
)
def test_nonsense_in_the_headers_is_refused(verify: Verify, broken: dict[str, str]) -> None:
    secret = signing.new_secret()

    assert not verify(secret, message(secret) | broken, BODY)


def test_the_schedule_is_the_senders() -> None:
    (attempts,) = [table for table in reading.tables(GUIDE) if table[0][0] == "1"]
    pauses = [pause for _, pause in attempts]

    assert pauses == ["at once", *(words(delay) for delay in schedule.DELAYS)]
    assert sum(schedule.DELAYS, timedelta()) // timedelta(hours=1) == 75


def words(delay: timedelta) -> str:
    for name, unit in (("hours", 3600), ("minutes", 60), ("seconds", 1)):
        if delay.total_seconds() >= unit:
            return f"{int(delay.total_seconds()) // unit} {name}"
    raise AssertionError(delay)


def test_the_events_are_the_catalogues() -> None:
    (events,) = [table for table in reading.tables(GUIDE) if table[0][0] == "invoice.created"]

    assert {row[0]: row[1] for row in events} == {
        kind.value: kind.description for kind in EventType
    }
