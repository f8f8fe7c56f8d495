"""Send what is due: claim in bulk by lease, send from threads, complete in bulk.

PostgreSQL is the truth: whoever is killed between sending and completing leaves a lease that
ends, and the message goes out again under the same id. An endpoint has two lanes, here and
everywhere: while anybody holds its lease nobody else sends to it. Endpoints that failed last
have half of the threads at most, so however many of them hang, the others go on at once.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from queue import Empty, SimpleQueue
from time import sleep
from typing import Self

from app.core import clock
from app.core.crypto import Keyring
from app.core.db import Transaction
from app.core.errors import Invalid
from app.webhooks import completing
from app.webhooks.claiming import LEASE, Claimed, Parcel, claim, release
from app.webhooks.completing import Sent
from app.webhooks.guard import check_url
from app.webhooks.sending import Attempt, AttemptError, Line, Sender
from app.webhooks.signing import sign

LANES = 2  # attempts at one endpoint at a time
THREADS = 64
FAILING_THREADS = THREADS // 2
CLAIM_LIMIT = 400  # deliveries held by one drain at a time
BUDGET = timedelta(seconds=20)  # for which a lane may go on: with its last attempt within a lease
GATHER_SECONDS = 0.02  # how long ends are gathered before they are written

Open = Callable[[int], Transaction]
"""Returns the transactions of one merchant."""

if BUDGET + timedelta(seconds=2 * Sender.total_seconds) > LEASE:
    raise ValueError("a lease ends before what is sent under it")


@dataclass(frozen=True, slots=True)
class Tally:
    """What a drain did; `left` was claimed and given back untried."""

    delivered: int = 0
    failed: int = 0
    left: int = 0


@dataclass(slots=True)
class _Batch:
    """What was claimed of one endpoint, and the lanes that empty it."""

    merchant_id: int
    claimed: Claimed
    ends: datetime
    parcels: deque[Parcel]
    lanes: int = 0


@dataclass(frozen=True, slots=True)
class _End:
    """A lane's word: what it sent, or None when it sends nothing more."""

    batch: _Batch
    sent: Sent | None
    problem: Exception | None = None


