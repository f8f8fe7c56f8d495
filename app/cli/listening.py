"""`flask listen URL`: hand the events of a sandbox to a developer's own server as they happen."""

import signal
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol

import click
import httpx
import msgspec

from app.core import clock
from app.core.ids import Prefix, find_merchant, read, show
from app.extensions import runtime, transaction
from app.identity import clocks
from app.webhooks import queries, signing

POLL_SECONDS = 1.0
PAGE = 100
OVERLAP = 50
"""Events read again each time: one may appear a moment after younger ones were there."""


class Told(msgspec.Struct):
    """An event, and the very text that is signed and sent."""

    id: str
    type: str
    body: str


class Source(Protocol):
    """Where events come from."""

    def read(self, after: str) -> Sequence[Told]:
        """Return the next PAGE events made after this one; with "" the last PAGE there are."""


@dataclass(frozen=True)
class ApiSource:
    """The API, with a key of a sandbox."""

    client: httpx.Client

    def read(self, after: str) -> Sequence[Told]:
        """Ask the API; one that is away is asked again. Raises ClickException when it refuses."""
        parameters = {"limit": str(PAGE)} | ({"after": after} if after else {})
        try:
            answer = self.client.get("/api/v1/webhook-events", params=parameters)
        except httpx.TransportError as problem:
            click.echo(f"no answer from the API: {problem}", err=True)
            return []
        if answer.status_code != httpx.codes.OK:
            raise click.ClickException(f"the API answered {answer.status_code}: {answer.text}")
        return msgspec.json.decode(answer.content, type=_Page).data


@dataclass(frozen=True)
class LocalSource:
    """The database of the instance this command runs on."""

    merchant_id: int

    def read(self, after: str) -> Sequence[Told]:
        number = read(Prefix.WEBHOOK_EVENT, after) if after else None
        with transaction(self.merchant_id) as session:
            found = queries.list_events(session, after=number, limit=PAGE)
        return [
            Told(show(Prefix.WEBHOOK_EVENT, event.id), event.event_type, event.payload)
            for event in found
        ]


@dataclass
class Listener:
    """Forwards each event once, in the order they were made as far as that can be known."""

    source: Source
    url: str
    secret: str
    say: Callable[[str], None]
    client: httpx.Client
    only: frozenset[str] = frozenset()
    _seen: deque[str] = field(default_factory=lambda: deque(maxlen=4 * PAGE))

    def begin(self) -> None:
        """Take what happened before for known."""
        self._seen.extend(told.id for told in self.source.read(""))

    def poll(self) -> int:
        """Forward what is new, and return how many events that were."""
        forwarded = 0
        after = self._seen[-min(OVERLAP, len(self._seen))] if self._seen else ""
        while True:
            page = self.source.read(after)
            for told in page:
                if told.id in self._seen:
                    continue
                self._seen.append(told.id)
                if not self.only or told.type in self.only:
                    self._forward(told)
                    forwarded += 1
            if len(page) < PAGE:
                return forwarded
            after = page[-1].id

    def _forward(self, told: Told) -> None:
        body, now = told.body.encode(), clock.now()
        headers = signing.sign(
            body, secrets=[self.secret], message_id=told.id, timestamp=int(now.timestamp())
        )
        self.say(f"{now:%H:%M:%S}  {told.type}  {told.id}")
        self.say(f"          {headers['webhook-signature']}")
        began = clock.monotonic()
        try:
            answer = self.client.post(
                self.url, content=body, headers=headers | {"content-type": "application/json"}
            )
        except httpx.HTTPError as problem:
            self.say(f"          → no answer: {problem}")
        else:
            took = round((clock.monotonic() - began) * 1000)
            self.say(f"          → {answer.status_code} in {took} ms")


@click.command("listen")
@click.argument("url")
@click.option("--api-key", envvar="BUFFMONEY_API_KEY", default="", help="A key of a sandbox.")
@click.option("--api-url", default="", help="Whose API; this instance's own when left out.")
@click.option("--merchant", default="", help="Read this instance's database, without a key.")
@click.option("--secret", envvar="BUFFMONEY_WEBHOOK_SECRET", default="", help="Sign with this.")
@click.option("--event", "events", multiple=True, help="Only this type; may be given again.")
@click.pass_context
def listen(  # one parameter an option
    context: click.Context,
    *,
    url: str,
    api_key: str,
    api_url: str,
    merchant: str,
    secret: str,
    events: tuple[str, ...],
) -> None:
    """Forward the events of a sandbox to URL, signed, as they happen. No public URL is needed."""
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter("write it as http://localhost:3000/webhooks", param_hint="URL")
    source = _open_source(context, api_key, api_url, merchant=merchant)
    client = context.with_resource(httpx.Client(timeout=10, trust_env=False))
    secret = secret or signing.new_secret()
    only = frozenset(events)
    listener = Listener(source, url, secret, say=click.echo, client=client, only=only)
    listener.begin()
    click.echo(f"forwarding to {url}, signed with {secret}; Ctrl-C ends it")
    _poll_until_interrupted(listener)


def _poll_until_interrupted(listener: Listener) -> None:
    """Forward what is new every second. Ctrl-C is how it ends, and so is being asked to stop."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    never = Event()
    with suppress(KeyboardInterrupt):
        while not never.wait(POLL_SECONDS):
            listener.poll()


class _Page(msgspec.Struct):
    data: list[Told]


def _open_source(context: click.Context, api_key: str, api_url: str, *, merchant: str) -> Source:
    if merchant:
        return _local_source(merchant)
    if not api_key.startswith("bm_sandbox_"):
        raise click.UsageError("give --api-key with a key of a sandbox, bm_sandbox_…")
    headers = {"Authorization": f"Bearer {api_key}"}
    base_url = api_url or runtime().settings.base_url
    client = httpx.Client(base_url=base_url, headers=headers, timeout=10, trust_env=False)
    return ApiSource(context.with_resource(client))


def _local_source(merchant: str) -> Source:
    merchant_id = find_merchant(merchant)
    if merchant_id is None:
        raise click.BadParameter("this is no merchant's id", param_hint="--merchant")
    with transaction(merchant_id) as session:
        if not clocks.get_merchant(session).is_sandbox:
            raise click.UsageError("only events of a sandbox are forwarded")
    return LocalSource(merchant_id)
