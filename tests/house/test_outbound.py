"""X065: what merchants and payers write is nowhere fetched: few modules can reach another machine.

A logo is uploaded, never linked; a return URL is where a browser goes; a document is printed from
what it holds. Whoever needs a connection writes his module down here, and says to whom it leads.
"""

import re

from tests.house.test_source import PRODUCT, name

NETWORK = {
    *("aiohttp", "ftplib", "httpx", "http.client", "requests", "smtplib", "socket", "ssl"),
    *("telnetlib", "urllib.request", "urllib3"),
}
CONNECTING = {
    "app/channels/alipay.py": "Alipay, at the address that the operator sets",
    "app/channels/alipay_calls.py": "the same",
    "app/channels/wechat.py": "WeChat Pay, at the address that the operator sets",
    "app/channels/wechat_calls.py": "the same",
    "app/channels/wechat_login.py": "the same",
    "app/channels/wire.py": "the client of both",
    "app/mail/delivery.py": "the operator's mail server",
    "app/webhooks/guard.py": "names of webhook endpoints, each answer judged",
    "app/webhooks/sending.py": "webhook endpoints, by the addresses that were judged",
    "app/extensions.py": "opens the clients above",
    "app/cli/listening.py": "a developer's own machine, from his own command line",
    "app/demo/paying.py": "the simulator",
    "app/simulator/courier.py": "the merchants of the simulator",
    "app/__main__.py": "this machine: its own children",
    "app/embedded/ports.py": "the same",
    "app/embedded/service.py": "the same",
    "app/embedded/valkey.py": "the same",
}


_IMPORTS = re.compile(r"^(?:from|import) ([\w.]+)", re.MULTILINE)


def test_x065_only_these_modules_can_reach_another_machine() -> None:
    found = {name(path) for path in PRODUCT if NETWORK & set(_IMPORTS.findall(path.read_text()))}

    assert found == CONNECTING.keys()
