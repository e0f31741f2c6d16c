"""Engines for tests that have no event loop of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.in_memory import stop_engines


@pytest.fixture(autouse=True)
def stop() -> Iterator[None]:
    """All that ``make_engine`` made."""
    yield
    stop_engines()
