"""What the simulator is told from outside; the only module that reads the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 — read, to name a reachable one


class BadSetting(ValueError):
    """A setting is not what it must be; the message names it."""


@dataclass(frozen=True)
class Settings:
    """`time_scale` divides the gaps between resent notices: 60 makes a minute a second."""

    instance_dir: Path
    host: str = "127.0.0.1"
    port: int = 8001
    time_scale: float = 1.0

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        """Read INSTANCE_DIR, HOST, SIMULATOR_PORT and SIMULATOR_TIME_SCALE. Raises BadSetting."""
        try:
            settings = cls(
                instance_dir=Path(environ.get("INSTANCE_DIR", "instance")).resolve(),
                host=environ.get("HOST", cls.host),
                port=int(environ.get("SIMULATOR_PORT", "8001")),
                time_scale=float(environ.get("SIMULATOR_TIME_SCALE", "1")),
            )
        except ValueError as wrong:
            raise BadSetting(
                f"SIMULATOR_PORT and SIMULATOR_TIME_SCALE are numbers: {wrong}"
            ) from None
        if not settings.time_scale > 0:
            raise BadSetting("SIMULATOR_TIME_SCALE must be above 0")
        return settings

    @property
    def folder(self) -> Path:
        return self.instance_dir / "simulator"

    @property
    def base_url(self) -> str:
        host = EVERY_ADDRESS.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
