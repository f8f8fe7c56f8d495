"""Commands: `flask --app wsgi …`, on the instance of INSTANCE_DIR, whether it runs or not."""

import secrets
import sys
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import click
from flask import Flask
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from app.cli.listening import listen
from app.core import clock
from app.core.errors import Refusal
from app.core.ids import show_merchant
from app.extensions import reading, transaction
from app.identity import accounts, clocks
from app.identity.queries import list_merchant_ids
from app.ledger import queries as ledger_queries
from app.metering import days, rollups

ledger = AppGroup("ledger", help="The books.")
usage = AppGroup("usage", help="What was counted of usage.")


of_one = click.option("--merchant", "only", help="The id of the only merchant that is meant.")


def register(app: Flask) -> None:
    """Add the product's commands to `flask`."""
    app.cli.add_command(create_admin)
    app.cli.add_command(ledger)
    app.cli.add_command(usage)
    app.cli.add_command(listen)


@click.command("create-admin")
@click.argument("email")
def create_admin(email: str) -> None:
    """Make an admin of the platform and print the password, once."""
    password = secrets.token_urlsafe(18)
    try:
        with transaction(None) as session:
            accounts.register_user(session, email, password, is_operator=True, now=clock.now())
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal
    click.echo(f"{email}\n{password}")


@ledger.command("check")
@of_one
def check_ledger(only: str | None) -> None:
    """Read merchants' books again, all of them; exit with 1 when one does not balance."""
    with reading() as session:
        merchants = _chosen(session, only)
    wrong = 0
    for merchant_id in merchants:
        with transaction(merchant_id) as session:
            found = ledger_queries.unbalanced(session)
        wrong += len(found)
        for line in found:
            click.echo(f"{show_merchant(merchant_id)}: {line}", err=True)
    click.echo(f"{len(merchants)} merchants checked, {wrong} faults")
    sys.exit(1 if wrong else 0)


@usage.command("check")
@of_one
def check_usage(only: str | None) -> None:
    """Count every event again; exit with 1 when a roll-up or a day says something else."""
    with reading() as session:
        merchants = _chosen(session, only)
        last = days.last_refresh(session)
        touched = days.touched_days(session, since=last) if last else {}
    wrong = 0
    for merchant_id in merchants:
        with transaction(merchant_id) as session:
            zone = ZoneInfo(clocks.get_merchant(session).time_zone)
            days.recount_days(session, touched.get(merchant_id, ()))  # which is due, not wrong
            found = [*rollups.wrong_rollups(session, zone=zone), *days.wrong_days(session)]
        wrong += len(found)
        for fault in found:
            click.echo(f"{show_merchant(merchant_id)}: {fault}", err=True)
    click.echo(f"{len(merchants)} merchants checked, {wrong} faults")
    sys.exit(1 if wrong else 0)


@usage.command("rebuild-days")
@of_one
def rebuild_days(only: str | None) -> None:
    """Add up the days of charts again, all of them, from the roll-ups."""
    with reading() as session:
        merchants = _chosen(session, only)
    for merchant_id in merchants:
        with transaction(merchant_id) as session:
            days.recount_days(session, days.every_day(session))
    click.echo(f"{len(merchants)} merchants rebuilt")


def _chosen(reader: Session, only: str | None) -> Sequence[int]:
    """Return the merchants that are meant: the one of this id, or all."""
    merchants = list_merchant_ids(reader)
    if only is None:
        return merchants
    found = [merchant_id for merchant_id in merchants if show_merchant(merchant_id) == only]
    if not found:
        raise click.BadParameter("there is no merchant of this id", param_hint="--merchant")
    return found
