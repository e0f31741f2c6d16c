"""How the tables come to be; the same on both databases."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from heliograph.directory.file import MessageTypeEntry
from heliograph.directory.quota import Quota
from heliograph.directory.secret import Secret
from heliograph.directory.store import database
from heliograph.directory.store.migrations import upgrade
from heliograph.directory.store.store import DirectoryStore
from heliograph.directory.store.tables import metadata
from heliograph.errors import SettingsError
from heliograph.limits import Limits


@pytest.fixture
def url(new_url: Secret) -> Secret:
    """Of a database without tables."""
    return new_url


def test_the_migrations_make_the_tables_of_the_source(store: DirectoryStore):
    with store._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_again_changes_nothing(store: DirectoryStore):
    store.migrate()
    assert store.revision() == 0


def test_message_types_of_the_first_version_stay_as_they_were(url: Secret):
    engine = database.connect(url, Limits())
    upgrade(engine, "0001")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO message_types (name, key, body) VALUES ('raw', '#', 'any')"))
    engine.dispose()
    store = DirectoryStore.open(url, Limits())
    assert store.export().message_types == (MessageTypeEntry(name="raw", key="#", body="any"),)
    store.close()


def test_a_partner_of_before_there_were_quotas_has_none(url: Secret):
    engine = database.connect(url, Limits())
    upgrade(engine, "0002")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO principals (kind, login) VALUES ('partner', 'ops@a.example')"))
        connection.execute(
            text("INSERT INTO partners (principal, id, name, disabled) SELECT id, 7, 'A', 1 = 0 FROM principals")
        )
    engine.dispose()
    store = DirectoryStore.open(url, Limits())
    (partner,) = store.export().partners
    assert (partner.id, partner.quota) == (7, Quota())
    store.close()


def test_tables_of_a_newer_version_are_left_alone(store: DirectoryStore):
    with store._engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SettingsError, match="newer version of heliograph"):
        store.migrate()
