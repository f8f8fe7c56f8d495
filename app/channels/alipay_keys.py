"""What Alipay signs with, and the numbers by which certificates are named in its protocol."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from app.channels import signing
from app.channels.signing import VerifyingKey
from app.channels.wire import Untrusted

_RSA_SIGNATURES = "1.2.840.113549.1.1."


def certificate_sn(certificate: x509.Certificate) -> str:
    """Return the SN of a certificate: the MD5 of its issuer and its serial in decimal."""
    named = f"{certificate.issuer.rfc4514_string()}{certificate.serial_number}"
    return hashlib.md5(named.encode(), usedforsecurity=False).hexdigest()


def root_sn(bundle: str) -> str:
    """Return the SN of a bundle of roots: those signed with RSA. Raises ValueError on none."""
    roots = [
        certificate
        for certificate in x509.load_pem_x509_certificates(bundle.encode())
        if certificate.signature_algorithm_oid.dotted_string.startswith(_RSA_SIGNATURES)
    ]
    if not roots:
        raise ValueError("the bundle of roots holds none that signs with RSA")
    return "_".join(certificate_sn(root) for root in roots)


@dataclass(frozen=True, slots=True)
class AlipayKeys:
    """Alipay's public keys or certificates: the one it uses and, while it changes, the other."""

    keys: tuple[VerifyingKey, ...]

    @classmethod
    def load(cls, pems: Iterable[str]) -> "AlipayKeys":
        """Read keys in PEM. Raises ValueError."""
        return cls(tuple(signing.load_verifying_key(pem) for pem in pems))

    def verify(self, message: bytes, signature: str, *, cert_sn: str | None, now: datetime) -> None:
        """Check that one of the keys signed `message`: the named one, if one is named.

        A certificate we do not have is never fetched because an answer names it. Raises Untrusted.
        """
        fitting = [known for known in self.keys if known.is_valid(now) and _fits(known, cert_sn)]
        if not fitting:
            raise Untrusted("the certificate is none of ours, or has expired")
        *others, last = fitting
        for known in others:
            try:
                return signing.verify(known.key, message, signature)
            except Untrusted:
                continue  # the next one may have signed it
        return signing.verify(last.key, message, signature)


def _fits(known: VerifyingKey, cert_sn: str | None) -> bool:
    if known.certificate is None or cert_sn is None:
        return True
    return certificate_sn(known.certificate) == cert_sn
