"""The stored directory: its unit tests again, on PostgreSQL."""

import pytest

from tests.unit.directory.store.test_store import *  # noqa: F403

pytestmark = pytest.mark.needs_postgresql
