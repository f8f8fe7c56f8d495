"""Customers: who the merchant bills, under the ids of the merchant's own system."""

from app.api.operations import Call
from app.api.v1.base import API, In, Listing, Moment, Out, PageQuery, show_or_none, utc
from app.core.ids import Prefix, show
from app.core.language import Language
from app.core.paging import Page
from app.customers import customers, queries
from app.customers.models import Customer, CustomerStatus
from app.identity.models import Scope

TAG = "Customers"


class CustomerIn(In):
    """A customer to add. `externalId` is your own id of it, unique and for ever.

    One with `remind` false gets its invoices, and no reminders of them.
    """

    external_id: str
    name: str
    email: str = ""
    language: Language = Language.ZH_HANS_CN
    remind: bool = True


class CustomerChange(In):
    """What to change; what is left out stays."""

    name: str | None = None
    email: str | None = None
    language: Language | None = None
    remind: bool | None = None


class CustomerQuery(PageQuery, kw_only=True):
    external_id: str | None = None
    status: CustomerStatus | None = None
    q: str = ""


class CustomerOut(Out):
    """A customer. `language` is what its bills and mails are written in.

    `taxRateId` is the tax of all it buys, null for that of each product; an exempt one pays none.

    `remind` says whether the reminder ladder holds for it.
    """

    id: str
    external_id: str
    name: str
    email: str
    language: str
    remind: bool
    tax_rate_id: str | None
    is_tax_exempt: bool
    status: CustomerStatus
    created_at: Moment

    @classmethod
    def of(cls, customer: Customer) -> "CustomerOut":
        return cls(
            id=show(Prefix.CUSTOMER, customer.id),
            external_id=customer.external_id,
            name=customer.name,
            email=customer.email,
            language=customer.language,
            remind=customer.is_reminded,
            tax_rate_id=show_or_none(Prefix.TAX_RATE, customer.tax_rate_id),
            is_tax_exempt=customer.is_tax_exempt,
            status=customer.status,
            created_at=utc(customer.created_at),
        )


class CustomerList(Listing[CustomerOut]):
    """A page of customers, newest first."""


@API.route(
    "POST",
    "/customers",
    scope=Scope.CUSTOMER_WRITE,
    tag=TAG,
    body=CustomerIn,
    returns=CustomerOut,
    status=201,
    example={
        "externalId": "user_42",
        "name": "上海智谱星图信息科技",
        "email": "finance@example.cn",
    },
)
def create_customer(call: Call, body: CustomerIn) -> CustomerOut:
    """Add a customer."""
    customer = customers.create_customer(
        call.session,
        external_id=body.external_id,
        name=body.name,
        email=body.email,
        language=body.language,
        is_reminded=body.remind,
        now=call.now,
    )
    return CustomerOut.of(customer)


@API.route(
    "GET",
    "/customers",
    scope=Scope.CUSTOMER_READ,
    tag=TAG,
    query=CustomerQuery,
    returns=CustomerList,
)
def list_customers(call: Call, query: CustomerQuery) -> Listing[CustomerOut]:
    """List customers; `q` is a part of the external id, the name or the e-mail address."""
    if query.external_id is not None:
        return CustomerList.of(_with_external_id(call, query), CustomerOut.of)
    page = queries.list_customers(call.session, status=query.status, q=query.q, **query.page)
    return CustomerList.of(page, CustomerOut.of)


@API.route(
    "GET",
    "/customers/<customer_id>",
    scope=Scope.CUSTOMER_READ,
    tag=TAG,
    returns=CustomerOut,
)
def get_customer(call: Call, customer_id: int) -> CustomerOut:
    """Return a customer."""
    return CustomerOut.of(queries.get_customer(call.session, customer_id))


@API.route(
    "PATCH",
    "/customers/<customer_id>",
    scope=Scope.CUSTOMER_WRITE,
    tag=TAG,
    body=CustomerChange,
    returns=CustomerOut,
)
def update_customer(call: Call, customer_id: int, body: CustomerChange) -> CustomerOut:
    """Change a customer; its external id stays for ever."""
    customer = customers.update_customer(
        call.session,
        customer_id,
        name=body.name,
        email=body.email,
        language=body.language,
        is_reminded=body.remind,
        now=call.now,
    )
    return CustomerOut.of(customer)


@API.route(
    "POST",
    "/customers/<customer_id>/archive",
    scope=Scope.CUSTOMER_WRITE,
    tag=TAG,
    returns=CustomerOut,
)
def archive_customer(call: Call, customer_id: int) -> CustomerOut:
    """Close a customer that has no running contract to new ones, and to new usage."""
    return CustomerOut.of(customers.archive_customer(call.session, customer_id, now=call.now))


@API.route(
    "POST",
    "/customers/<customer_id>/restore",
    scope=Scope.CUSTOMER_WRITE,
    tag=TAG,
    returns=CustomerOut,
)
def restore_customer(call: Call, customer_id: int) -> CustomerOut:
    """Open a customer again."""
    return CustomerOut.of(customers.restore_customer(call.session, customer_id, now=call.now))


def _with_external_id(call: Call, query: CustomerQuery) -> Page[Customer]:
    """Return the one customer of this external id, if it is of the status asked for."""
    wanted = query.external_id or ""
    found = queries.customers_by_external_id(call.session, [wanted]).get(wanted)
    is_wanted = found is not None and query.status in {None, found.status}
    return Page([found] if found and is_wanted else [], None)
