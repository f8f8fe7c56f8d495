"""What the demo's customers use, sent as a merchant sends it: by the Python SDK, over HTTP."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from buffmoney import BuffMoney, Event, Result, Undelivered

from app.core.periods import Unit, add_units, local_date
from app.demo.roles import Buyer, Company, Habit

_SATURDAY = 5
_LATE_DAY = 27
_LATE_EVENTS = 3
_PATIENCE_SECONDS = 120


class NotMetered(RuntimeError):
    """Usage of the demo did not arrive; the message says why."""


class Sender:
    """Sends usage events and waits for what became of them."""

    def __init__(self, api_key: str, url: str) -> None:
        self._results: list[Result] = []
        self._given_up: list[Undelivered] = []
        self._client = BuffMoney(
            api_key,
            base_url=url,
            on_result=self._results.append,
            on_error=self._given_up.append,
            allow_http=True,  # it is our own web server, at whatever address it listens
        )

    def send(self, events: Iterable[Event]) -> list[Result]:
        """Send the events in their order; return what became of those not simply accepted.

        Raises NotMetered when they did not all arrive.
        """
        self._results.clear()
        for event in events:
            self._client.usage.resend(event)
        is_done = self._client.usage.flush(_PATIENCE_SECONDS)
        if self._given_up:
            raise NotMetered(str(self._given_up[0].error))
        if not is_done:
            raise NotMetered(f"no answer within {_PATIENCE_SECONDS} seconds")
        return list(self._results)

    def meter(self, events: Iterable[Event]) -> None:
        """Send events that all have to count. Raises NotMetered."""
        for result in self.send(events):
            if not result.is_counted:
                raise NotMetered(f"{result.event.idempotency_key}: {result.message}")

    def void(self, keys: list[str], *, reason: str) -> None:
        """Take events back. Raises buffmoney's errors."""
        self._client.request("POST", "/usage-voids", {"idempotencyKeys": keys, "reason": reason})

    def close(self) -> None:
        self._client.close()


def usage(
    company: Company, since: datetime, until: datetime, *, today: date, zone: ZoneInfo
) -> list[Event]:
    """Return what every buyer used from `since` on and before `until`, as it happened."""
    events = [
        event
        for buyer in company.buyers
        for day in _days(buyer, since, until, today=today, zone=zone)
        for metric, habit in company.habits.items()
        for event in _events_of_day(buyer, metric, habit, day=day, zone=zone)
        if since <= event.occurred_at < until
    ]
    return sorted(events, key=lambda event: event.occurred_at)


def late_usage(company: Company, now: datetime, *, today: date, zone: ZoneInfo) -> Iterator[Event]:
    """Yield what a buyer should have sent for the month before that of `now`, and sends only now.

    Its first metric only: a batch that lay about.
    """
    month = add_units(local_date(now, zone).replace(day=1), -1, Unit.MONTH)
    metric, habit = next(iter(company.habits.items()))
    for buyer in company.buyers:
        if months_between(month, today) in buyer.late:
            for number in range(_LATE_EVENTS):
                yield Event(
                    customer=buyer.external_id,
                    metric=metric,
                    quantity=str(habit.daily * buyer.size // 100),
                    occurred_at=datetime.combine(
                        month.replace(day=_LATE_DAY), time(20, number), zone
                    ),
                    idempotency_key=f"{buyer.external_id}-late-{month}-{number}",
                    dimensions={name: values[0] for name, values in habit.dimensions.items()},
                )


def starts_on(buyer: Buyer, today: date) -> date:
    """Return a month's first day or, by anniversary, today's: so a period has just ended."""
    start = add_units(today, -buyer.months, Unit.MONTH)
    return start if not buyer.cycle.is_calendar else start.replace(day=1)


def ends_on(buyer: Buyer, today: date) -> date | None:
    """Return the first day without the contract: a month's first."""
    if buyer.ended is None:
        return None
    return add_units(today, -buyer.ended, Unit.MONTH).replace(day=1)


def months_between(month: date, today: date) -> int:
    """Return how many months ago, from today, `month` was."""
    return (today.year - month.year) * 12 + today.month - month.month


def draw(text: str | None) -> int:
    """Return a number that looks like chance and is the same at every start."""
    return int.from_bytes(hashlib.sha256(str(text).encode()).digest()[:4])


def _days(
    buyer: Buyer, since: datetime, until: datetime, *, today: date, zone: ZoneInfo
) -> Iterator[date]:
    """Yield the days of a time on which the buyer was on contract."""
    day = max(local_date(since, zone), starts_on(buyer, today))
    end = ends_on(buyer, today) or date.max
    while day <= local_date(until, zone) and day < end:
        yield day
        day += timedelta(days=1)


def _events_of_day(
    buyer: Buyer, metric: str, habit: Habit, *, day: date, zone: ZoneInfo
) -> Iterator[Event]:
    """Yield a day of one metric: a little more each month, less at weekends, no two alike."""
    chance = draw(f"{buyer.external_id}{metric}{day}")
    growth = 4 * ((day.year * 12 + day.month) % 12)
    is_weekend = day.weekday() >= _SATURDAY
    share = (80 + growth + chance % 21) * (40 if is_weekend else 100)
    count = 1 if is_weekend else 1 + chance % 3
    for number in range(count):
        key = f"{buyer.external_id}-{metric}-{day}-{number}"
        yield Event(
            customer=buyer.external_id,
            metric=metric,
            quantity=str(max(1, habit.daily * buyer.size * share // (1_000_000 * count))),
            occurred_at=datetime.combine(day, time(8 + 3 * number, chance % 60), zone),
            idempotency_key=key,
            dimensions={
                name: values[draw(key + name) % len(values)]
                for name, values in habit.dimensions.items()
            },
        )
