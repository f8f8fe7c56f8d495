"""Try many dead events again, in the background."""

from app.core import clock, outbox
from app.extensions import transaction
from app.identity import clocks
from app.metering import replaying
from app.metering.ingestion import MerchantWindow

BATCHES = 40
"""How many batches one job takes: it ends long before its lease does, and owes the rest."""


def replay_all(*, merchant_id: int) -> None:
    """Go on with the merchant's replay; each batch commits by itself, so a crash repeats none."""
    for _ in range(BATCHES):
        if not _replay_batch(merchant_id):
            return
    with transaction(merchant_id) as session:
        outbox.owe(session, replaying.JOB, now=clock.now())


def _replay_batch(merchant_id: int) -> bool:
    with transaction(merchant_id) as session:
        merchant, real_now = clocks.get_merchant(session), clock.now()
        return replaying.continue_replay(
            session,
            merchant=MerchantWindow(merchant.time_zone, merchant.late_window_days),
            now=real_now + merchant.clock_offset,
            real_now=real_now,
        )
