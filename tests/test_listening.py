"""`flask listen` hands each event of a sandbox to a developer's server once, signed."""

from collections.abc import Callable, Sequence

import httpx
import pytest
from standardwebhooks import Webhook

from app.cli import listening
from app.cli.listening import ApiSource, Listener, Told
from app.webhooks.signing import new_secret
from tests.webhooks.builders import headers_of
from tests.webhooks.conftest import Receiver, answer, receiving

SECRET = new_secret()


def event(number: int, event_type: str = "invoice.paid") -> Told:
    return Told(f"msg_{number:013}", event_type, f'{{"number":{number}}}')


class Book:
    """A source with a memory, in the order of the ids, as the API's."""

    def __init__(self, *told: Told) -> None:
        self.told = list(told)

    def read(self, after: str) -> Sequence[Told]:
        ordered = sorted(self.told, key=lambda one: one.id)
        if not after:
            return ordered[-listening.PAGE :]
        return [one for one in ordered if one.id > after][: listening.PAGE]


@pytest.fixture
def said() -> list[str]:
    return []


def listen(receiver: Receiver, book: Book, say: Callable[[str], None]) -> Listener:
    listener = Listener(book, receiver.url, SECRET, say=say, client=httpx.Client(timeout=2))
    listener.begin()
    return listener


def numbers(receiver: Receiver) -> list[bytes]:
    return [request.split(b"\r\n\r\n", 1)[1] for request in receiver.requests]


def test_what_is_new_arrives_signed_and_its_answer_is_printed(said: list[str]) -> None:
    with receiving() as receiver:
        book = Book(event(1))
        listener = listen(receiver, book, said.append)
        book.told.append(event(2))

        assert listener.poll() == 1
        assert listener.poll() == 0

        (request,) = receiver.requests
    headers = {name.lower(): value for name, value in headers_of(request).items()}
    body = request.split(b"\r\n\r\n", 1)[1]
    assert Webhook(SECRET).verify(body, headers) == {"number": 2}
    assert headers["webhook-id"] == event(2).id
    assert "invoice.paid" in said[0]
    assert headers["webhook-signature"] in said[1]
    assert "200" in said[2]


def test_an_event_that_appears_after_a_younger_one_is_not_missed(said: list[str]) -> None:
    with receiving() as receiver:
        book = Book(event(1))
        listener = listen(receiver, book, said.append)
        book.told.append(event(3))
        listener.poll()
        book.told.append(event(2))
        listener.poll()

        assert numbers(receiver) == [b'{"number":3}', b'{"number":2}']


def test_a_burst_longer_than_a_page_arrives_whole(said: list[str]) -> None:
    with receiving() as receiver:
        book = Book()
        listener = listen(receiver, book, said.append)
        book.told = [event(number) for number in range(250)]
        listener.begin()
        book.told += [event(number) for number in range(250, 480)]

        assert listener.poll() == 230
        assert listener.poll() == 0


def test_only_what_was_asked_for_is_forwarded(said: list[str]) -> None:
    with receiving() as receiver:
        book = Book(event(1))
        listener = listen(receiver, book, said.append)
        listener.only = frozenset({"invoice.paid"})
        book.told += [event(2, "invoice.voided"), event(3)]

        assert listener.poll() == 1


def test_a_server_that_is_down_is_said_and_not_fatal(said: list[str]) -> None:
    with receiving() as receiver:
        book = Book(event(1))
        listener = listen(receiver, book, said.append)
        receiver.script = answer(b"")
        book.told.append(event(2))

        assert listener.poll() == 1

    assert "no answer" in said[-1]


def test_the_api_is_read_page_by_page() -> None:
    asked = []

    def reply(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json={"data": [{"id": "msg_1", "type": "t", "body": "{}"}]})

    client = httpx.Client(base_url="http://api", transport=httpx.MockTransport(reply))

    assert ApiSource(client).read("msg_0") == [Told("msg_1", "t", "{}")]
    assert asked == ["http://api/api/v1/webhook-events?limit=100&after=msg_0"]
