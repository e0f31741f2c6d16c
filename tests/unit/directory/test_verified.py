"""The memory of verified credentials: short, bounded, and without anything to steal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heliograph.directory.principal import Identity, System
from heliograph.directory.verified import VerifiedCredentials
from heliograph.limits import Limits

ACME = Identity(System("acme"), "stored")


def test_it_is_remembered_for_its_time_and_no_longer() -> None:
    verified = VerifiedCredentials(Limits(verified_ms_max=60_000))
    digest = verified.digest(b"acme", b"p")
    verified.put(digest, ACME, 100.0)
    assert verified.get(digest, 159.9) is ACME
    assert verified.get(digest, 160.0) is None
    assert len(verified) == 0


def test_a_hit_does_not_prolong_it_but_a_new_verification_does() -> None:
    verified = VerifiedCredentials(Limits(verified_ms_max=60_000))
    digest = verified.digest(b"acme", b"p")
    verified.put(digest, ACME, 100.0)
    verified.get(digest, 150.0)
    assert verified.get(digest, 160.0) is None
    verified.put(digest, ACME, 160.0)
    verified.put(digest, ACME, 200.0)
    assert verified.get(digest, 259.9) is ACME


def test_the_oldest_makes_room() -> None:
    verified = VerifiedCredentials(Limits(verified_max=3))
    digests = [bytes([number]) for number in range(5)]
    for number, digest in enumerate(digests):
        verified.put(digest, ACME, float(number))
    assert [verified.get(digest, 5.0) is ACME for digest in digests] == [False, False, True, True, True]
    assert len(verified) == 3


def test_the_expired_make_room_first() -> None:
    verified = VerifiedCredentials(Limits(verified_max=100, verified_ms_max=1_000))
    for number in range(50):
        verified.put(bytes([number]), ACME, 0.0)
    verified.put(b"later", ACME, 1.0)
    assert len(verified) == 1


def test_every_process_has_its_own_digests() -> None:
    assert VerifiedCredentials(Limits()).digest(b"a", b"p") != VerifiedCredentials(Limits()).digest(b"a", b"p")


@given(st.tuples(st.binary(), st.binary()), st.tuples(st.binary(), st.binary()))
def test_only_the_same_pair_has_the_same_digest(one: tuple[bytes, bytes], other: tuple[bytes, bytes]) -> None:
    verified = VerifiedCredentials(Limits())
    assert (verified.digest(*one) == verified.digest(*other)) == (one == other)


@given(st.binary(min_size=1), st.data())
def test_the_same_octets_divided_differently_are_another_pair(octets: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(octets)), min_size=2, max_size=2, unique=True))
    verified = VerifiedCredentials(Limits())
    one, other = (verified.digest(octets[:cut], octets[cut:]) for cut in cuts)
    assert one != other
