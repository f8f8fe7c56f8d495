"""A connection that the server has closed is replaced before anybody notices."""

import psycopg
from flask import Flask
from sqlalchemy import make_url, text

from app.extensions import transaction
from tests.conftest import Databases

WHO = text("SELECT pg_backend_pid()")
AGAIN = 5


def test_a_server_that_restarted_costs_nobody_an_error(
    web_app: Flask, databases: Databases
) -> None:
    with web_app.app_context():
        for _ in range(AGAIN):
            with transaction(None) as session:
                pid = session.scalar(WHO)
            _end(databases.owner, pid)
            with transaction(None) as session:
                assert session.scalar(WHO) != pid


def test_a_connection_that_lives_is_kept(web_app: Flask) -> None:
    with web_app.app_context():
        with transaction(None) as session:
            pid = session.scalar(WHO)
        with transaction(None) as session:
            assert session.scalar(WHO) == pid


def _end(owner_url: str, pid: int | None) -> None:
    """End a connection at the server and wait until it is gone."""
    url = make_url(owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
