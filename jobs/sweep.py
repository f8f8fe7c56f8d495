"""Work through the merchants that have something due: none of them stops the next."""

from collections.abc import Callable, Iterable

import structlog
from rq.timeouts import JobTimeoutException

from app.core.ids import show_merchant

log = structlog.get_logger()


def for_each(merchants: Iterable[int], work: Callable[[int], None]) -> int:
    """Call `work` with every merchant and return for how many it failed.

    A failure is logged and left to the next beat, which finds what is still due. The end of the
    job's own time is no merchant's failure: it stops the sweep.
    """
    failed = 0
    for merchant_id in merchants:
        try:
            work(merchant_id)
        except JobTimeoutException:
            raise
        except Exception:  # whatever it is, it is this merchant's alone
            failed += 1
            log.exception("sweep failed", merchant=show_merchant(merchant_id))
    return failed
