"""The sandbox: a clock of the merchant's own, and invoices without waiting for the month's end."""

from app.api.operations import Call
from app.api.v1.base import API, In, Moment, Out, utc
from app.billing import runs
from app.billing.run_models import InvoiceRun, RunTrigger
from app.core import outbox
from app.core.ids import Prefix, show
from app.extensions import runtime
from app.identity import clocks
from app.identity.models import Merchant, Scope

TAG = "Sandbox"
LARGEST_RUN = 200
"""How many invoices one call drafts, and finalises, at most; what is left stays due."""


class ClockIn(In):
    """The time it shall be for this merchant; the clock runs on from there."""

    now: Moment


class ClockOut(Out):
    """The merchant's time, and the real one."""

    now: Moment
    real_now: Moment


class InvoiceRunOut(Out):
    """What a run made of what was due `asOf` that time."""

    id: str
    as_of: Moment
    drafted: int
    finalized: int
    failed: int
    last_error: str | None

    @classmethod
    def of(cls, run: InvoiceRun) -> "InvoiceRunOut":
        return cls(
            id=show(Prefix.RUN, run.id),
            as_of=utc(run.as_of),
            drafted=run.drafted,
            finalized=run.finalized,
            failed=run.failed,
            last_error=run.last_error,
        )


@API.route("GET", "/sandbox/clock", scope=Scope.SANDBOX_WRITE, tag=TAG, returns=ClockOut)
def get_sandbox_clock(call: Call) -> ClockOut:
    """Return what time it is for this merchant."""
    return _clock(call, call.merchant)


@API.route(
    "POST",
    "/sandbox/clock",
    scope=Scope.SANDBOX_WRITE,
    tag=TAG,
    body=ClockIn,
    returns=ClockOut,
    example={"now": "2026-06-02T04:00:00Z"},
)
def move_sandbox_clock(call: Call, body: ClockIn) -> ClockOut:
    """Move a sandbox merchant's clock; what has fallen due until then is made at once.

    Free until the first finalised invoice, then only forward.
    """
    merchant = clocks.move(call.session, body.now, real_now=call.real_now)
    outbox.owe(call.session, "jobs.billing.catch_up", now=call.real_now)
    return _clock(call, merchant)


@API.route(
    "POST",
    "/sandbox/invoice-runs",
    scope=Scope.SANDBOX_WRITE,
    tag=TAG,
    returns=InvoiceRunOut,
    status=201,
    flow=True,
)
def run_sandbox_invoices(call: Call) -> InvoiceRunOut:
    """Draft and finalise now what is due at a sandbox merchant's time."""
    if not call.merchant.is_sandbox:
        raise clocks.ClockIsReal("a live merchant is invoiced by the calendar")
    run = runs.run_due(
        call.transaction,
        runtime().rates,
        trigger=RunTrigger.MERCHANT,
        now=call.now,
        limit=LARGEST_RUN,
    )
    return InvoiceRunOut.of(run)


def _clock(call: Call, merchant: Merchant) -> ClockOut:
    return ClockOut(now=utc(call.real_now + merchant.clock_offset), real_now=utc(call.real_now))
