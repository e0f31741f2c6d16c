"""What If-Match and If-None-Match say, and what they are compared with."""

from typing import Any, cast

import pytest
from litestar.datastructures import Headers

from heliograph.directory.file import AccountEntry, PartnerEntry, SystemEntry
from heliograph.server.http.directory.conditions import Conditions, conditions_of, tag_of
from heliograph.server.http.problem import Refused

ACME = SystemEntry(name="acme", message_types=("face_v24",))
TAG = tag_of(ACME)
WRONG = ["", "a", '"a', '"a" "b"', "* , *", '"\xe4"', "w/" + '"a"', '"a"' + ", " * 5_000 + "x"]


class Asked:
    """As much of a request as is looked at."""

    def __init__(self, *headers: tuple[str, str]) -> None:
        self.headers = Headers([(name.encode(), value.encode("latin-1")) for name, value in headers])


def read(*headers: tuple[str, str]) -> Conditions:
    return conditions_of(cast("Any", Asked(*headers)))


def test_a_tag_tells_what_an_entry_says():
    assert tag_of(SystemEntry(name="acme", message_types=("face_v24",))) == TAG
    assert tag_of(SystemEntry(name="acme")) != TAG
    partner = PartnerEntry(id=7, name="x", email="a@b.example")
    with_account = PartnerEntry(id=7, name="x", email="a@b.example", accounts=(AccountEntry(id=1),))
    assert tag_of(partner) == tag_of(with_account), "an account has a tag of its own"
    assert tag_of(partner) != tag_of(PartnerEntry(id=7, name="x", email="a@b.example", disabled=True))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("*", {"*"}),
        ('"a"', {'"a"'}),
        ('"a", W/"b" ,"c,d"', {'"a"', 'W/"b"', '"c,d"'}),
        ('""', {'""'}),
    ],
)
def test_a_list_of_tags(value: str, found: set[str]):
    assert read(("if-match", value), ("if-none-match", value)) == Conditions(frozenset(found), frozenset(found))


def test_a_header_may_be_repeated_or_absent():
    assert read() == Conditions()
    assert read(("if-match", '"a"'), ("if-match", '"b"')).match == frozenset({'"a"', '"b"'})


@pytest.mark.parametrize("value", WRONG)
def test_what_is_no_list_of_tags_is_refused(value: str):
    with pytest.raises(Refused, match="in quotation marks") as caught:
        read(("if-match", value))
    assert caught.value.code == 400


@pytest.mark.parametrize(
    ("match", "none_match", "exists", "passes"),
    [
        (None, None, True, True),
        ({TAG}, None, True, True),
        ({"*"}, None, True, True),
        ({f"W/{TAG}"}, None, True, False),
        ({'"a"'}, None, True, False),
        (None, {"*"}, True, False),
        (None, {"*"}, False, True),
        (None, {TAG}, True, False),
        (None, {f"W/{TAG}"}, True, False),
        (None, {'"a"'}, True, True),
        ({TAG}, {"*"}, False, True),
        ({'"a"'}, {"*"}, False, False),
    ],
)
def test_when_they_hold(match: set[str] | None, none_match: set[str] | None, exists: bool, passes: bool):
    conditions = Conditions(
        None if match is None else frozenset(match), None if none_match is None else frozenset(none_match)
    )
    if passes:
        conditions.check(ACME, exists)
        return
    with pytest.raises(Refused) as caught:
        conditions.check(ACME, exists)
    assert caught.value.code == 412