@dataclass
class Drain:
    """Sends for any number of merchants, from one pool of threads.

    `started` is the real time of the start; all later times run on from it.
    """

    open: Open
    sender: Sender
    keyring: Keyring
    allow_loopback: bool
    started: datetime
    claim_limit: int = CLAIM_LIMIT
    _began: float = field(default_factory=clock.monotonic)
    _ends: SimpleQueue[_End] = field(default_factory=SimpleQueue)
    _busy: Counter[bool] = field(default_factory=Counter)  # threads, by whether they are of failing
    _held: int = 0
    _running: int = 0
    _done: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="webhooks")
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    @property
    def now(self) -> datetime:
        return self.started + timedelta(seconds=clock.monotonic() - self._began)

    @property
    def is_idle(self) -> bool:
        return not self._running

    @property
    def tally(self) -> Tally:
        return Tally(self._done["delivered"], self._done["failed"], self._done["left"])

    def take(self, merchant_id: int, *, failing: bool | None = None) -> int:
        """Claim what is due of one merchant, as far as threads are free, and begin to send it.

        `failing` chooses the endpoints that failed last, or those that did not; None takes both.
        Returns how many deliveries were claimed. Raises Unsealable.
        """
        kinds = (False, True) if failing is None else (failing,)
        return sum(self._take(merchant_id, failing=kind) for kind in kinds)

    def step(self, *, wait_seconds: float) -> None:
        """Write down what has ended, waiting so long for the first end and a moment for more."""
        try:
            ended = [self._ends.get(timeout=wait_seconds)]
        except Empty:
            return
        sleep(GATHER_SECONDS)  # to be woken by each end would cost the lanes more than it saves
        while not self._ends.empty():
            ended.append(self._ends.get())
        self._complete(ended)

    def finish(self) -> Tally:
        """Wait for all lanes to end, and return what was done."""
        while self._running:
            self.step(wait_seconds=1)
        return self.tally

    def _take(self, merchant_id: int, *, failing: bool) -> int:
        room = self._room(failing=failing)
        limit = self.claim_limit - self._held
        if room < LANES or limit <= 0:
            return 0
        with self.open(merchant_id)() as session:
            found = claim(
                session,
                failing=failing,
                endpoints=room // LANES,
                limit=limit,
                keyring=self.keyring,
                now=self.now,
            )
        for claimed in found:
            self._start(merchant_id, claimed, failing=failing)
        return sum(len(claimed.parcels) for claimed in found)

    def _room(self, *, failing: bool) -> int:
        free = THREADS - self._busy[True] - self._busy[False]
        return min(free, FAILING_THREADS - self._busy[True]) if failing else free

    def _start(self, merchant_id: int, claimed: Claimed, *, failing: bool) -> None:
        batch = _Batch(merchant_id, claimed, self.now + BUDGET, deque(claimed.parcels))
        batch.lanes = max(1, min(LANES, len(batch.parcels)))
        self._held += len(batch.parcels)
        self._running += batch.lanes
        self._busy[failing] += batch.lanes
        for _lane in range(batch.lanes):
            self._pool.submit(self._run_lane, batch)

    def _run_lane(self, batch: _Batch) -> None:
        """Send one parcel after the other over one connection, for as long as it answers."""
        try:
            with self.sender.line() as line:
                while self.now < batch.ends and (parcel := _next(batch)) is not None:
                    sent = self._send(line, parcel)
                    self._ends.put(_End(batch, sent))
                    if sent.attempt.status is None:
                        break
        except Exception as problem:  # noqa: BLE001  # raised again in the thread that completes
            self._ends.put(_End(batch, None, problem))
        else:
            self._ends.put(_End(batch, None))

    def _send(self, line: Line, parcel: Parcel) -> Sent:
        at = self.now
        try:
            # Again at every attempt: the rules may be stricter now than when the URL was saved.
            target = check_url(parcel.url, live=parcel.is_live, allow_loopback=self.allow_loopback)
        except Invalid:
            return Sent(parcel, Attempt(error=AttemptError.BLOCKED), at)
        headers = sign(
            parcel.body,
            secrets=parcel.secrets,
            message_id=parcel.message_id,
            timestamp=int(at.timestamp()),
        )
        return Sent(parcel, line.post(target, parcel.body, headers=headers), at)

    def _complete(self, ended: Sequence[_End]) -> None:
        sent: dict[int, list[Sent]] = {}
        over: dict[int, list[Claimed]] = {}
        for end in ended:
            if end.sent is not None:
                sent.setdefault(end.batch.merchant_id, []).append(end.sent)
                self._held -= 1
            elif self._end_lane(end.batch):
                over.setdefault(end.batch.merchant_id, []).append(end.batch.claimed)
        for merchant_id in sent.keys() | over.keys():
            with self.open(merchant_id)() as session:
                completing.complete(session, sent.get(merchant_id, []), now=self.now)
                release(session, over.get(merchant_id, []))
        for one in chain.from_iterable(sent.values()):
            self._done["delivered" if one.attempt.is_delivered else "failed"] += 1
        for end in ended:
            if end.problem is not None:
                raise end.problem

    def _end_lane(self, batch: _Batch) -> bool:
        """Count a lane out, and tell whether it was the last one of its endpoint."""
        self._running -= 1
        self._busy[batch.claimed.is_failing] -= 1
        batch.lanes -= 1
        if not batch.lanes:
            self._held -= len(batch.parcels)
            self._done["left"] += len(batch.parcels)
        return not batch.lanes


def _next(batch: _Batch) -> Parcel | None:
    try:
        return batch.parcels.popleft()
    except IndexError:  # the other lane may take the last one at any moment
        return None
