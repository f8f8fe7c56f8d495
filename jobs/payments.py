"""Ask the channels about payments they did not tell us of."""

from app.core import clock
from app.extensions import bound, reading, runtime, transaction
from app.identity import clocks
from app.payments import healing, queries
from jobs import sweep


def heal() -> None:
    """Heal the due payment orders of every merchant that has some."""
    with reading() as session:
        merchants = queries.due_merchants(session, now=clock.now())
    sweep.for_each(merchants, _heal_merchant)


def _heal_merchant(merchant_id: int) -> None:
    with transaction(merchant_id) as session:
        mode = clocks.get_merchant(session).mode
    healing.heal(bound(merchant_id), runtime().channels(mode), now=clock.now())
