"""How the tables came to be, step by step, with Alembic; ``upgrade`` is run at every start."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine, text

from heliograph.directory.store.database import writing
from heliograph.errors import SettingsError

#: PostgreSQL's advisory lock of whoever migrates: any number that is always the same.
_LOCK = 0x48454C494F
#: Up to which step; a test of a later one begins with an earlier one.
TARGET = "head"


def upgrade(engine: Engine) -> None:
    """Bring the tables to this version, in one transaction.  Of several nodes one does it, the others wait."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, TARGET)
        except CommandError:
            raise SettingsError(
                "Bad directory", "its tables are of a newer version of heliograph. Start that version, or a newer one."
            ) from None
