"""Contracts: a customer on a rate card version, billed by a cycle."""

from datetime import date

from app.api.operations import Call
from app.api.reading import InvalidBody
from app.api.v1.base import API, In, Listing, Moment, Out, PageQuery, utc, utc_or_none
from app.core.ids import Prefix, read, show
from app.core.money import Currency
from app.core.periods import Cycle
from app.customers import contracts, queries, versions
from app.customers.models import Contract, ContractStatus
from app.identity.models import Scope
from app.pricing import queries as catalogue

TAG = "Contracts"


class ContractIn(In):
    """A contract to make. Name a version, or a rate card to get its current one.

    Days are the merchant's; the contract covers `startsOn` and ends where `endsOn` begins.
    """

    customer_id: str
    currency: Currency
    cycle: Cycle
    starts_on: date
    ends_on: date | None = None
    rate_card_id: str | None = None
    rate_card_version_id: str | None = None


class ContractEnd(In):
    """The day that is not covered any more."""

    ends_on: date


class NextVersion(In):
    """The version to take up with the first period that starts on the day `on`, or later."""

    rate_card_version_id: str
    on: date


class ContractQuery(PageQuery, kw_only=True):
    customer_id: str | None = None
    rate_card_version_id: str | None = None
    status: ContractStatus | None = None


class ContractOut(Out):
    """A contract. The open period is the first that has no invoice yet.

    `nextRateCardVersionId` takes the place of the version with the first period that starts on
    `nextVersionOn` or later.
    """

    id: str
    customer_id: str
    rate_card_version_id: str
    currency: Currency
    cycle: Cycle
    starts_on: date
    ends_on: date | None
    status: ContractStatus
    open_period_from: Moment | None
    open_period_to: Moment | None
    next_rate_card_version_id: str | None
    next_version_on: date | None
    created_at: Moment

    @classmethod
    def of(cls, contract: Contract) -> "ContractOut":
        following = contract.next_version_id
        return cls(
            id=show(Prefix.CONTRACT, contract.id),
            customer_id=show(Prefix.CUSTOMER, contract.customer_id),
            rate_card_version_id=show(Prefix.RATE_CARD_VERSION, contract.rate_card_version_id),
            currency=contract.currency,
            cycle=contract.cycle,
            starts_on=contract.starts_on,
            ends_on=contract.ends_on,
            status=contract.status,
            open_period_from=utc_or_none(contract.next_period_at),
            open_period_to=utc_or_none(contract.due_at),
            next_rate_card_version_id=(
                None if following is None else show(Prefix.RATE_CARD_VERSION, following)
            ),
            next_version_on=contract.next_version_on,
            created_at=utc(contract.created_at),
        )


class RefusedContract(Out):
    """A contract that keeps its version, and why."""

    contract_id: str
    code: str
    detail: str


class SchedulingOut(Out):
    """How many contracts will take up the version. Of a thousand or more, a job goes through."""

    scheduled: int
    refused: list[RefusedContract]
    is_queued: bool

    @classmethod
    def of(cls, done: versions.Scheduling) -> "SchedulingOut":
        return cls(
            scheduled=done.scheduled,
            refused=[
                RefusedContract(show(Prefix.CONTRACT, number), why.code, str(why))
                for number, why in done.refused.items()
            ],
            is_queued=done.is_queued,
        )


class ContractList(Listing[ContractOut]):
    """A page of contracts, newest first."""


@API.route(
    "POST",
    "/contracts",
    scope=Scope.CUSTOMER_WRITE,
    tag=TAG,
    body=ContractIn,
    returns=ContractOut,
    status=201,
    errors=(404,),
    example={
        "customerId": "cus_0123456789abc",
        "rateCardId": "rc_0123456789abc",
        "currency": "USD",
        "cycle": "monthly_calendar",
        "startsOn": "2026-05-01",
    },
)
def create_contract(call: Call, body: ContractIn) -> ContractOut:
    """Bind a customer to a rate card version."""
    contract = contracts.create_contract(
        call.session,
        customer_id=read(Prefix.CUSTOMER, body.customer_id),
        rate_card_version_id=_version_id(call, body),
        currency=body.currency,
        cycle=body.cycle,
        starts_on=body.starts_on,
        ends_on=body.ends_on,
        now=call.now,
    )
    return ContractOut.of(contract)


