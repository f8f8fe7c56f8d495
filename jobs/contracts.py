"""Move the many contracts of a rate card version on to another one."""

from datetime import date

from app.audit.recording import Actor
from app.core.ids import Prefix, read
from app.customers import versions
from app.extensions import transaction
from app.identity import clocks


def schedule_for_version(
    *, merchant_id: int, version: str, to_version: str, on: str, **actor: str
) -> None:
    """Schedule the version for all contracts, a transaction for each chunk of them.

    Running it again leaves what was scheduled as it is.
    """
    after: int | None = 0
    while after is not None:
        with transaction(merchant_id) as session:
            done = versions.schedule_batch(
                session,
                read(Prefix.RATE_CARD_VERSION, version),
                to_version_id=read(Prefix.RATE_CARD_VERSION, to_version),
                on=date.fromisoformat(on),
                after=after,
                actor=Actor.load(**actor),
                now=clocks.now(session),
            )
        after = done.last_id
