"""How the tables came to be, step by step, with Alembic; ``upgrade`` is called at every start."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, inspect, text

from heliograph.directory.store.database import reading, writing
from heliograph.errors import SettingsError

#: PostgreSQL's advisory lock of whoever migrates: any number that is always the same.
_LOCK = 0x48454C494F

#: The last step: ``versions/v0001_directory.py`` is "0001".
_HEAD = max(path.name for path in (Path(__file__).parent / "versions").glob("v*.py"))[1:5]


def upgrade(engine: Engine, step: str = "head") -> None:
    """Bring the tables to this version, in one transaction.  Of several nodes one does it, the others wait."""
    if _revision(engine) == _HEAD:
        return
    from alembic import command  # takes longer than all else here, and most starts need none of it
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, step)
        except CommandError:
            raise SettingsError(
                "Bad directory", "its tables are of a newer version of heliograph. Start that version, or a newer one."
            ) from None


def _revision(engine: Engine) -> str | None:
    """Which step the tables are of; None where there are none."""
    with reading(engine) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found
