"""Who is who: companies, users, merchants, their sessions and keys, and the platform's terms."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant, one_of
from app.core.ids import new_id
from app.core.language import Language
from app.core.money import Currency

GLOBAL: Any = {"info": {"scale": "global"}}
REFERENCE: Any = {"info": {"scale": "reference"}}


class Mode(StrEnum):
    SANDBOX = "sandbox"
    LIVE = "live"


class Role(StrEnum):
    OWNER = "owner"


class DirectoryKind(StrEnum):
    EMAIL = "email"


class Scope(StrEnum):
    """What an API key may do. A route names the one it needs; nothing is implied."""

    USAGE_WRITE = "usage:write"
    USAGE_READ = "usage:read"
    CATALOG_READ = "catalog:read"
    CATALOG_WRITE = "catalog:write"
    CUSTOMER_READ = "customer:read"
    CUSTOMER_WRITE = "customer:write"
    INVOICE_READ = "invoice:read"
    INVOICE_WRITE = "invoice:write"
    CHECKOUT_WRITE = "checkout:write"
    REFUND_WRITE = "refund:write"
    WEBHOOK_READ = "webhook:read"
    WEBHOOK_WRITE = "webhook:write"
    LEDGER_READ = "ledger:read"
    AUDIT_READ = "audit:read"
    SANDBOX_WRITE = "sandbox:write"


class Company(Base):
    """The legal entity that signed up."""

    __tablename__ = "companies"
    __table_args__ = (GLOBAL,)

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    created_at: Mapped[datetime]


class User(Base):
    """A person who signs in. E-mail addresses are unique through the directory.

    `language` is that of the pages as they were last signed in on, or as was chosen since.
    """

    __tablename__ = "users"
    __table_args__ = (GLOBAL,)

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str]
    password_hash: Mapped[str]
    is_operator: Mapped[bool] = mapped_column(default=False)
    language: Mapped[Language] = mapped_column(
        default=Language.ZH_HANS_CN, server_default=text("'zh_Hans_CN'")
    )
    created_at: Mapped[datetime]


class DirectoryEntry(Base):
    """A key we did not choose (an e-mail address) and the row it leads to."""

    __tablename__ = "directory"
    __table_args__ = (GLOBAL,)

    kind: Mapped[DirectoryKind] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    target_id: Mapped[int]


class UserMerchant(Base):
    """Which merchants a user works for, and as what."""

    __tablename__ = "user_merchants"
    __table_args__ = (GLOBAL,)

    user_id: Mapped[int] = mapped_column(primary_key=True)
    merchant_id: Mapped[int] = mapped_column(primary_key=True)
    role: Mapped[Role]


class WebSession(Base):
    """One signed-in browser. The cookie holds the secret, this row its hash."""

    __tablename__ = "web_sessions"
    __table_args__ = (Index("ix_web_sessions_user_id", "user_id"), GLOBAL)

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    user_id: Mapped[int]
    merchant_id: Mapped[int | None]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    user_agent: Mapped[str]


class Merchant(Tenant, Base):
    """One company in one mode: the tenant. Sandbox and live are two merchants, never one."""

    __tablename__ = "merchants"
    __table_args__ = (
        one_of("mode", Mode),
        CheckConstraint("mode = 'sandbox' OR clock_offset = interval '0'", name="live_clock"),
        CheckConstraint("late_window_days BETWEEN 0 AND 3660", name="late_window_days"),
        CheckConstraint("grace_hours BETWEEN 0 AND 240", name="grace_hours"),
        CheckConstraint("refund_window_days BETWEEN 0 AND 365", name="refund_window_days"),
        {"info": {"scale": "tenant"}},
    )

    company_id: Mapped[int]
    mode: Mapped[Mode]
    name: Mapped[str]
    time_zone: Mapped[str] = mapped_column(default="Asia/Shanghai")
    settlement_currency: Mapped[Currency] = mapped_column(default=Currency.USD)
    invoice_prefix: Mapped[str]
    late_window_days: Mapped[int]
    grace_hours: Mapped[int]
    refund_window_days: Mapped[int] = mapped_column(default=180, server_default=text("180"))
    returns_fee: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    clock_offset: Mapped[timedelta] = mapped_column(default=timedelta(0))
    first_invoice_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    @property
    def is_sandbox(self) -> bool:
        return self.mode is Mode.SANDBOX


class Branding(Tenant, Base):
    """How a merchant's documents, mails and payment page look; at most one row each.

    Texts are empty where there is nothing to say. `color` is #rrggbb, dark enough to be read on
    white. `logo` is a PNG that we drew; its hash is its address.
    """

    __tablename__ = "brandings"
    __table_args__ = (
        CheckConstraint("color = '' OR color ~ '^#[0-9a-f]{6}$'", name="color"),
        CheckConstraint("(logo IS NULL) = (logo_sha256 IS NULL)", name="logo"),
        {"info": {"scale": "tenant"}},
    )

    legal_name: Mapped[str] = mapped_column(server_default="")
    legal_address: Mapped[str] = mapped_column(server_default="")
    tax_id: Mapped[str] = mapped_column(server_default="")
    color: Mapped[str] = mapped_column(server_default="")
    footer: Mapped[str] = mapped_column(server_default="")
    logo: Mapped[bytes | None] = mapped_column(deferred=True)  # most look only at its hash
    logo_sha256: Mapped[str | None]
    updated_at: Mapped[datetime]


class ApiKey(Tenant, Base):
    """A key of the API: found by its prefix, proved by the hash of the whole."""

    __tablename__ = "api_keys"
    __table_args__ = (
        UniqueConstraint("merchant_id", "prefix"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    prefix: Mapped[str]
    secret_hash: Mapped[bytes]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class PlatformTerms(Base):
    """What the platform charges, from a day on. A merchant's own row wins over merchant 0's."""

    __tablename__ = "platform_terms"
    __table_args__ = (REFERENCE,)

    for_merchant_id: Mapped[int] = mapped_column(primary_key=True)
    effective_from: Mapped[date] = mapped_column(primary_key=True)
    fee_bps: Mapped[int]
    fee_fixed_minor: Mapped[int]
    spread_bps: Mapped[int]
    wire_fee_minor: Mapped[int]
    wire_free_above_minor: Mapped[int]
    minimum_payout_minor: Mapped[int]
    grace_hours: Mapped[int]
    late_window_days: Mapped[int]
