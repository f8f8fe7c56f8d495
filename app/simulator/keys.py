"""Who the simulator is: both sides' keys, made at the first start and kept for ever.

A real channel never sees its merchants' private keys. This one makes them too, because it also
plays the console where a merchant would fetch them; its doors use only their public halves.
"""

import hashlib
import os
import secrets
import tempfile
from functools import cached_property
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.simulator import certificates
from app.simulator.settings import Settings


class WeChatIdentity(msgspec.Struct, frozen=True, dict=True):
    mchid: str
    appid: str
    merchant_serial: str
    merchant_private_key_pem: str
    api_v3_key: str
    platform_public_key_id: str
    platform_private_key_pem: str

    @property
    def app_secret(self) -> str:
        """What the merchant logs payers in with; made of what an identity had from the start."""
        return hashlib.sha256(f"app secret {self.api_v3_key}".encode()).hexdigest()[:32]

    @cached_property
    def merchant_key(self) -> rsa.RSAPublicKey:
        return private(self.merchant_private_key_pem).public_key()

    @cached_property
    def platform_key(self) -> rsa.RSAPrivateKey:
        return private(self.platform_private_key_pem)


class AlipayIdentity(msgspec.Struct, frozen=True, dict=True):
    app_id: str
    seller_id: str
    app_private_key_pem: str
    alipay_private_key_pem: str

    @cached_property
    def app_key(self) -> rsa.RSAPublicKey:
        return private(self.app_private_key_pem).public_key()

    @cached_property
    def alipay_key(self) -> rsa.RSAPrivateKey:
        return private(self.alipay_private_key_pem)

    @cached_property
    def certificates(self) -> certificates.Chain:
        """The same keys, for a merchant in certificate mode."""
        return certificates.chain(self.alipay_key, self.app_key)


class Identity(msgspec.Struct, frozen=True):
    wechat: WeChatIdentity
    alipay: AlipayIdentity


def load_or_make(folder: Path) -> Identity:
    """Return the identity kept in `folder`, made and written whole (0600) when there is none."""
    path = folder / "keys.json"
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Identity)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    identity = make()
    write_private(path, msgspec.json.encode(identity))
    return identity


def make() -> Identity:
    mchid = "1" + digits(9)
    return Identity(
        wechat=WeChatIdentity(
            mchid=mchid,
            appid="wx" + secrets.token_hex(8),
            merchant_serial=secrets.token_hex(20).upper(),
            merchant_private_key_pem=new_pem(),
            api_v3_key=secrets.token_hex(16),
            platform_public_key_id=f"PUB_KEY_ID_01{mchid}{digits(16)}",
            platform_private_key_pem=new_pem(),
        ),
        alipay=AlipayIdentity(
            app_id="9021" + digits(12),
            seller_id="2088" + digits(12),
            app_private_key_pem=new_pem(),
            alipay_private_key_pem=new_pem(),
        ),
    )


def hand_over(settings: Settings, identity: Identity) -> None:
    """Write `simulator.json` (0600): all a merchant's gateways need to talk to this simulator."""
    wechat, alipay, base = identity.wechat, identity.alipay, settings.base_url
    content = {
        "wechat": {
            "base_url": base,
            "mchid": wechat.mchid,
            "appid": wechat.appid,
            "merchant_serial": wechat.merchant_serial,
            "merchant_private_key_pem": wechat.merchant_private_key_pem,
            "api_v3_key": wechat.api_v3_key,
            "platform_public_key_id": wechat.platform_public_key_id,
            "platform_public_key_pem": _public_pem(wechat.platform_key.public_key()),
        },
        "alipay": {
            "gateway_url": f"{base}/gateway.do",
            "app_id": alipay.app_id,
            "seller_id": alipay.seller_id,
            "app_private_key_pem": alipay.app_private_key_pem,
            "alipay_public_key_pem": _public_pem(alipay.alipay_key.public_key()),
        },
        "alipay_certificates": {
            "app_cert_pem": alipay.certificates.app,
            "alipay_cert_pem": alipay.certificates.alipay,
            "alipay_root_cert_pem": alipay.certificates.root,
        },
        "wechat_login": {
            "authorize_url": f"{base}/connect/oauth2/authorize",
            "token_url": f"{base}/sns/oauth2/access_token",
            "appid": wechat.appid,
            "app_secret": wechat.app_secret,
        },
        "payer_url": f"{base}/pay",
    }
    encoded = msgspec.json.format(msgspec.json.encode(content))
    write_private(settings.instance_dir / "simulator.json", encoded)


def write_private(path: Path, content: bytes) -> None:
    """Put `content` at `path`, readable by us alone: all of it or, after a crash, none of it."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)


def digits(count: int) -> str:
    return "".join(secrets.choice("0123456789") for _ in range(count))


def new_pem() -> str:
    """Make a private key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _public_pem(key: rsa.RSAPublicKey) -> str:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def private(pem: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the channels' keys are RSA keys")
    return key
