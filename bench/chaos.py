"""Chaos: every process but the channels' own is killed, again and again, while money moves.

Buyers pay, pay twice, and get refunds; one child after the other is killed with SIGKILL at a step
of the chain that somebody is at just then. As many different pairs of child and step are struck as
there are kills. When all has settled, three books have to agree: what the merchant was told, what
the channels did, what we wrote (`bench.three_books`).
"""

import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random, SystemRandom
from threading import Event
from typing import Any

import httpx
from sqlalchemy import NullPool, create_engine

from app.config import Settings, simulator_set
from app.core import clock
from app.core.db import Transaction, begin
from app.core.ids import new_merchant_id
from app.identity import accounts, keys
from app.identity.models import Scope
from app.webhooks.catalogue import SUBSCRIBABLE
from bench.buyers import Acknowledged, Buyer, Merchant
from bench.product import Product
from bench.receiver import Received, receiving
from bench.three_books import ChannelsBook, OurBooks, Verdict, compare, slowest_credit_s
from bench.under_way import Step, UnderWay

KILLS = 30
CHILDREN = ("web", "worker", "webhooks", "documents", "ticker", "valkey", "postgres")
"""All but the simulator, which plays the world outside and keeps its book."""

BUYERS = 6
PACE = "10"
"""How much faster than the real ones the simulator's channels repeat notices and pay refunds."""

AIM_SECONDS = 10
"""For which a kill waits until somebody is at its step."""

BACK_SECONDS = 60
SETTLE_SECONDS = 240
"""Longer than every lease: a mail of a worker that died waits two minutes."""

QUIET_SECONDS = 6


@dataclass
class Struck:
    """Kills by child and by the steps that were under way, and what came of each."""

    children: Counter[str] = field(default_factory=Counter)
    steps: Counter[Step] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)
    peak_mb: float = 0.0


@dataclass(frozen=True)
class Play:
    """All that a run needs while it runs."""

    product: Product
    transaction: Transaction
    merchant: Merchant
    told: Acknowledged
    received: Received
    under_way: UnderWay
    chance: Random

    def verdict(self) -> Verdict:
        """Compare the three books as they are now."""
        folder = self.product.folder
        ours = OurBooks.read(self.transaction, folder)
        channels = ChannelsBook.read(folder)
        found = compare(self.told, channels, ours, messages=self.received.messages())
        changed = [f"a message that changed: {each}" for each in sorted(self.received.changed)]
        return Verdict(found.lost, [*found.doubled, *changed])


def run(
    *, rounds: int, scale: float, seed: int | None = None, kills: int | None = None
) -> dict[str, Any]:
    """Kill 30 times; nothing that was acknowledged may be lost, and nothing happen twice."""
    del rounds  # each kill is one
    drawn = SystemRandom().randrange(10_000) if seed is None else seed
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends us ends it all
    product = Product(SIMULATOR_TIME_SCALE=PACE, WEB_CONCURRENCY="2")
    try:
        product.start_and_wait()
        product.wait_until(product.is_whole, BACK_SECONDS)
        with _opened(product, Random(drawn)) as play:  # noqa: S311  # an order, no secret
            struck = _buy_and_kill(play, kills or max(1, int(KILLS * scale)))
            verdict, settled_s = _settle(play)
            return {"name": "chaos", "seed": drawn} | _report(
                play, struck, verdict, settled_s=settled_s
            )
    finally:
        product.end()


@contextmanager
def _opened(product: Product, chance: Random) -> Iterator[Play]:
    """Open a merchant with a key, and a server of his that takes his webhooks."""
    settings = Settings.from_environ({"INSTANCE_DIR": str(product.folder)})
    engine = create_engine(settings.app_database_url, poolclass=NullPool)  # it is killed, too
    merchant_id = new_merchant_id()
    transaction = partial(begin, engine, merchant_id)
    with transaction() as session:
        now = clock.now()
        user = accounts.register_user(session, "owner@lumen.example", "not kept by anyone", now=now)
        accounts.open_sandbox(session, user, "Lumen AI", merchant_id=merchant_id, now=now)
        _, key = keys.create_key(
            session, "Server", scopes=set(Scope), pepper=settings.pepper, now=now
        )
    told, received, under_way = Acknowledged(), Received(), UnderWay()
    url = f"http://127.0.0.1:{product.port}"
    with receiving(received, under_way) as hooks, closing(Merchant(url, key, told)) as merchant:
        wanted = {"url": hooks, "eventTypes": list(SUBSCRIBABLE)}
        merchant.post("/webhook-endpoints", "hooks", wanted)
        yield Play(product, transaction, merchant, told, received, under_way, chance)


