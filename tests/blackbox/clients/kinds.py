"""All clients, and the choice of those that can say what a scenario is about."""

import pytest

from tests.blackbox.clients import node, stomp_py, stompman_
from tests.blackbox.clients.connection import Kind

KINDS: tuple[Kind, ...] = (*stomp_py.KINDS, *stompman_.KINDS, *node.KINDS)


def every_client(*abilities: str):
    """Run a test with each client that has all ``abilities``; it gets ``dial`` for that one."""
    return pytest.mark.parametrize(
        "dial",
        [
            pytest.param(kind, id=kind.name, marks=[pytest.mark.needs_node] if kind.needs_node else [])
            for kind in KINDS
            if kind.abilities.issuperset(abilities)
        ],
        indirect=True,
    )
