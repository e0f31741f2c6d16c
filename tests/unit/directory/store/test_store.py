"""The stored directory: applying a file, exporting it, credentials, audit; the same on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from heliograph.directory.build import build_directory
from heliograph.directory.directory import Exchange
from heliograph.directory.fault import NotThere
from heliograph.directory.file import DirectoryFile, SystemEntry, read_directory_file
from heliograph.directory.secret import Secret
from heliograph.directory.store.entities import entities_of
from heliograph.directory.store.reading import Span
from heliograph.directory.store.store import DirectoryStore
from heliograph.directory.toml import toml_text
from heliograph.errors import LimitError, ServerError, SettingsError
from tests.unit.directory.conftest import CountingHasher
from tests.unit.directory.store.conftest import Clock, Open

Read = Callable[[str], DirectoryFile]
OPS = "ops@northwind.example"
TOKEN = "0123456789abcdef0123456789abcdef"
DAY_MS = 86_400_000

#: Every field there is, and names that need escaping.
FULL = f"""
[[systems]]
name = "acme"
secret = "producer-secret"
message_types = ["event_full_v24", "face_v24", "raw"]
retention = {{ face_v24 = {{ log_ms_max = 3_600_000, log_bytes_max = 1_000_000 }}, raw = {{ log_bytes_max = 1 }} }}
[[systems]]
name = "z"
secret = "zeta-secret"
message_types = ["event_v24"]
[[partners]]
id = 7
name = "North\\"wind\\\\ \\u00e9 \\u007f"
email = "{OPS}"
password = "correct horse battery"
quota = {{ connections = 5, subscriptions = 6, durable_subscriptions = 7, messages_per_s = {2**63 - 1} }}
grants = [{{ system = "acme", message_types = ["event_full_v24"] }}, {{ system = "z", message_types = ["event_v24"] }}]
accounts = [{{ id = 12345, cameras = [33, 32] }}, {{ id = 2, cameras = [] }}, {{ id = {2**63 - 1} }}]
[[partners]]
id = 9
name = "Contoso"
email = "desk@contoso.example"
password = "paper clip"
disabled = true
accounts = [{{ id = 777 }}]
[[message_types]]
name = "raw"
key = "#"
body = "any"
[[services]]
name = "archiver"
secret = "service-secret"
subscribe = ["/exchange/acme_event_full_v24/#", "/exchange/acme_raw/a.*"]
publish = ["/exchange/acme_raw/#"]
[[event_types]]
name = "truckDetected"
supertype = "vehicleDetected"
[[event_types]]
name = "vehicleDetected"
[[message_types]]
name = "event_full_v25"
key = "{{partner}}.{{account}}.{{action}}.{{event_types}}"
from = "events"
actions = ["update", "create"]
places = {{ event_types = "/type", account = "/source/accountId", action = "/a~1b" }}
body = '''{{"type": "object", "properties": {{"no": {{"const": null}}, "half": {{"const": 0.5}}}}}}'''
[[operators]]
name = "ann"
token = "{TOKEN}"
"""


@pytest.fixture
def full(read: Read) -> DirectoryFile:
    return read(FULL)


def valid(store: DirectoryStore, login: str, clock: Clock) -> list[str]:
    """The names of the credentials that let somebody in."""
    return [each.name for each in store.credentials(login) if each.is_valid(clock.now_ms)]


def shown(exchanges: Mapping[str, Exchange]) -> dict[str, tuple[object, ...]]:
    return {
        name: (each.name, each.system, each.message_type.name, each.log_ms_max, each.log_bytes_max)
        for name, each in exchanges.items()
    }


def lets_in(store: DirectoryStore, hasher: CountingHasher, login: str, password: str) -> bool:
    def matches(hashed: str) -> bool:
        try:
            return hasher.verify(hashed, password)
        except Exception:
            return False

    return any(matches(each.hash) for each in store.load().hashed.by_login.get(login, ()))


def test_an_empty_one_is_a_directory_in_which_nobody_exists(store: DirectoryStore):
    snapshot = store.load()
    assert (snapshot.revision, dict(snapshot.directory.principals), store.audit(10)) == (0, {}, [])


def test_what_is_applied_is_what_is_loaded(store: DirectoryStore, full: DirectoryFile, hasher: CountingHasher):
    store.apply(full, "test")
    loaded, wanted = store.load().directory, build_directory(full)
    assert dict(loaded.principals) == dict(wanted.principals)
    assert dict(loaded.accounts) == dict(wanted.accounts)
    assert shown(loaded.exchanges) == shown(wanted.exchanges)
    assert loaded.exchanges["acme_face_v24"].log_ms_max == 3_600_000
    assert loaded.disabled == {"desk@contoso.example"}
    assert loaded.accounts[777].partner_id == 9, "what is published for a disabled partner is kept"
    assert lets_in(store, hasher, OPS, "correct horse battery")
    assert not lets_in(store, hasher, OPS, "producer-secret")


def test_applied_again_it_changes_nothing(store: DirectoryStore, full: DirectoryFile):
    assert store.apply(full, "test")
    revision, audited, loaded = store.revision(), store.audit(200), store.credentials(OPS)
    assert not store.plan(full)
    assert not store.apply(full, "test")
    assert (store.revision(), store.audit(200), store.credentials(OPS)) == (revision, audited, loaded)


def test_a_dry_run_tells_the_same_and_writes_nothing(store: DirectoryStore, full: DirectoryFile):
    planned = store.plan(full)
    assert (store.revision(), store.export()) == (0, DirectoryFile(operators=()))
    assert store.apply(full, "test") == planned
    assert "+ partner 7" in planned.lines()


def test_an_export_applied_again_changes_nothing(store: DirectoryStore, full: DirectoryFile, tmp_path: Path):
    store.apply(full, "test")
    path = tmp_path / "exported.toml"
    path.write_text(toml_text(store.export()), encoding="utf-8")
    exported = read_directory_file(path)
    assert exported == store.export()
    assert entities_of(exported) == entities_of(full)
    assert not store.apply(exported, "test")


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("systems", "name"),
        ("partners", "id"),
        ("event_types", "name"),
        ("message_types", "name"),
        ("services", "name"),
        ("operators", "name"),
    ],
)
def test_a_table_is_read_entry_by_entry(store: DirectoryStore, read: Read, table: str, key: str):
    two = '[[event_types]]\nname = "van"\n[[event_types]]\nname = "redVan"\nsupertype = "van"\n'
    store.apply(read(f"{FULL}{two}"), "test")
    entries = store.entries(table, Span())
    without_accounts = {"accounts": ()} if table == "partners" else {}
    assert entries == [replace(each, **without_accounts) for each in getattr(store.export(), table)]
    keys = [getattr(each, key) for each in entries]
    assert [store.entries(table, Span(key=each)) for each in keys] == [[each] for each in entries]
    assert [store.entries(table, Span(after=each, limit=1)) for each in keys[:-1]] == [[each] for each in entries[1:]]
    assert store.entries(table, Span(after=keys[-1])) == []


def test_accounts_are_read_one_by_one(store: DirectoryStore, full: DirectoryFile):
    store.apply(full, "test")
    accounts = store.accounts(7, Span())
    assert [each.id for each in accounts] == [2, 12345, 2**63 - 1]
    assert tuple(accounts) == next(each for each in store.export().partners if each.id == 7).accounts
    assert store.accounts(7, Span(after=2, limit=1)) == accounts[1:2]
    assert store.accounts(7, Span(key=12345)) == accounts[1:2]
    assert store.accounts(7, Span(key=777)) == []
    with pytest.raises(NotThere):
        store.accounts(8, Span())


def test_an_export_into_an_empty_database_asks_for_the_secrets(store: DirectoryStore, full: DirectoryFile, open_store):
    store.apply(full, "test")
    exported = store.export()
    store.apply(DirectoryFile(operators=()), "test")
    with pytest.raises(SettingsError, match=r"systems\[0\]\.secret: this key is missing\. Add it"):
        store.apply(exported, "test")


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ('"face_v24", "raw"]', '"face_v24", "raw", "user_v24"]', ["~ system acme", '    message_types: + "user_v24"']),
        ("log_bytes_max = 1 }", "log_bytes_max = 2 }", ["~ system acme"]),
        ('name = "Contoso"', 'name = "Contoso Guard"', ["~ partner 9", '    name: "Contoso" -> "Contoso Guard"']),
        ("connections = 5", "bytes_per_s = 5", ["~ partner 7"]),
        ("disabled = true", "disabled = true\nquota = { bytes_per_s = 4 }", ["~ partner 9"]),
        ("disabled = true", "disabled = false", ["~ partner 9", "    disabled: true -> false"]),
        ("cameras = [33, 32]", "cameras = [32, 34]", ["~ account 12345", "    cameras: - 33", "    cameras: + 34"]),
        ("{ id = 12345, cameras = [33, 32] }", "{ id = 12345 }", ["~ account 12345", "    cameras: [32, 33] -> null"]),
        ('publish = ["/exchange/acme_raw/#"]', "", ["~ service archiver", '    publish: - "/exchange/acme_raw/#"']),
        ('name = "archiver"', 'name = "keeper"', ["+ service keeper", "- service archiver"]),
        (
            ', { system = "z", message_types = ["event_v24"] }',
            "",
            ["~ partner 7", '    grants: - "z/event_v24"'],
        ),
        (OPS, "new@northwind.example", [f'    email: "{OPS}" -> "new@northwind.example"']),
    ],
)
def test_one_change_is_found_applied_and_undone(
    store: DirectoryStore, read: Read, old: str, new: str, lines: list[str]
):
    before, after = read(FULL), read(FULL.replace(old, new, 1))
    store.apply(before, "test")
    diff = store.apply(after, "test")
    assert set(lines) <= set(diff.lines())
    assert entities_of(store.export()) == entities_of(after)
    assert dict(store.load().directory.principals) == dict(build_directory(after).principals)
    assert store.apply(before, "test")
    assert entities_of(store.export()) == entities_of(before)
    assert not store.apply(before, "test")


def test_partners_may_swap_e_mails_and_accounts(store: DirectoryStore, read: Read, hasher: CountingHasher):
    store.apply(read(FULL), "test")
    swapped = FULL.replace(OPS, "x").replace("desk@contoso.example", OPS).replace('"x"', '"desk@contoso.example"')
    swapped = swapped.replace("id = 777", "id = 0").replace("id = 2,", "id = 777,").replace("id = 0", "id = 2")
    swapped = swapped.replace('password = "correct horse battery"\n', "").replace('password = "paper clip"\n', "")
    store.apply(read(swapped), "test")
    assert store.load().directory.accounts[777].partner_id == 7
    assert lets_in(store, hasher, "desk@contoso.example", "correct horse battery"), "a password stays with its partner"


def test_a_name_may_change_its_kind(store: DirectoryStore, read: Read, hasher: CountingHasher):
    store.apply(read('[[services]]\nname = "x"\nsecret = "old"\n'), "test")
    store.apply(read('[[systems]]\nname = "x"\nsecret = "new"\n'), "test")
    assert type(store.load().directory.principals["x"]).__name__ == "System"
    assert not lets_in(store, hasher, "x", "old")


def test_a_file_that_does_not_fit_changes_nothing(store: DirectoryStore, read: Read, full: DirectoryFile):
    store.apply(full, "test")
    revision = store.revision()
    with pytest.raises(SettingsError, match=r"site\.toml: partners\[0\]\.grants\[0\]"):
        store.apply(read(FULL.replace('["event_full_v24"] }', '["user_v24"] }', 1)), "test", "site.toml")
    assert store.revision() == revision


def test_operators_stay_where_the_file_knows_of_none(store: DirectoryStore, read: Read, clock: Clock):
    store.apply(read(FULL), "test")
    store.apply(read(FULL.partition("[[operators]]")[0]), "test")
    found = store.load().operators.operator(TOKEN, clock.now_ms)
    assert found is not None
    assert found[0] == "ann"
    assert store.load().operators.operator(TOKEN + "x", clock.now_ms) is None
    assert "ann" not in store.load().hashed.by_login
    with pytest.raises(SettingsError, match=r"the login 'ann' is taken"):
        store.apply(read('[[services]]\nname = "ann"\nsecret = "x"\n'), "test")
    store.apply(read("operators = []"), "test")
    assert store.load().operators.operator(TOKEN, clock.now_ms) is None


def test_a_short_token_is_refused(store: DirectoryStore, read: Read):
    with pytest.raises(SettingsError, match=r"operators\[0\]\.token: it is shorter than 32 octets"):
        store.apply(read(FULL.replace(TOKEN, TOKEN[1:])), "test")


# --- credentials


def test_a_new_secret_in_the_file_takes_the_place_of_the_old_one(
    store: DirectoryStore, read: Read, hasher: CountingHasher
):
    store.apply(read(FULL), "test")
    changed = read(FULL.replace("producer-secret", "another-secret"))
    assert "+ credential file of acme" in store.apply(changed, "test").lines()
    assert lets_in(store, hasher, "acme", "another-secret")
    assert not lets_in(store, hasher, "acme", "producer-secret")
    store.apply(read(FULL), "test")
    assert lets_in(store, hasher, "acme", "producer-secret"), "the file's own secrets may come again"


def test_several_let_in_and_the_file_leaves_those_of_others(
    store: DirectoryStore, full: DirectoryFile, hasher: CountingHasher, clock: Clock
):
    store.apply(full, "test")
    store.add_credential("acme", "second", Secret("second-secret"), "ann")
    assert lets_in(store, hasher, "acme", "producer-secret")
    assert lets_in(store, hasher, "acme", "second-secret")
    assert not store.apply(full, "test")
    assert valid(store, "acme", clock) == ["second", "file"]


def test_one_that_was_made_otherwise_is_the_first_and_no_file_s(
    store: DirectoryStore, hasher: CountingHasher, clock: Clock
):
    store.edit(lambda file: replace(file, systems=(SystemEntry(name="beta", secret=Secret("beta-secret")),)), "ann")
    assert valid(store, "beta", clock) == ["first"]
    assert not store.apply(store.export(), "test")
    named = DirectoryFile(systems=(SystemEntry(name="beta", secret=Secret("another")),))
    assert list(store.plan(named).lines()) == ["+ credential file of beta"]
    store.apply(named, "test")
    assert not store.apply(named, "test")
    assert valid(store, "beta", clock) == ["file", "first"]
    assert lets_in(store, hasher, "beta", "beta-secret")
    assert store.audit(3)[1].what == "credential first of beta"


def test_one_that_is_revoked_lets_nobody_in_and_no_old_file_brings_it_back(
    store: DirectoryStore, full: DirectoryFile, hasher: CountingHasher
):
    store.apply(full, "test")
    store.revoke_credential("acme", store.credentials("acme")[0].id, "ann")
    assert not lets_in(store, hasher, "acme", "producer-secret")
    with pytest.raises(SettingsError, match=r"systems\[0\]\.secret: it was revoked or has expired") as caught:
        store.apply(full, "test")
    assert "producer-secret" not in str(caught.value)
    assert not store.apply(store.export(), "test")


def test_one_that_has_expired_lets_nobody_in(store: DirectoryStore, full: DirectoryFile, hasher, clock: Clock):
    store.apply(full, "test")
    store.add_credential("acme", "short", Secret("short-secret"), "ann", clock.now_ms + DAY_MS)
    assert lets_in(store, hasher, "acme", "short-secret")
    clock.now_s += DAY_MS / 1000
    assert not lets_in(store, hasher, "acme", "short-secret")


def test_rotation_leaves_the_old_one_for_a_while(
    store: DirectoryStore, read: Read, full: DirectoryFile, hasher: CountingHasher, clock: Clock
):
    store.apply(full, "test")
    store.rotate_credential("acme", "file", Secret("rotated"), "ann", DAY_MS)
    assert lets_in(store, hasher, "acme", "producer-secret")
    assert lets_in(store, hasher, "acme", "rotated")
    assert not store.apply(full, "test"), "neither the old file ends the overlap"
    assert not store.apply(read(FULL.replace("producer-secret", "rotated")), "test"), "nor the new one"
    clock.now_s += DAY_MS / 1000
    assert valid(store, "acme", clock) == ["file"]
    assert lets_in(store, hasher, "acme", "rotated")


def test_their_number_is_bounded(open_store: Open, full: DirectoryFile, clock: Clock):
    store = open_store(credentials_max=2)
    store.apply(full, "test")
    store.add_credential("acme", "a", Secret("a"), "ann")
    with pytest.raises(LimitError, match="credentials_max"):
        store.add_credential("acme", "b", Secret("b"), "ann")
    for _ in range(5):
        newest = next(each for each in store.credentials("acme") if each.is_valid(clock.now_ms))
        store.revoke_credential("acme", newest.id, "ann")
        store.add_credential("acme", "again", Secret("again"), "ann")
    assert len(store.credentials("acme")) == 4, "two valid ones, and the two that ended last"


def test_the_last_use_is_noted_and_is_no_change(store: DirectoryStore, full: DirectoryFile, clock: Clock):
    store.apply(full, "test")
    revision, credential = store.revision(), store.credentials("acme")[0]
    store.touch_last_used({credential.id: clock.now_ms})
    store.touch_last_used({credential.id: clock.now_ms - 1})
    store.touch_last_used({})
    assert store.credentials("acme")[0].last_used_ms == clock.now_ms
    assert store.revision() == revision


@pytest.mark.parametrize(
    "act",
    [
        lambda store: store.credentials("nobody"),
        lambda store: store.add_credential("nobody", "a", Secret("a"), "ann"),
        lambda store: store.rotate_credential("acme", "other", Secret("a"), "ann"),
        lambda store: store.revoke_credential("acme", 10**6, "ann"),
        lambda store: store.revoke_credential(OPS, store.credentials("acme")[0].id, "ann"),
    ],
)
def test_what_is_not_there_is_said_so(store: DirectoryStore, full: DirectoryFile, act):
    store.apply(full, "test")
    revision = store.revision()
    with pytest.raises(NotThere):
        act(store)
    assert store.revision() == revision


# --- audit and revision


def test_every_change_is_audited_without_secrets(store: DirectoryStore, read: Read, clock: Clock):
    store.apply(read(FULL), "apply site.toml")
    store.apply(read(FULL.replace('name = "Contoso"', 'name = "Guard"')), "ann")
    store.rotate_credential("acme", "file", Secret("canary-rotated"), "ann")
    rotated, ended, changed, *_ = entries = store.audit(200)
    assert (changed.who, changed.action, changed.what) == ("ann", "change", "partner 9")
    assert (changed.before["name"], changed.after["name"]) == ("Contoso", "Guard")
    assert changed.at_ms == clock.now_ms
    assert (rotated.what, rotated.action, ended.action) == ("credential file of acme", "add", "change")
    text = json.dumps([(each.what, each.before, each.after) for each in entries])
    assert not [word for word in ("secret", "battery", "canary", "argon2", "sha256", TOKEN) if word in text]
    assert store.audit(2, before=ended.id)[0] == changed
    assert len(store.audit(1)) == 1


def test_the_audit_is_bounded(open_store: Open, full: DirectoryFile):
    store = open_store(audit_entries_max=3)
    store.apply(full, "test")
    store.add_credential("acme", "a", Secret("a"), "ann")
    assert [each.who for each in store.audit(100)] == ["ann", "test", "test"]


def test_another_node_sees_a_change_by_its_revision(open_store: Open, full: DirectoryFile):
    here, there = open_store(), open_store()
    here.apply(full, "test")
    assert there.revision() == here.revision() == 1
    assert dict(there.load().directory.principals) == dict(here.load().directory.principals)


def test_what_comes_between_has_everything_compared_again(
    open_store: Open, full: DirectoryFile, monkeypatch: pytest.MonkeyPatch
):
    here, there = open_store(), open_store()
    here.apply(DirectoryFile(systems=full.systems[:1], message_types=full.message_types), "test")
    compare = here._compare
    times: list[None] = []

    def slowly(*arguments, **named):
        found = compare(*arguments, **named)
        times.append(None)
        if len(times) == 1:
            there.apply(DirectoryFile(), "between")
        return found

    monkeypatch.setattr(here, "_compare", slowly)
    here.apply(full, "test")
    assert entities_of(here.export()) == entities_of(full)
    assert len(times) == 2


def test_a_directory_that_is_changed_all_the_while_is_given_up(
    open_store: Open, full: DirectoryFile, monkeypatch: pytest.MonkeyPatch
):
    here, there = open_store(directory_attempts_max=2), open_store(credentials_max=100)
    here.apply(full, "test")
    compare = here._compare

    def slowly(*arguments, **named):
        found = compare(*arguments, **named)
        there.add_credential("acme", "between", Secret("between"), "ann")
        return found

    monkeypatch.setattr(here, "_compare", slowly)
    with pytest.raises(ServerError, match="changed by others all the while"):
        here.apply(DirectoryFile(), "test")
    assert here.load().directory.principals
