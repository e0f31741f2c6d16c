"""An edit changes one entry; what does not fit then is the request's fault, or a conflict with something else."""

import pytest

from heliograph.directory.build import build_directory
from heliograph.directory.fault import DirectoryFault
from heliograph.directory.file import AccountEntry, DirectoryFile, GrantEntry, PartnerEntry, SystemEntry
from heliograph.server.http.edits import Edit, changed, made, removed, with_accounts
from heliograph.server.http.problem import Refused

ACME = SystemEntry(name="acme", message_types=("face_v24",))
NORTHWIND = PartnerEntry(
    id=7,
    name="Northwind",
    email="ops@northwind.example",
    grants=(GrantEntry(system="acme", message_types=("face_v24",)),),
    accounts=(AccountEntry(id=1), AccountEntry(id=2)),
)
FILE = DirectoryFile(systems=(ACME,), partners=(NORTHWIND,))


def refusal(edit: Edit) -> Refused:
    with pytest.raises(DirectoryFault) as caught:
        build_directory(edit(FILE))
    return edit.refused(caught.value)


def test_making_changing_and_removing():
    beta = SystemEntry(name="beta")
    assert Edit("systems", "beta", made(beta, "it"))(FILE).systems == (ACME, beta)
    assert Edit("systems", "acme", changed("it", message_types=()))(FILE).systems == (SystemEntry(name="acme"),)
    assert Edit("systems", "acme", removed("it"))(FILE).systems == ()


@pytest.mark.parametrize(
    ("edit", "status"),
    [
        (Edit("systems", "acme", made(ACME, "it")), 409),
        (Edit("systems", "beta", changed("it", message_types=())), 404),
        (Edit("systems", "beta", removed("it")), 404),
        (with_accounts(8, lambda accounts: None), 404),
    ],
)
def test_what_is_there_or_not_there(edit: Edit, status: int):
    with pytest.raises(Refused) as caught:
        edit(FILE)
    assert caught.value.code == status


def test_a_field_that_does_not_fit_is_named_by_its_pointer():
    found = refusal(Edit("systems", "beta", made(SystemEntry(name="beta", message_types=("fase_v24",)), "it")))
    assert (found.code, list(found.pointers)) == (409, ["/message_types/0"])
    entry = AccountEntry(id=3, cameras=(-1,))
    found = refusal(with_accounts(7, lambda accounts: accounts.update({3: entry})))
    assert (found.code, list(found.pointers)) == (422, ["/cameras/0"])


def test_what_stands_in_the_path_has_no_pointer():
    found = refusal(Edit("systems", "acme", changed("it", message_types=("fase_v24",)), by_path=True))
    assert (found.code, found.pointers) == (409, {})


def test_what_would_not_fit_any_more_is_a_conflict_and_named():
    found = refusal(Edit("systems", "acme", removed("it")))
    assert found.code == 409
    assert found.detail.startswith("partner 7 grants[0].system: no system is called 'acme'")
