"""What bills look up, read once for all the contracts that one transaction bills.

A bill asks for its customer, his tax, the metrics, the usage of its days. Of many bills the desk
asks for all of that at once, the first time one of them does; of a single one it asks no more.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from functools import cached_property

from sqlalchemy.orm import Session

from app.billing import balances, redemptions
from app.billing.models import Invoice
from app.billing.scopes import Scope, scope_of_invoice
from app.core.money import Currency
from app.customers import queries as customers
from app.customers.models import Contract, Customer
from app.metering.usage import SeriesUsage, series_usage
from app.pricing import queries as catalogue
from app.pricing import taxes
from app.pricing.models import Metric, Product, RateCardVersion
from app.pricing.price_sets import Terms, read_terms
from app.pricing.taxing import Tax

Days = tuple[date, date]
UsageByMetric = Mapping[int, Sequence[SeriesUsage]]


class Desk:
    """The desk of one transaction that bills `contracts`, and has `invoices` for them if it has.

    What it has read stays as it was read: a desk is not to outlive its transaction.
    """

    def __init__(
        self,
        session: Session,
        contracts: Collection[Contract] = (),
        invoices: Collection[Invoice] = (),
    ) -> None:
        self.session = session
        self._contracts = {contract.id: contract for contract in contracts}
        self._invoices = {invoice.id: invoice for invoice in invoices}
        self._expected: dict[Days, set[int]] = {}
        self._usage: dict[Days, dict[int, dict[int, list[SeriesUsage]]]] = {}
        self._terms: dict[tuple[int | None, Currency], Terms] = {}
        self._versions: dict[int, RateCardVersion] = {}
        self._products: dict[int, Product] = {}
        self._taxes: dict[tuple[int | None, bool, int | None], Tax | None] = {}

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The merchant's metrics by code, also archived ones: a bill may be about any."""
        return catalogue.all_metrics(self.session)

    def expect(self, scopes: Collection[Scope]) -> None:
        """Say which usage will be asked for, so that what is of the same days is read at once."""
        for scope in scopes:
            days = scope.first_day, scope.end_day
            self._expected.setdefault(days, set()).add(scope.customer_id)

    def scope_of(self, contract: Contract, invoice: Invoice) -> Scope:
        """Return what an invoice of usage is about; copies of one version are read once."""
        key = invoice.rate_card_version_id, invoice.currency
        if key not in self._terms:
            self._terms[key] = read_terms(invoice.rate_card or {}, invoice.currency)
        return scope_of_invoice(contract, invoice, self._terms[key])

    def version_of(self, contract: Contract) -> RateCardVersion:
        """Return the version the contract is on."""
        version_id = contract.rate_card_version_id
        if version_id not in self._versions:
            self._versions[version_id] = catalogue.get_version(self.session, version_id)
        return self._versions[version_id]

    def usage_of(self, scope: Scope) -> UsageByMetric:
        """Return all the usage of a scope by metric, as the roll-ups have it."""
        days, customer_id = (scope.first_day, scope.end_day), scope.customer_id
        known = self._usage.setdefault(days, {})
        if customer_id not in known:
            expected = self._expected.pop(days, set())
            known |= self._read(days, expected | {customer_id})
        return known[customer_id]

    def customer_of(self, contract: Contract) -> Customer:
        """Return whose contract it is."""
        customer = self._customers.get(contract.customer_id)
        return customer or customers.get_customer(self.session, contract.customer_id)

    def product_of(self, contract: Contract) -> Product:
        """Return what the contract sells."""
        version_id = contract.rate_card_version_id
        if version_id not in self._products:
            self._products[version_id] = catalogue.product_of_version(self.session, version_id)
        return self._products[version_id]

    def tax_of(self, contract: Contract) -> Tax | None:
        """Return the tax on the contract's lines, None when there is none."""
        customer, product = self.customer_of(contract), self.product_of(contract)
        key = customer.tax_rate_id, customer.is_tax_exempt, product.tax_rate_id
        if key not in self._taxes:
            self._taxes[key] = taxes.tax_of(
                self.session,
                customer_rate_id=customer.tax_rate_id,
                is_exempt=customer.is_tax_exempt,
                product_rate_id=product.tax_rate_id,
            )
        return self._taxes[key]

    def may_redeem(self, contract: Contract) -> bool:
        """Tell whether the contract has coupons, or an invoice of it has used any."""
        return contract.id in self._redeeming or contract.id not in self._contracts

    def may_have_credit(self, invoice: Invoice) -> bool:
        """Tell whether the invoice's customer had something to his credit."""
        return invoice.customer_id in self._credited or invoice.id not in self._invoices

    @cached_property
    def _customers(self) -> Mapping[int, Customer]:
        ids = {contract.customer_id for contract in self._contracts.values()}
        return customers.customers_by_id(self.session, ids)

    @cached_property
    def _redeeming(self) -> set[int]:
        return redemptions.contracts_redeeming(self.session, self._contracts)

    @cached_property
    def _credited(self) -> set[int]:
        ids = {invoice.customer_id for invoice in self._invoices.values()}
        return balances.customers_with_credit(self.session, ids)

    def _read(
        self, days: Days, customer_ids: Collection[int]
    ) -> dict[int, dict[int, list[SeriesUsage]]]:
        """Return the usage of each of these customers, also of those who used nothing."""
        first_day, end_day = days
        by_customer: dict[int, dict[int, list[SeriesUsage]]] = {each: {} for each in customer_ids}
        found = series_usage(self.session, customer_ids, first_day=first_day, end_day=end_day)
        for (customer_id, metric_id), series in found.items():
            by_customer[customer_id][metric_id] = series
        return by_customer
