"""Charge models: what a billable quantity costs by itself, with the working shown tier by tier.

A charge knows no allowance, discount, minimum or maximum: `rating` puts those around it. Amounts
are exact decimals in minor units of the currency, and nothing is rounded.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import ClassVar

from app.core.decimals import EXACT
from app.core.money import Currency, Rounding

ZERO = Decimal(0)
_ALL = Decimal("Infinity")


class Model(StrEnum):
    STANDARD = "standard"  # every unit costs the same
    GRADUATED = "graduated"  # each tier prices the units that fall in it
    VOLUME = "volume"  # the tier that the whole quantity falls in prices all of it
    PACKAGE = "package"  # units are sold by the package
    PERCENTAGE = "percentage"  # a share of an amount
    GRADUATED_PERCENTAGE = "graduated_percentage"  # each tier takes its share of what falls in it


class Basis(StrEnum):
    """What the quantity of a rated tier counts."""

    UNITS = "units"
    PACKAGES = "packages"
    AMOUNT = "amount"  # money, in major units, of which a percentage is taken
    EVENTS = "events"  # each of which costs a fixed fee
    EVENT_LIMITS = "event_limits"  # events that a minimum or a maximum of their own changed


@dataclass(frozen=True, slots=True)
class Tier:
    """The units above the tier before, up to and with `up_to`; without a bound when it is None.

    `flat_fee` is due once when the tier is entered, and the first tier always is.
    """

    up_to: Decimal | None
    unit_price: Decimal
    flat_fee: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class PercentageTier:
    """A tier whose units are amounts of money, in major units; `rate` is in percent."""

    up_to: Decimal | None
    rate: Decimal
    flat_fee: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class RatedTier:
    """What a part of the quantity cost: `amount` is `quantity` × `unit_price` + `flat_fee`.

    `above` and `up_to` are the bounds of the tier, counted from the first billable unit. The
    quantity counts what `basis` says: of packages it is their number, each of `package_size`
    units; of an amount `unit_price` is what one major unit costs, 1.3 US cents at 1.3 %.
    """

    quantity: Decimal
    unit_price: Decimal
    flat_fee: Decimal
    amount: Decimal
    above: Decimal = ZERO
    up_to: Decimal | None = None
    basis: Basis = Basis.UNITS
    package_size: Decimal | None = None

    def less(self, earlier: "RatedTier") -> "RatedTier":
        """Return what this tier has more than it had when less had gone through it."""
        return replace(
            self,
            quantity=EXACT.subtract(self.quantity, earlier.quantity),
            flat_fee=EXACT.subtract(self.flat_fee, earlier.flat_fee),
            amount=EXACT.subtract(self.amount, earlier.amount),
        )


@dataclass(frozen=True, slots=True)
class Standard:
    model: ClassVar = Model.STANDARD

    unit_price: Decimal

    def rated(self, quantity: Decimal) -> tuple[RatedTier, ...]:
        amount = EXACT.multiply(quantity, self.unit_price)
        return (RatedTier(quantity, self.unit_price, ZERO, amount),)


@dataclass(frozen=True, slots=True)
class Graduated:
    model: ClassVar = Model.GRADUATED

    tiers: tuple[Tier, ...]

    def rated(self, quantity: Decimal) -> tuple[RatedTier, ...]:
        return tuple(_through(self.tiers, quantity, Basis.UNITS))


@dataclass(frozen=True, slots=True)
class Volume:
    """Not monotone: the unit that reaches a cheaper tier makes all units before it cheaper."""

    model: ClassVar = Model.VOLUME

    tiers: tuple[Tier, ...]

    def rated(self, quantity: Decimal, *, of: Decimal | None = None) -> tuple[RatedTier, ...]:
        """Rate a quantity at the tier that it reaches, or that the whole it is a part `of` does."""
        whole = quantity if of is None else of
        above = ZERO
        for tier in self.tiers:
            if tier.up_to is None or whole <= tier.up_to:
                break
            above = tier.up_to
        amount = EXACT.fma(quantity, tier.unit_price, tier.flat_fee)
        return (RatedTier(quantity, tier.unit_price, tier.flat_fee, amount, above, tier.up_to),)


@dataclass(frozen=True, slots=True)
class Package:
    """A package that was begun is charged in full, or not at all when they are rounded down."""

    model: ClassVar = Model.PACKAGE

    size: Decimal
    price: Decimal
    rounding: Rounding = Rounding.UP

    def rated(self, quantity: Decimal) -> tuple[RatedTier, ...]:
        with localcontext(EXACT):
            packages, begun = divmod(quantity, self.size)
            if begun and self.rounding is Rounding.UP:
                packages += 1
            amount = packages * self.price
        return (
            RatedTier(
                packages,
                self.price,
                ZERO,
                amount,
                basis=Basis.PACKAGES,
                package_size=self.size,
            ),
        )


@dataclass(frozen=True, slots=True)
class Percentage:
    """A share of an amount of money: the quantity is in major units of `currency`.

    `rate` is in percent, the other amounts in minor units. The first events are free until there
    were `free_events` or they came to `free_amount`, whichever is first; the event that exceeds
    the amount pays for what is above it. Each event that pays costs its share and `fixed_fee`,
    together held to `minimum` and `maximum`.
    """

    model: ClassVar = Model.PERCENTAGE

    currency: Currency
    rate: Decimal
    fixed_fee: Decimal = ZERO
    free_events: int = 0
    free_amount: Decimal = ZERO
    minimum: Decimal = ZERO
    maximum: Decimal | None = None

    @property
    def needs_events(self) -> bool:
        """Whether the sum of the amounts does not tell the price: it has terms per event."""
        return bool(self.fixed_fee or self.free_events or self.minimum or self.maximum is not None)

    def rated(self, quantity: Decimal) -> tuple[RatedTier, ...]:
        """Rate an amount that is one event, or any number of them where no term is per event."""
        return self.rated_paid(self.paid_parts((quantity,)))

    def paid_parts(self, amounts: Iterable[Decimal]) -> Iterator[Decimal | None]:
        """Yield for each event the part of its amount that it pays for, None when it is free."""
        amount_left = self._free_major if self.free_amount else _ALL
        events_left = Decimal(self.free_events) if self.free_events else _ALL
        is_free = bool(self.free_amount or self.free_events)
        for amount in amounts:
            is_free = is_free and amount_left > 0 and events_left > 0
            if not is_free:
                yield amount
            elif amount > amount_left:
                is_free = False
                yield EXACT.subtract(amount, amount_left)
            else:
                amount_left = EXACT.subtract(amount_left, amount)
                events_left -= 1
                yield None

    def rated_paid(self, paid_parts: Iterable[Decimal | None]) -> tuple[RatedTier, ...]:
        """Rate events of which `paid_parts` told what they pay for."""
        unit_price = minor_per_major(self.rate, self.currency)
        paid = [part for part in paid_parts if part is not None]
        with localcontext(EXACT):
            share, above = sum(paid, ZERO), self._free_major
            amount = share * unit_price
            tiers = [RatedTier(share, unit_price, ZERO, amount, above, basis=Basis.AMOUNT)]
            if self.fixed_fee and paid:
                count = Decimal(len(paid))
                fees = count * self.fixed_fee
                tiers.append(RatedTier(count, self.fixed_fee, ZERO, fees, basis=Basis.EVENTS))
            changes = self._changes_by_limits([part * unit_price for part in paid])
            if changes:
                total = sum(changes, ZERO)
                tiers.append(
                    RatedTier(Decimal(len(changes)), ZERO, total, total, basis=Basis.EVENT_LIMITS)
                )
        return tuple(tiers)

    @property
    def _free_major(self) -> Decimal:
        return EXACT.scaleb(self.free_amount, -self.currency.exponent)

    def _changes_by_limits(self, shares: Sequence[Decimal]) -> list[Decimal]:
        """Return what the minimum adds to events, and what the maximum takes off others."""
        changes = []
        for share in shares:
            charge = share + self.fixed_fee
            held = max(charge, self.minimum)
            if self.maximum is not None:
                held = min(held, self.maximum)
            if held != charge:
                changes.append(held - charge)
        return changes


@dataclass(frozen=True, slots=True)
class GraduatedPercentage:
    """A share of an amount of money that is another in each tier; see `Percentage`."""

    model: ClassVar = Model.GRADUATED_PERCENTAGE

    currency: Currency
    tiers: tuple[PercentageTier, ...]

    def rated(self, quantity: Decimal) -> tuple[RatedTier, ...]:
        tiers = [
            Tier(tier.up_to, minor_per_major(tier.rate, self.currency), tier.flat_fee)
            for tier in self.tiers
        ]
        return tuple(_through(tiers, quantity, Basis.AMOUNT))


Charge = Standard | Graduated | Volume | Package | Percentage | GraduatedPercentage


def minor_per_major(rate: Decimal, currency: Currency) -> Decimal:
    """Return what `rate` percent of one major unit is in minor units: 1.3 % of a dollar is 1.3."""
    return EXACT.scaleb(rate, currency.exponent - 2)


def _through(tiers: Iterable[Tier], quantity: Decimal, basis: Basis) -> Iterator[RatedTier]:
    above = ZERO
    for number, tier in enumerate(tiers):
        if number and quantity <= above:
            return
        ceiling = quantity if tier.up_to is None else min(quantity, tier.up_to)
        inside = EXACT.subtract(ceiling, above)
        amount = EXACT.fma(inside, tier.unit_price, tier.flat_fee)
        yield RatedTier(inside, tier.unit_price, tier.flat_fee, amount, above, tier.up_to, basis)
        above = ceiling
