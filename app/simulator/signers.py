"""What WeChat Pay signs with: its public key, a platform certificate, or now one and now the other.

A merchant that changes from one to the other hears both for about a week; a certificate that is
about to end is followed by the next, and both are good meanwhile.
"""

import random
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from app.simulator import certificates, keys
from app.simulator.certificates import Issuer
from app.simulator.keys import WeChatIdentity

LIFETIME = timedelta(days=5 * 365)


class SignsWith(StrEnum):
    PUBLIC_KEY = "public_key"
    CERTIFICATE = "certificate"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Signer:
    """A key of WeChat Pay's, by the name its signatures carry."""

    serial: str
    key: RSAPrivateKey


@dataclass(frozen=True, slots=True)
class PlatformCertificate:
    serial: str
    pem: str
    private_key_pem: str
    made_at: datetime
    expires_at: datetime


def signs_with(db: sqlite3.Connection) -> SignsWith:
    row = db.execute("SELECT signs_with FROM signers").fetchone()
    return SignsWith(row["signs_with"]) if row else SignsWith.PUBLIC_KEY


def sign_with(db: sqlite3.Connection, wanted: SignsWith, *, now: datetime) -> None:
    """Sign so from here on; the first certificate is made when it is first wanted."""
    if wanted is not SignsWith.PUBLIC_KEY and not in_force(db):
        rotate(db, now=now)
    db.execute("DELETE FROM signers")
    db.execute("INSERT INTO signers (signs_with) VALUES (?)", (wanted,))


def rotate(db: sqlite3.Connection, *, now: datetime) -> PlatformCertificate:
    """Make the next certificate; it signs from here on, and those before it stay good."""
    private_key_pem = keys.new_pem()
    key, end = keys.private(private_key_pem), now + LIFETIME
    issuer = Issuer("Simulated WeChat Pay Root", key)
    pem = certificates.issue(
        "Simulated WeChat Pay", key.public_key(), issuer, valid_from=now, valid_to=end
    )
    made = PlatformCertificate(certificates.hex_serial(pem), pem, private_key_pem, now, end)
    db.execute(
        "INSERT INTO certificates (serial, certificate_pem, private_key_pem, made_at, expires_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (made.serial, made.pem, made.private_key_pem, made.made_at, made.expires_at),
    )
    return made


def in_force(db: sqlite3.Connection) -> list[PlatformCertificate]:
    """Return the certificates there are, the newest first."""
    rows = db.execute("SELECT * FROM certificates ORDER BY made_at DESC")
    return [
        PlatformCertificate(
            row["serial"],
            row["certificate_pem"],
            row["private_key_pem"],
            row["made_at"],
            row["expires_at"],
        )
        for row in rows
    ]


def signer(db: sqlite3.Connection, identity: WeChatIdentity, *, asked_for: str = "") -> Signer:
    """Return what signs the next message: the key a merchant asked for, where we have it."""
    public = Signer(identity.platform_public_key_id, identity.platform_key)
    if asked_for == public.serial:
        return public
    found = in_force(db)
    by_serial = {certificate.serial: certificate for certificate in found}
    if asked_for in by_serial:
        return _signer(by_serial[asked_for])
    with_ = signs_with(db)
    is_public = with_ is SignsWith.PUBLIC_KEY or (
        with_ is SignsWith.EITHER and random.random() < 0.5  # noqa: S311, PLR2004 — a coin, no secret
    )
    return public if is_public or not found else _signer(found[0])


def _signer(certificate: PlatformCertificate) -> Signer:
    return Signer(certificate.serial, _loaded(certificate.private_key_pem))


@lru_cache(maxsize=16)
def _loaded(pem: str) -> RSAPrivateKey:
    return keys.private(pem)
