"""From the file to the snapshot: what comes of a good one, and every fault by its place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from heliograph.directory.build import build_directory
from heliograph.directory.directory import Account, Directory, Exchange
from heliograph.directory.file import DirectoryFile
from heliograph.directory.principal import Partner, Right, Service, System
from heliograph.errors import SettingsError
from heliograph.limits import Limits
from heliograph.topic.destination import parse_destination

Build = Callable[[str], Directory]
Read = Callable[[str], DirectoryFile]

SECOND_SYSTEM = '[[systems]]\nname = "{}"\nsecret = "s"\nmessage_types = [{}]\n'
SECOND_PARTNER = '[[partners]]\nid = {}\nname = "Other"\nemail = "{}"\npassword = "p"\naccounts = [{{ id = {} }}]\n'


def test_the_documented_file_is_this_directory(build: Build, example: str) -> None:
    directory = build(example)
    assert list(directory.exchanges) == ["acme_event_full_v24", "acme_event_v24", "acme_face_v24"]
    exchange = directory.exchanges["acme_event_full_v24"]
    assert isinstance(exchange, Exchange)
    assert (exchange.name, exchange.system) == ("acme_event_full_v24", "acme")
    assert (exchange.message_type.name, exchange.message_type.has_partner) == ("event_full_v24", True)
    assert dict(directory.principals) == {
        "acme": System("acme", frozenset(directory.exchanges)),
        "ops@northwind.example": Partner(
            7, "Northwind Alarm", "ops@northwind.example", frozenset({"acme_event_full_v24", "acme_face_v24"})
        ),
        "archiver": Service("archiver", subscribe=(Right("acme_event_full_v24", ("#",)),)),
    }
    assert directory.account(12345) == Account(12345, 7, frozenset({32, 33}))
    assert directory.account(12346) is None


def test_an_empty_file_is_a_directory_without_anybody() -> None:
    directory = build_directory(DirectoryFile())
    assert not directory.exchanges
    assert not directory.principals
    assert directory.account(1) is None


def test_the_snapshot_cannot_be_changed(build: Build, example: str) -> None:
    directory = build(example)
    with pytest.raises(TypeError):
        directory.exchanges["x"] = directory.exchanges["acme_face_v24"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        directory.accounts = {}  # type: ignore[misc]


def test_absent_cameras_mean_any(build: Build, example: str) -> None:
    account = build(example.replace(", cameras = [32, 33]", "")).account(12345)
    assert account == Account(12345, 7, None)


def test_an_own_message_type_can_be_switched_on_and_given_to_a_service(build: Build, example: str) -> None:
    text = example.replace('"face_v24"]\n[[', '"face_v24", "raw"]\n[[')
    text = text.replace("publish = []", 'publish = ["/exchange/acme_raw/a.*", "/exchange/acme_raw/b"]')
    directory = build(text)
    assert not directory.exchanges["acme_raw"].message_type.has_partner
    archiver = directory.principals["archiver"]
    assert isinstance(archiver, Service)
    assert archiver.publish_patterns("acme_raw") == (("a", "*"), ("b",))
    assert archiver.publish_patterns("acme_face_v24") == ()
    assert archiver.subscribe_patterns("acme_event_full_v24") == (("#",),)
    assert archiver.subscribe_patterns("acme_raw") == ()


def test_a_system_name_may_have_an_underscore(build: Build, example: str) -> None:
    directory = build(example + SECOND_SYSTEM.format("acme_event", '"face_v24"'))
    assert directory.exchanges["acme_event_face_v24"].system == "acme_event"


def test_principals_are_hashable_and_equal_by_value(build: Build, example: str) -> None:
    first, second = build(example), build(example)
    assert set(first.principals.values()) == set(second.principals.values())
    assert [principal.login for principal in first.principals.values()] == list(first.principals)


def test_the_longest_names_make_an_exchange_that_can_be_addressed(build: Build) -> None:
    system, message_type = "s" * 63, "t" * 63
    text = f'[[message_types]]\nname = "{message_type}"\nkey = "#"\nbody = "any"\n'
    (exchange,) = build(text + SECOND_SYSTEM.format(system, f'"{message_type}"')).exchanges
    assert parse_destination(f"/exchange/{exchange}/#").exchange == exchange


FAULTS = [
    # --- message types
    ('name = "raw"', 'name = ""', "message_types[0].name: '' cannot stand in a destination."),
    ('name = "raw"', 'name = "a/b"', "message_types[0].name: 'a/b' cannot stand in a destination."),
    ('name = "raw"', f'name = "{"n" * 64}"', "cannot stand in a destination. Use 1 to 63 of"),
    ('name = "raw"', 'name = "face_v24"', "message_types[0].name: 'face_v24' is built in."),
    (
        "[[services]]",
        '[[message_types]]\nname = "raw"\nkey = "#"\nbody = "any"\n[[services]]',
        "message_types[1].name: the message type 'raw' is taken by message_types[0].name.",
    ),
    # --- systems
    ('name = "acme"', 'name = ""', "systems[0].name: '' cannot stand in a destination."),
    ('name = "acme"', 'name = "a:b"', "systems[0].name: 'a:b' cannot stand in a destination."),
    ('name = "acme"', 'name = "ac me"', "systems[0].name: 'ac me' cannot stand in a destination."),
    ('"event_v24", ', '"event_v42", ', "systems[0].message_types[1]: no message type is called 'event_v42'. Did you"),
    (
        '"event_v24", ',
        '"face_v24", ',
        "systems[0].message_types[2]: the exchange 'acme_face_v24' is taken by systems[0]",
    ),
    ('secret = "producer-secret"', 'secret = ""', "systems[0].secret: it is empty."),
    (
        "[[partners]]",
        SECOND_SYSTEM.format("acme", "") + "[[partners]]",
        "systems[1].name: the login 'acme' is taken by systems[0].name.",
    ),
    (
        'name = "raw"',
        'name = "v_face_v24"\nkey = "#"\nbody = "any"\n'
        + SECOND_SYSTEM.format("a", '"v_face_v24"')
        + SECOND_SYSTEM.format("a_v", '"face_v24"')
        + '[[message_types]]\nname = "raw"',
        "systems[2].message_types[0]: the exchange 'a_v_face_v24' is taken by systems[1].message_types[0].",
    ),
    # --- partners
    ("id = 7\n", "id = 0\n", "partners[0].id: 0 is no id. Ids are integers from 1 to 9223372036854775807."),
    ("id = 7\n", "id = -7\n", "partners[0].id: -7 is no id."),
    ("id = 7\n", "id = 9223372036854775808\n", "partners[0].id: 9223372036854775808 is no id."),
    ('name = "Northwind Alarm"', 'name = " "', "partners[0].name: it is empty."),
    ('"ops@northwind.example"', '""', "partners[0].email: it is empty"),
    ('"ops@northwind.example"', '"ops"', "partners[0].email: 'ops' is no e-mail address: it has no '@'."),
    ('"ops@northwind.example"', '"o:s@b"', "partners[0].email: 'o:s@b' has a ':' or a control character; HTTP Basic"),
    ('"ops@northwind.example"', '"o\\ns@b"', "partners[0].email: 'o\\ns@b' has a ':' or a control character;"),
    ('"ops@northwind.example"', f'"{"é" * 512}@"', "partners[0].email: it is longer than 1024 octets"),
    ('"correct horse battery"', '""', "partners[0].password: it is empty."),
    ('"correct horse battery"', '"a\\nb"', "partners[0].password: it has a control character, which neither"),
    ('"correct horse battery"', f'"{"x" * 1025}"', "partners[0].password: it is longer than 1024 octets"),
    (
        "[[message_types]]",
        SECOND_PARTNER.format(7, "b@b", 1) + "[[message_types]]",
        "partners[1].id: the partner id 7 is taken by partners[0].id.",
    ),
    (
        "[[message_types]]",
        SECOND_PARTNER.format(8, "ops@northwind.example", 1) + "[[message_types]]",
        "partners[1].email: the login 'ops@northwind.example' is taken by partners[0].email.",
    ),
    # --- grants
    (
        '{ system = "acme"',
        '{ system = "acne"',
        "partners[0].grants[0].system: no system is called 'acne'. Did you mean",
    ),
    (
        '{ system = "acme", message_types = ["event_full_v24"',
        '{ system = "acme", message_types = ["event_ful_v24"',
        "grants[0].message_types[0]: no message type is called 'event_ful_v24'. Did you mean 'event_full_v24'?",
    ),
    (
        '"face_v24"] }]',
        '"user_v24"] }]',
        "partners[0].grants[0].message_types[1]: 'user_v24' is not switched on for system 'acme'. Add it to",
    ),
    (
        '"face_v24"] }]',
        '"raw"] }]',
        "partners[0].grants[0].message_types[1]: 'raw' has no partner word in its key, so a partner would see",
    ),
    # --- accounts
    ("{ id = 12345,", "{ id = 0,", "partners[0].accounts[0].id: 0 is no id."),
    ("[32, 33]", "[32, -1]", "partners[0].accounts[0].cameras[1]: -1 is no id."),
    ("}]      #", "}, { id = 12345 }] #", "partners[0].accounts[1].id: the account id 12345 is taken by partners[0]."),
    (
        "[[message_types]]",
        SECOND_PARTNER.format(8, "b@b", 12345) + "[[message_types]]",
        "partners[1].accounts[0].id: the account id 12345 is taken by partners[0].accounts[0].id. An account",
    ),
    # --- services
    ('name = "archiver"', 'name = ""', "services[0].name: it is empty"),
    (
        'name = "archiver"',
        'name = "acme"',
        "services[0].name: the login 'acme' is taken by systems[0].name. E-mails and",
    ),
    ('name = "archiver"', 'name = "ops@northwind.example"', "is taken by partners[0].email."),
    ('name = "archiver"', 'name = "a:b"', "services[0].name: 'a:b' has a ':' or a control character;"),
    ('secret = "service-secret"', 'secret = ""', "services[0].secret: it is empty."),
    (
        '"/exchange/acme_event_full_v24/#"',
        '"/topic/x"',
        "services[0].subscribe[0]: '/topic/x' is not a valid destination.",
    ),
    ("acme_event_full_v24/#", "acme_event_full_v24/a..b", "services[0].subscribe[0]: Word 2 of 'a..b' is empty"),
    (
        "acme_event_full_v24/#",
        "acme_event_full_v24/a#",
        "services[0].subscribe[0]: Word 1, 'a#', has a wildcard inside.",
    ),
    ("acme_event_full_v24/#", "acme_event_full_v24/" + "#.a." * 9 + "a", "pattern_hashes_max is 8"),
    (
        "acme_event_full_v24/#",
        "acme_event_fill_v24/#",
        "services[0].subscribe[0]: no exchange is called 'acme_event_fill_v24', since no system of that name has that",
    ),
    (
        "acme_event_full_v24/#",
        "acme_event_fill_v24/#",
        "message type switched on. Did you mean 'acme_event_full_v24'?",
    ),
    ("publish = []", 'publish = ["/exchange/acme_raw/#"]', "services[0].publish[0]: no exchange is called 'acme_raw'"),
]


@pytest.mark.parametrize(("old", "new", "fault"), FAULTS)
def test_a_fault_is_named_by_its_place(build: Build, example: str, old: str, new: str, fault: str) -> None:
    assert old in example
    with pytest.raises(SettingsError) as caught:
        build(example.replace(old, new, 1))
    assert caught.value.detail.startswith("site.toml: ")
    assert fault in caught.value.detail


def test_the_limits_of_the_server_hold_for_the_patterns_of_services(read: Read, example: str) -> None:
    file = read(example.replace("v24/#", "v24/#.a.#"))
    with pytest.raises(SettingsError, match="pattern_hashes_max is 1"):
        build_directory(file, Limits(pattern_hashes_max=1))


# --- what came with the database


def test_a_disabled_partner_cannot_log_in_and_keeps_its_accounts(build: Build, example: str) -> None:
    directory = build(example.replace("id = 7", "id = 7\ndisabled = true"))
    assert "ops@northwind.example" not in directory.principals
    assert directory.disabled == {"ops@northwind.example"}
    assert directory.accounts[12345].partner_id == 7


def test_an_exchange_may_have_its_own_retention(build: Build, example: str) -> None:
    kept = 'name = "acme"\nretention = { face_v24 = { log_ms_max = 5 } }'
    exchanges = build(example.replace('name = "acme"', kept, 1)).exchanges
    assert (exchanges["acme_face_v24"].log_ms_max, exchanges["acme_face_v24"].log_bytes_max) == (5, None)
    assert exchanges["acme_event_v24"].log_ms_max is None


@pytest.mark.parametrize(
    ("retention", "fault"),
    [
        ("{ user_v24 = { log_ms_max = 5 } }", r"retention\.user_v24: 'user_v24' is not switched on"),
        ("{ face_v24 = { log_ms_max = 0 } }", r"retention\.face_v24\.log_ms_max: 0 keeps nothing"),
        ("{ face_v24 = { log_ms = 5 } }", r"log_ms: unknown key\. Did you mean 'log_ms_max'"),
        ('{ face_v24 = { log_ms_max = "5" } }', r"expected an integer, found a string"),
    ],
)
def test_a_retention_that_does_not_fit_is_named(build: Build, example: str, retention: str, fault: str) -> None:
    with pytest.raises(SettingsError, match=fault):
        build(example.replace('name = "acme"', f'name = "acme"\nretention = {retention}', 1))


def test_a_name_that_no_database_takes_is_refused(build: Build, example: str) -> None:
    with pytest.raises(SettingsError, match=r"partners\[0\]\.name: it has a NUL"):
        build(example.replace("Northwind Alarm", "North\\u0000wind"))
