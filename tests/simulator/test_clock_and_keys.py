"""The book's clock can be moved and the platform's keys can change; signatures stay real."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from app.channels.alipay import Alipay, AlipaySettings
from app.channels.base import BadNotice, ChannelRefused, TradeState
from app.channels.wechat import Wechat
from app.simulator import certificates, orders
from app.simulator.book import EDITIONS, Book
from app.simulator.clock import now
from app.simulator.orders import Channel, Product
from tests.simulator.inside import Inside, ask_for

FIRST_EDITION = """
INSERT INTO orders VALUES ('wechat', 'T1', '', 'Pro', 29900, 'http://x/', '',
    '2026-11-20T10:00:00+00:00', '2026-11-27T10:00:00+00:00', NULL, 'weixin://1',
    '2026-11-20T12:00:00+00:00', 'open', NULL, 0, NULL, NULL, NULL, '');
INSERT INTO notices VALUES ('EV-1', 'wechat', 'T1', 'http://x/',
    '{"create_time":"now","transaction":{"trade_state":"SUCCESS"}}',
    '2026-11-20T10:00:00+00:00', NULL);
INSERT INTO sendings VALUES (1, 'EV-1', 0, 1, '2026-11-20T10:00:00+00:00', NULL, NULL);
"""
CHANNELS = pytest.mark.parametrize("name", ["wechat", "alipay"])


def wechat(inside: Inside) -> Wechat:
    found = inside.channels["wechat"]
    assert isinstance(found, Wechat)
    return found


@CHANNELS
def test_an_order_expires_when_the_clock_is_moved(inside: Inside, name: str) -> None:
    ask = inside.opened(name)
    inside.control("clock", advanceSeconds=15 * 60)

    answer = inside.http.post("/control/pay", json={"outTradeNo": ask.out_trade_no})

    assert answer.status_code == 409


@CHANNELS
def test_a_merchant_whose_clock_is_real_orders_all_the_same(inside: Inside, name: str) -> None:
    inside.control("clock", advanceSeconds=30 * 86_400)

    ask = inside.paid(name)

    assert inside.channels[name].query(ask.out_trade_no, now=now()).state is TradeState.PAID


def test_a_clock_runs_faster_from_where_it_stands(inside: Inside) -> None:
    start = inside.parts.now()
    inside.control("clock", pace=86_400, advanceSeconds=3600)

    clock = inside.parts.clock()

    set_at = clock.real
    assert clock.at(set_at) - start >= timedelta(hours=1)
    assert clock.at(set_at + timedelta(seconds=2)) - clock.at(set_at) == timedelta(days=2)


def test_a_fast_clock_gives_an_order_its_fifteen_minutes(inside: Inside) -> None:
    inside.control("clock", pace=1000)
    ask = inside.opened("wechat")

    with inside.parts.book.reading() as db:
        order = orders.find(db, Channel.WECHAT, ask.out_trade_no)

    assert order is not None
    lifetime = order.payable_until - order.created_at
    assert timedelta(minutes=14 * 1000) < lifetime <= timedelta(minutes=15 * 1000)


def test_a_clock_goes_back_to_the_real_time(inside: Inside) -> None:
    inside.control("clock", advanceSeconds=86_400, pace=60)

    shown = inside.control("clock", reset=True)

    assert shown["pace"] == 1
    assert abs(datetime.fromisoformat(shown["now"]) - now()) < timedelta(seconds=30)


@pytest.mark.parametrize(
    "ask", [{"advanceSeconds": -1}, {"pace": 0}, {"pace": 1e9}, {"advanceSeconds": "1"}, {"x": 1}]
)
def test_a_clock_is_not_moved_anyhow(inside: Inside, ask: dict[str, object]) -> None:
    assert inside.http.post("/control/clock", json=ask).status_code == 400


def test_a_merchant_with_the_public_key_has_no_certificates(inside: Inside) -> None:
    with pytest.raises(ChannelRefused, match="RESOURCE_NOT_EXISTS"):
        wechat(inside).fetch_certificates(now=now())


def test_a_certificate_is_fetched_and_verifies_what_is_told(inside: Inside) -> None:
    shown = inside.control("keys", signsWith="certificate")
    inside.paid("wechat")
    [told] = inside.deliver()
    assert told.headers["Wechatpay-Serial"] == shown["certificates"][0]
    with pytest.raises(BadNotice):
        inside.read("wechat", told)

    wechat(inside).learn_certificates(wechat(inside).fetch_certificates(now=now()))

    assert inside.read("wechat", told)


def test_old_and_new_certificates_are_good_together(inside: Inside) -> None:
    inside.control("keys", signsWith="certificate")
    inside.paid("wechat")
    before = inside.deliver()
    shown = inside.control("keys", rotate=True)
    inside.paid("wechat")
    after = inside.deliver()

    wechat(inside).learn_certificates(wechat(inside).fetch_certificates(now=now()))

    serials = [told.headers["Wechatpay-Serial"] for told in (*after, *before)]
    assert serials == shown["certificates"]
    assert len(set(serials)) == 2
    assert all(inside.read("wechat", told) for told in (*before, *after))


def test_while_it_changes_both_keys_sign(inside: Inside) -> None:
    inside.control("keys", signsWith="either")
    ask = inside.paid("wechat")
    inside.control("notify", outTradeNo=ask.out_trade_no, times=40)

    serials = {told.headers["Wechatpay-Serial"] for told in inside.deliver()}

    assert len(serials) == 2


def test_answers_are_signed_with_the_key_that_is_asked_for(inside: Inside) -> None:
    inside.control("keys", signsWith="certificate")

    ask = inside.opened("wechat")  # a client that names its public key, and knows no other

    assert wechat(inside).query(ask.out_trade_no, now=now()).state is TradeState.PENDING


def in_certificate_mode(inside: Inside, *, app: str) -> Alipay:
    """Return the merchant's gateway as one who was handed these certificates."""
    folder = inside.parts.settings.instance_dir
    handed_over = msgspec.json.decode((folder / "simulator.json").read_bytes())
    pems = handed_over["alipay_certificates"]
    certified = {
        "alipay_public_key_pem": pems["alipay_cert_pem"],
        "app_certificate_pem": pems[app],
        "alipay_root_certificates_pem": pems["alipay_root_cert_pem"],
    }
    return Alipay(AlipaySettings(**(handed_over["alipay"] | certified)), client=inside.http)


