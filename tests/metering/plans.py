"""How PostgreSQL would run what a function asks, on tables too small for it to care."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session


def plans(session: Session, act: Callable[[], object]) -> str:
    """Return the plans of all statements that `act` runs, where an index is always worth it."""
    ran: list[tuple[str, Any]] = []

    def remember(*seen: Any) -> None:
        _connection, _cursor, statement, parameters, *_rest = seen
        ran.append((statement, parameters))

    connection = session.connection()
    connection.exec_driver_sql("ANALYZE usage_events")  # what was counted before may be anything
    event.listen(connection, "before_cursor_execute", remember)
    act()
    event.remove(connection, "before_cursor_execute", remember)
    for setting in ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"):
        connection.exec_driver_sql(f"SET LOCAL {setting} = off")
    lines = [
        line
        for statement, parameters in ran
        for (line,) in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
    ]
    for setting in ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"):
        connection.exec_driver_sql(f"SET LOCAL {setting} = on")
    return "\n".join(lines)