@API.route(
    "GET",
    "/contracts",
    scope=Scope.CUSTOMER_READ,
    tag=TAG,
    query=ContractQuery,
    returns=ContractList,
    errors=(404,),
)
def list_contracts(call: Call, query: ContractQuery) -> Listing[ContractOut]:
    """List contracts, of one customer or of all.

    Those of a rate card version are on it, or will take it up.
    """
    customer_id = read(Prefix.CUSTOMER, query.customer_id) if query.customer_id else None
    version = query.rate_card_version_id
    page = queries.list_contracts(
        call.session,
        customer_id=customer_id,
        version_id=read(Prefix.RATE_CARD_VERSION, version) if version else None,
        status=query.status,
        **query.page,
    )
    return ContractList.of(page, ContractOut.of)


@API.route(
    "GET",
    "/contracts/<contract_id>",
    scope=Scope.CUSTOMER_READ,
    tag=TAG,
    returns=ContractOut,
)
def get_contract(call: Call, contract_id: int) -> ContractOut:
    """Return a contract."""
    return ContractOut.of(queries.get_contract(call.session, contract_id))


@API.route(
    "POST",
    "/contracts/<contract_id>/end",
    scope=Scope.CUSTOMER_WRITE,
    tag=TAG,
    body=ContractEnd,
    returns=ContractOut,
    example={"endsOn": "2026-12-31"},
)
def end_contract(call: Call, contract_id: int, body: ContractEnd) -> ContractOut:
    """Let a contract end where a day begins; its open period is cut there and billed then."""
    contract = contracts.end_contract(call.session, contract_id, ends_on=body.ends_on, now=call.now)
    return ContractOut.of(contract)


@API.route(
    "PUT",
    "/contracts/<contract_id>/next-version",
    scope=Scope.CUSTOMER_WRITE,
    tag=TAG,
    body=NextVersion,
    returns=ContractOut,
    example={"rateCardVersionId": "rcv_0123456789abc", "on": "2026-07-01"},
)
def schedule_contract_version(call: Call, contract_id: int, body: NextVersion) -> ContractOut:
    """Let a contract take up another rate card version of its product with a period to come."""
    contract = versions.schedule_version(
        call.session,
        contract_id,
        version_id=read(Prefix.RATE_CARD_VERSION, body.rate_card_version_id),
        on=body.on,
        actor=call.actor,
        now=call.now,
    )
    return ContractOut.of(contract)


@API.route(
    "DELETE",
    "/contracts/<contract_id>/next-version",
    scope=Scope.CUSTOMER_WRITE,
    tag=TAG,
    returns=ContractOut,
)
def cancel_contract_version(call: Call, contract_id: int) -> ContractOut:
    """Let a contract keep its version; when none is scheduled, nothing changes."""
    contract = versions.cancel_scheduled_version(
        call.session, contract_id, actor=call.actor, now=call.now
    )
    return ContractOut.of(contract)


@API.route(
    "POST",
    "/rate-card-versions/<rate_card_version_id>/schedule-contracts",
    scope=Scope.CUSTOMER_WRITE,
    tag=TAG,
    body=NextVersion,
    returns=SchedulingOut,
    example={"rateCardVersionId": "rcv_0123456789abc", "on": "2026-07-01"},
)
def schedule_version_contracts(
    call: Call, rate_card_version_id: int, body: NextVersion
) -> SchedulingOut:
    """Let all active contracts on a version take up another one with a period to come."""
    done = versions.schedule_for_version(
        call.session,
        rate_card_version_id,
        to_version_id=read(Prefix.RATE_CARD_VERSION, body.rate_card_version_id),
        on=body.on,
        actor=call.actor,
        now=call.now,
    )
    return SchedulingOut.of(done)


def _version_id(call: Call, body: ContractIn) -> int:
    if (body.rate_card_id is None) == (body.rate_card_version_id is None):
        raise InvalidBody("give either this or `rateCardVersionId`", path="rateCardId")
    if body.rate_card_version_id is not None:
        return read(Prefix.RATE_CARD_VERSION, body.rate_card_version_id)
    card_id = read(Prefix.RATE_CARD, body.rate_card_id or "")
    return catalogue.current_version(call.session, card_id).id