def _buy_and_kill(play: Play, kills: int) -> Struck:
    stop, struck = Event(), Struck()
    with ThreadPoolExecutor(BUYERS) as crowd:
        at_work = [crowd.submit(buyer.buy_until, stop) for buyer in _buyers(play)]
        try:
            for number, (child, step) in enumerate(_aims(play.chance, kills), 1):
                seconds = _kill(play, child, step, struck=struck)
                _say(f"{number:3} {child:>9} while {step:<10} back in {seconds:.1f} s")
        except BaseException:
            play.merchant.give_up()
            raise
        finally:
            stop.set()
        for buyer in at_work:
            buyer.result()
    return struck


def _buyers(play: Play) -> list[Buyer]:
    settings = Settings.from_environ({"INSTANCE_DIR": str(play.product.folder)})
    till = httpx.URL(simulator_set(settings)["payer_url"]).join("/")
    return [
        Buyer(
            f"buyer-{number}",
            play.merchant,
            customer_id=_add_customer(play, f"customer-{number}"),
            till=till,
            told=play.told,
            under_way=play.under_way,
            chance=Random(play.chance.random()),  # noqa: S311  # an order, no secret
        )
        for number in range(BUYERS)
    ]


def _add_customer(play: Play, external_id: str) -> str:
    body = {"externalId": external_id, "name": "Buyer", "email": f"{external_id}@buyer.example"}
    customer = play.merchant.post("/customers", external_id, body)
    play.told.customers.append(external_id)
    return str(customer["id"])


def _aims(chance: Random, kills: int) -> Iterator[tuple[str, Step]]:
    """Yield whom to kill and when: every child and every step in turn, no pair twice in 49."""
    children, steps = chance.sample(CHILDREN, len(CHILDREN)), chance.sample([*Step], len(Step))
    for number in range(kills):
        turn, place = divmod(number, len(children))
        yield children[place], steps[(place + turn) % len(steps)]


def _kill(play: Play, child: str, step: Step, *, struck: Struck) -> float:
    """Kill a child with its own while somebody is at `step`; return the seconds of its recovery.

    It is back when it runs again and a write that was sent after the kill was acknowledged.
    """
    product = play.product
    play.under_way.wait_for(step, AIM_SECONDS)
    time.sleep(play.chance.uniform(0, 0.05))
    struck.steps.update(play.under_way.now())
    struck.children[child] += 1
    started = clock.monotonic()
    killed = product.kill(child, with_its_own=True)
    _add_customer(play, f"{child}-{struck.children.total()}")
    product.wait_until(lambda: product.child(child) not in {0, killed}, BACK_SECONDS)
    seconds = clock.monotonic() - started
    struck.recoveries.append(seconds)
    struck.peak_mb = max(struck.peak_mb, product.memory_mb())
    product.wait_until(product.is_whole, BACK_SECONDS)
    time.sleep(play.chance.uniform(0.5, 2.5))
    return seconds


def _settle(play: Play) -> tuple[Verdict, float]:
    """Wait until nothing is missing any more, or for SETTLE_SECONDS; then look once more."""
    started, said = clock.monotonic(), 0
    while (left := play.verdict().lost) and clock.monotonic() < started + SETTLE_SECONDS:
        if len(left) != said:
            _say(f"    settling: {len(left)} left, as {left[0]}")
        said = len(left)
        time.sleep(1)
    seconds = clock.monotonic() - started
    time.sleep(QUIET_SECONDS)  # what would come twice has the time to come
    return play.verdict(), seconds


def _report(play: Play, struck: Struck, verdict: Verdict, *, settled_s: float) -> dict[str, Any]:
    for kind, found in (("lost", verdict.lost), ("twice", verdict.doubled)):
        for fact in found[:20]:
            _say(f"{kind}: {fact}")
    for fault in play.told.faults[:20]:
        _say(f"fault: {fault}")
    held = {
        "lost": not verdict.lost,
        "doubled": not verdict.doubled,
        "faults": not play.told.faults,
    }
    return {
        "kills": struck.children.total(),
        "lost": len(verdict.lost),
        "doubled": len(verdict.doubled),
        "faults": len(play.told.faults),
        "slowest_recovery_s": round(max(struck.recoveries), 1),
        "slowest_credit_s": round(slowest_credit_s(play.transaction), 1),
        "slowest_webhook_s": round(play.received.slowest_s, 1),
        "settled_s": round(settled_s, 1),
        "by_child": dict(sorted(struck.children.items())),
        "by_step": {step: struck.steps[step] for step in Step},
        "invoices": len(play.told.invoices),
        "payments": len(play.told.payments),
        "refunds": len(play.told.refunds),
        "webhooks": len(play.received.times),
        "webhooks_repeated": play.received.repeats,
        "calls": dict(sorted(play.told.calls.items())),
        "peak_mb": round(struck.peak_mb),
        "missed": [name for name, is_held in held.items() if not is_held],
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
