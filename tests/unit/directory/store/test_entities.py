"""A directory as flat entities, and what of two need not be compared."""

from msgspec.structs import replace

from heliograph.directory.file import AccountEntry, DirectoryFile, OperatorEntry, PartnerEntry, SystemEntry
from heliograph.directory.store.diff import compare
from heliograph.directory.store.entities import entities_of, without_shared

PARTNERS = tuple(
    PartnerEntry(id=number, name="x", email=f"{number}@x.example", accounts=(AccountEntry(id=number),))
    for number in range(1, 5)
)
FILE = DirectoryFile(systems=(SystemEntry(name="acme"),), partners=PARTNERS, operators=(OperatorEntry(name="ann"),))


def test_what_both_have_is_left_out_and_all_differences_stay():
    changed = replace(PARTNERS[1], accounts=(AccountEntry(id=2, cameras=(1,)), *PARTNERS[1].accounts[1:]))
    equal_to_another = SystemEntry(name="acme")
    new = replace(FILE, systems=(equal_to_another,), partners=(PARTNERS[0], changed, PARTNERS[3]), operators=None)
    old_rest, new_rest = without_shared(FILE, new)
    assert (old_rest.partners, new_rest.partners) == (PARTNERS[1:3], (changed,))
    found = compare(entities_of(old_rest), entities_of(new_rest))
    assert found == compare(entities_of(FILE), entities_of(new))
    assert [each.what for each in found] == ["partner 3", "account 2", "account 3", "operator ann"]


def test_of_the_same_directory_nothing_is_left():
    assert [list(entities_of(each)) for each in without_shared(FILE, FILE)] == [[], []]
