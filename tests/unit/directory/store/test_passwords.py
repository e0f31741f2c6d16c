"""The hash that stands in for those of logins that nobody has."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

from heliograph.directory.store.passwords import unmatched_hash
from tests.hashing import CHEAP

#: Nothing as in the default, nor as in the cheap one.
OTHER = PasswordHasher(time_cost=2, memory_cost=64, parallelism=3, hash_len=24, salt_len=20)


@pytest.mark.parametrize("hasher", [OTHER, CHEAP], ids=["other", "cheap"])
def test_the_unmatched_hash_costs_what_others_cost_and_has_no_password(hasher: PasswordHasher):
    unmatched = unmatched_hash(hasher)
    assert extract_parameters(unmatched) == extract_parameters(hasher.hash("any"))
    assert len(unmatched) == len(hasher.hash("any"))
    with pytest.raises(VerifyMismatchError):  # no InvalidHashError: argon2 has read it, and has done the work
        hasher.verify(unmatched, "")
    assert unmatched_hash(hasher) != unmatched
