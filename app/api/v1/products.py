"""Products: what the merchant sells."""

from app.api.operations import Call
from app.api.v1.base import API, In, Listing, Moment, Out, PageQuery, show_or_none, utc
from app.core.ids import Prefix, show
from app.identity.models import Scope
from app.pricing import products, queries
from app.pricing.models import CatalogStatus, Product

TAG = "Products"


class ProductIn(In):
    """A product to add. `code` names it for ever, such as `chat_api`."""

    code: str
    name: str
    description: str = ""


class ProductChange(In):
    """What to change; what is left out stays."""

    name: str | None = None
    description: str | None = None


class ProductQuery(PageQuery, kw_only=True):
    status: CatalogStatus | None = None
    q: str = ""


class ProductOut(Out):
    """A product. `taxRateId` is the tax it is under, null for the default."""

    id: str
    code: str
    name: str
    description: str
    tax_rate_id: str | None
    status: CatalogStatus
    created_at: Moment

    @classmethod
    def of(cls, product: Product) -> "ProductOut":
        return cls(
            id=show(Prefix.PRODUCT, product.id),
            code=product.code,
            name=product.name,
            description=product.description,
            tax_rate_id=show_or_none(Prefix.TAX_RATE, product.tax_rate_id),
            status=product.status,
            created_at=utc(product.created_at),
        )


class ProductList(Listing[ProductOut]):
    """A page of products, newest first."""


@API.route(
    "POST",
    "/products",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    body=ProductIn,
    returns=ProductOut,
    status=201,
    example={"code": "chat_api", "name": "Chat API"},
)
def create_product(call: Call, body: ProductIn) -> ProductOut:
    """Add a product."""
    product = products.create_product(
        call.session,
        code=body.code,
        name=body.name,
        description=body.description,
        now=call.now,
    )
    return ProductOut.of(product)


@API.route(
    "GET",
    "/products",
    scope=Scope.CATALOG_READ,
    tag=TAG,
    query=ProductQuery,
    returns=ProductList,
)
def list_products(call: Call, query: ProductQuery) -> Listing[ProductOut]:
    """List products; `q` is a part of the code or the name."""
    page = queries.list_products(call.session, status=query.status, q=query.q, **query.page)
    return ProductList.of(page, ProductOut.of)


@API.route("GET", "/products/<product_id>", scope=Scope.CATALOG_READ, tag=TAG, returns=ProductOut)
def get_product(call: Call, product_id: int) -> ProductOut:
    """Return a product."""
    return ProductOut.of(queries.get_product(call.session, product_id))


@API.route(
    "PATCH",
    "/products/<product_id>",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    body=ProductChange,
    returns=ProductOut,
)
def update_product(call: Call, product_id: int, body: ProductChange) -> ProductOut:
    """Change a product's name or description; its code stays for ever."""
    product = products.update_product(
        call.session, product_id, name=body.name, description=body.description
    )
    return ProductOut.of(product)


@API.route(
    "POST",
    "/products/<product_id>/archive",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    returns=ProductOut,
)
def archive_product(call: Call, product_id: int) -> ProductOut:
    """Take a product off sale; the rate cards it has stay in force."""
    return ProductOut.of(products.archive_product(call.session, product_id))


@API.route(
    "POST",
    "/products/<product_id>/restore",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    returns=ProductOut,
)
def restore_product(call: Call, product_id: int) -> ProductOut:
    """Put a product back on sale."""
    return ProductOut.of(products.restore_product(call.session, product_id))
