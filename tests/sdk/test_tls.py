"""The key and the events go over TLS, to a server that proves who it is and to no other."""

import datetime as dt
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from buffmoney import NoAnswer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.core import clock
from tests.sdk.conftest import Heard
from tests.sdk.stub import Stub


def make_certificate(folder: Path) -> Path:
    """Write a certificate of 127.0.0.1 that signs itself, with its private key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(clock.now() - dt.timedelta(days=1))
        .not_valid_after(clock.now() + dt.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "server.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path)


@pytest.fixture
def secure_stub(certificate: Path) -> Iterator[Stub]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    stub = Stub(tls=tls)
    stub.start()
    yield stub
    stub.stop()


def test_a_server_that_is_trusted_gets_the_events(
    secure_stub: Stub, certificate: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with heard.connect(secure_stub.url) as client:
        for _ in range(3):
            client.usage.track("user_42", "tokens_input", 1)
            assert client.usage.flush(10)

    assert len(secure_stub.counted) == 3
    assert len({request.connection for request in secure_stub.requests}) == 1


def test_a_server_that_nobody_vouches_for_gets_nothing(secure_stub: Stub, heard: Heard) -> None:
    client = heard.connect(secure_stub.url, max_age=0)
    client.usage.track("user_42", "tokens_input", 1)
    assert client.usage.flush(10)
    client.close()

    assert secure_stub.requests == []
    assert isinstance(heard.undelivered[0].error, NoAnswer)
    assert "CERTIFICATE_VERIFY_FAILED" in str(heard.undelivered[0].error)
