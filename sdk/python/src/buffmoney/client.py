"""The client: one key, one server."""

from __future__ import annotations

import atexit
import os
import platform
import re
import time
import uuid
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, final

from buffmoney import json_text
from buffmoney.buffering import Limits
from buffmoney.errors import BuffMoneyError
from buffmoney.events import Result, Undelivered
from buffmoney.retries import LONGEST_PAUSE, pause
from buffmoney.transport import Transport
from buffmoney.usage import Reports, Usage
from buffmoney.version import __version__

TRIES = 3
"""How often `request` sends, at most."""
EXIT_TIMEOUT = 5.0
"""Seconds that the end of the process may take to send what waits."""

_KEY = re.compile(r"[\x21-\x7e]+")
_PATH = re.compile(r"/[\x21-\x7e]*")
_API = "/api/v1"
_clients: weakref.WeakSet[BuffMoney] = weakref.WeakSet()


@final
class BuffMoney:
    """A client of the API: make one and keep it. Safe to use from any thread, and after a fork.

    What waits is sent when the process ends, for 5 seconds at most; `close` it, or use it in a
    `with`, where it ends before.
    """

    def __init__(  # noqa: PLR0913  # each is a choice of the caller's
        self,
        api_key: str,
        *,
        base_url: str,
        timeout: float = 10.0,
        linger: float = 0.5,
        max_queue: int = 100_000,
        max_queue_bytes: int = 64 << 20,
        block_timeout: float = 0.0,
        max_age: float = 3600.0,
        on_result: Callable[[Result], None] | None = None,
        on_error: Callable[[Undelivered], None] | None = None,
        allow_http: bool = False,
    ) -> None:
        """Open no connection yet; times are seconds.

        `timeout` is for each operation on the network. Events wait `linger` for others to share
        a request, and for room in the queue `block_timeout` before `track` raises QueueFull.
        What could not be delivered for `max_age` is given up.

        `on_result` is told of every event that was not simply accepted, `on_error` of those that
        were given up. Raises ValueError on a key or URL that can not be one, and on plain HTTP to
        another machine unless `allow_http`: the key would be readable on the way.
        """
        if not _KEY.fullmatch(api_key):
            raise ValueError("the API key is not one")  # and is shown to nobody
        headers = {
            "Authorization": f"Bearer {api_key}",
            "Accept": "application/json",
            "User-Agent": f"buffmoney-python/{__version__} Python/{platform.python_version()}",
        }
        self._transport = Transport(base_url, headers=headers, timeout=timeout)
        if not self._transport.is_private and not allow_http:
            raise ValueError("base_url is https, or http on this machine")
        self._base_url = base_url
        self.usage = Usage(
            self._transport,
            Limits(max_queue, max_queue_bytes, linger, max_age),
            block_timeout=block_timeout,
            reports=Reports(on_result, on_error),
        )
        _clients.add(self)
        atexit.register(self.close, EXIT_TIMEOUT)

    def request(
        self, method: str, path: str, json: object = None, *, idempotency_key: str | None = None
    ) -> Any:
        """Call any other operation, such as `request("POST", "/customers", {…})`.

        Returns the decoded answer. A call that writes carries an idempotency key, so that it is
        safe to send again: it is, up to twice, where that may help. Raises ApiError and NoAnswer.
        """
        if not _PATH.fullmatch(path):
            raise ValueError(f"path is what follows {_API}, quoted, and begins with /")
        body = None if json is None else json_text.write(json)
        key = idempotency_key or ("" if method == "GET" else str(uuid.uuid4()))
        send = partial(self._transport.call, method, _API + path, body=body, idempotency_key=key)
        for failures in range(1, TRIES):
            try:
                return send()
            except BuffMoneyError as error:  # noqa: PERF203  # to try again is what it is for
                if not error.is_transient or error.retry_after > LONGEST_PAUSE:
                    raise
                time.sleep(max(pause(failures), error.retry_after))
        return send()

    def close(self, timeout: float = 10.0) -> None:
        """Send what waits, for `timeout` seconds at most, and end. Closing again does nothing."""
        atexit.unregister(self.close)
        _clients.discard(self)
        self.usage.close(timeout)
        self._transport.close()

    def __enter__(self) -> BuffMoney:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"BuffMoney(base_url={self._base_url!r})"

    def _start_over(self) -> None:
        """Begin anew in a forked child: the parent's connections and events are the parent's."""
        self._transport.drop()
        self.usage.start_over()


def _start_over_in_child() -> None:
    for client in list(_clients):
        client._start_over()  # noqa: SLF001  # no caller's business


if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(after_in_child=_start_over_in_child)
