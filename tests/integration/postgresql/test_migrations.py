"""The migrations: its unit tests again, on PostgreSQL."""

import pytest

from tests.unit.directory.store.test_migrations import *  # noqa: F403

pytestmark = pytest.mark.needs_postgresql
