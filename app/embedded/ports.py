"""Whether a port can be listened on, asked before anything is started."""

import os
import socket
import time

ENDING_SECONDS = 3
"""How long a killed process may keep its port: its command line is gone before its sockets are."""


def why_taken(host: str, port: int) -> str:
    """Return the system's reason why nobody can listen there, empty when somebody can.

    A port is given `ENDING_SECONDS` to become free, for those who were ended just now.
    """
    deadline = time.monotonic() + ENDING_SECONDS
    while reason := _refusal(host, port):
        if time.monotonic() > deadline:
            return reason
        time.sleep(0.05)
    return ""


def _refusal(host: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return os.strerror(error.errno or 0).lower()
    return ""
