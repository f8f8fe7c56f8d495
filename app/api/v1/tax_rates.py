"""Tax rates: what your invoices show as tax, and whom and what it is on."""

from typing import Any

from app.api.operations import Call
from app.api.v1.base import API, DecimalText, In, Listing, Moment, Out, PageQuery, utc
from app.api.v1.customers import CustomerOut
from app.api.v1.products import ProductOut
from app.core.decimals import plain
from app.core.ids import Prefix, read, show
from app.customers import customers
from app.identity.models import Scope
from app.pricing import taxes
from app.pricing.models import CatalogStatus, TaxRate

TAG = "Tax rates"


class TaxRateIn(In):
    """A rate to make: at most 100 percent, with four decimals.

    With `isInclusive`, your prices hold the tax already, as is usual in China.
    """

    code: str
    name: str
    percent: str
    is_inclusive: bool


class TaxRateChange(In):
    """What bills call the rate; its percent never changes."""

    name: str


class TaxRateQuery(PageQuery, kw_only=True):
    status: CatalogStatus | None = None


class TaxRateOut(Out):
    """A tax rate. The default is on what has no rate of its own."""

    id: str
    code: str
    name: str
    percent: DecimalText
    is_inclusive: bool
    is_default: bool
    status: CatalogStatus
    created_at: Moment

    @classmethod
    def of(cls, rate: TaxRate) -> "TaxRateOut":
        return cls(
            id=show(Prefix.TAX_RATE, rate.id),
            code=rate.code,
            name=rate.name,
            percent=plain(rate.percent),
            is_inclusive=rate.is_inclusive,
            is_default=rate.is_default,
            status=rate.status,
            created_at=utc(rate.created_at),
        )


class TaxRateList(Listing[TaxRateOut]):
    """A page of tax rates, newest first."""


class ProductTax(In):
    """The rate that a product is under, null for the default."""

    tax_rate_id: str | None


class CustomerTax(In):
    """The rate of all that a customer buys, null for that of each product; or that it pays none."""

    tax_rate_id: str | None = None
    is_exempt: bool = False


@API.route(
    "POST",
    "/tax-rates",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    body=TaxRateIn,
    returns=TaxRateOut,
    status=201,
    example={"code": "vat_6", "name": "增值税", "percent": "6", "isInclusive": True},
)
def create_tax_rate(call: Call, body: TaxRateIn) -> TaxRateOut:
    """Make a tax rate."""
    rate = taxes.create_tax_rate(
        call.session,
        code=body.code,
        name=body.name,
        percent=body.percent,
        is_inclusive=body.is_inclusive,
        **_by(call),
    )
    return TaxRateOut.of(rate)


@API.route(
    "GET", "/tax-rates", scope=Scope.CATALOG_READ, tag=TAG, query=TaxRateQuery, returns=TaxRateList
)
def list_tax_rates(call: Call, query: TaxRateQuery) -> Listing[TaxRateOut]:
    """List tax rates."""
    page = taxes.list_tax_rates(call.session, status=query.status, **query.page)
    return TaxRateList.of(page, TaxRateOut.of)


@API.route("GET", "/tax-rates/<tax_rate_id>", scope=Scope.CATALOG_READ, tag=TAG, returns=TaxRateOut)
def get_tax_rate(call: Call, tax_rate_id: int) -> TaxRateOut:
    """Return a tax rate."""
    return TaxRateOut.of(taxes.get_tax_rate(call.session, tax_rate_id))


@API.route(
    "PATCH",
    "/tax-rates/<tax_rate_id>",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    body=TaxRateChange,
    returns=TaxRateOut,
    example={"name": "VAT"},
)
def rename_tax_rate(call: Call, tax_rate_id: int, body: TaxRateChange) -> TaxRateOut:
    """Change what bills call a tax rate."""
    return TaxRateOut.of(
        taxes.rename_tax_rate(call.session, tax_rate_id, name=body.name, **_by(call))
    )


@API.route(
    "POST",
    "/tax-rates/<tax_rate_id>/archive",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    returns=TaxRateOut,
)
def archive_tax_rate(call: Call, tax_rate_id: int) -> TaxRateOut:
    """Give a tax rate to nobody any more; who has it, keeps it."""
    return TaxRateOut.of(taxes.archive_tax_rate(call.session, tax_rate_id, **_by(call)))


@API.route(
    "POST",
    "/tax-rates/<tax_rate_id>/restore",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    returns=TaxRateOut,
)
def restore_tax_rate(call: Call, tax_rate_id: int) -> TaxRateOut:
    """Let a tax rate be given again."""
    return TaxRateOut.of(taxes.restore_tax_rate(call.session, tax_rate_id, **_by(call)))


@API.route(
    "PUT",
    "/tax-rates/<tax_rate_id>/default",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    returns=TaxRateOut,
)
def set_default_tax_rate(call: Call, tax_rate_id: int) -> TaxRateOut:
    """Make a tax rate the default, in the place of another."""
    return TaxRateOut.of(taxes.set_default(call.session, tax_rate_id, **_by(call)))


@API.route(
    "DELETE",
    "/tax-rates/<tax_rate_id>/default",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    returns=TaxRateOut,
)
def clear_default_tax_rate(call: Call, tax_rate_id: int) -> TaxRateOut:
    """Have no default tax: what has no rate of its own is not taxed."""
    return TaxRateOut.of(taxes.clear_default(call.session, tax_rate_id, **_by(call)))


@API.route(
    "PUT",
    "/products/<product_id>/tax",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    body=ProductTax,
    returns=ProductOut,
    errors=(404,),
    example={"taxRateId": "txr_0123456789abc"},
)
def set_product_tax(call: Call, product_id: int, body: ProductTax) -> ProductOut:
    """Put a product under a tax rate: on invoices that are finalised from now on."""
    rate_id = _rate_id(body.tax_rate_id)
    return ProductOut.of(taxes.set_product_tax(call.session, product_id, rate_id, **_by(call)))


@API.route(
    "PUT",
    "/customers/<customer_id>/tax",
    scope=Scope.CUSTOMER_WRITE,
    tag=TAG,
    body=CustomerTax,
    returns=CustomerOut,
    errors=(404,),
    example={"isExempt": True},
)
def set_customer_tax(call: Call, customer_id: int, body: CustomerTax) -> CustomerOut:
    """Put a customer under a tax rate, or exempt it: on invoices finalised from now on."""
    customer = customers.set_tax(
        call.session,
        customer_id,
        tax_rate_id=_rate_id(body.tax_rate_id),
        is_exempt=body.is_exempt,
        **_by(call),
    )
    return CustomerOut.of(customer)


def _by(call: Call) -> dict[str, Any]:
    """Return who changes it, and when: every change of a tax is written down."""
    return {"actor": call.actor, "now": call.now}


def _rate_id(text: str | None) -> int | None:
    return None if text is None else read(Prefix.TAX_RATE, text)