def test_alipay_knows_a_merchant_by_his_certificate(inside: Inside) -> None:
    alipay, ask = in_certificate_mode(inside, app="app_cert_pem"), ask_for("alipay")

    opened = alipay.open(ask, now=now())
    inside.control("pay", qr=opened.payload)

    assert alipay.query(ask.out_trade_no, now=now()).state is TradeState.PAID


def test_alipay_knows_no_other_certificate(inside: Inside) -> None:
    alipay = in_certificate_mode(inside, app="alipay_cert_pem")

    with pytest.raises(ChannelRefused, match=r"isv\.invalid-app-cert-sn"):
        alipay.query("T00000001", now=now())


def test_the_chain_of_certificates_holds(inside: Inside) -> None:
    chain = inside.parts.identity.alipay.certificates
    root = x509.load_pem_x509_certificate(chain.root.encode())
    key = root.public_key()
    assert isinstance(key, RSAPublicKey)

    for pem in (chain.root, chain.alipay, chain.app):
        certificate = x509.load_pem_x509_certificate(pem.encode())
        certificate.verify_directly_issued_by(root)
        hashed = certificate.signature_hash_algorithm
        assert hashed is not None
        key.verify(certificate.signature, certificate.tbs_certificate_bytes, PKCS1v15(), hashed)
    assert len({chain.root_serial, chain.alipay_serial, chain.app_serial}) == 3


def test_the_same_keys_make_the_same_certificates(inside: Inside) -> None:
    alipay = inside.parts.identity.alipay

    assert certificates.chain(alipay.alipay_key, alipay.app_key) == alipay.certificates
    assert len(certificates.hex_serial(alipay.certificates.app)) == 40


def test_a_book_of_the_first_edition_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(EDITIONS[0])
        db.executescript(FIRST_EDITION)

    with Book(path).reading() as db:
        order = orders.find(db, Channel.WECHAT, "T1")
        content = db.execute("SELECT content FROM notices").fetchone()[0]
        twist = db.execute("SELECT twist FROM sendings").fetchone()[0]

    assert order is not None
    assert order.product is Product.NATIVE
    assert msgspec.json.decode(content) == {
        "create_time": "now",
        "event_type": "TRANSACTION.SUCCESS",
        "summary": "支付成功",
        "original_type": "transaction",
        "resource": {"trade_state": "SUCCESS"},
    }
    assert twist == "bad_signature"
