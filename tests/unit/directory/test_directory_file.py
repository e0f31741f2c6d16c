"""The directory file: its shape, and what is said about a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.directory.file import DirectoryFile, read_directory_file
from heliograph.errors import SettingsError

Read = Callable[[str], DirectoryFile]
Write = Callable[[str], Path]


def test_the_documented_shape_is_read(read: Read, example: str) -> None:
    file = read(example)
    (system,), (partner,), (message_type,), (service,) = file.systems, file.partners, file.message_types, file.services
    assert system.name == "acme"
    assert system.message_types == ("event_full_v24", "event_v24", "face_v24")
    assert (partner.id, partner.name, partner.email) == (7, "Northwind Alarm", "ops@northwind.example")
    assert [(g.system, g.message_types) for g in partner.grants] == [("acme", ("event_full_v24", "face_v24"))]
    assert [(a.id, a.cameras) for a in partner.accounts] == [(12345, (32, 33))]
    assert (message_type.name, message_type.key, message_type.body) == ("raw", "#", "any")
    assert (service.name, service.subscribe, service.publish) == ("archiver", ("/exchange/acme_event_full_v24/#",), ())
    assert {login: secret.reveal() for login, secret in file.secrets().items()} == {
        "acme": "producer-secret",
        "ops@northwind.example": "correct horse battery",
        "archiver": "service-secret",
    }


def test_an_empty_file_is_an_empty_directory(read: Read) -> None:
    assert read("") == DirectoryFile()


def test_absent_cameras_are_not_the_same_as_none(read: Read, example: str) -> None:
    absent = read(example.replace(", cameras = [32, 33]", ""))
    empty = read(example.replace("[32, 33]", "[]"))
    assert absent.partners[0].accounts[0].cameras is None
    assert empty.partners[0].accounts[0].cameras == ()


def test_a_byte_order_mark_is_no_fault(read: Read, example: str) -> None:
    assert read("\ufeff" + example).systems[0].name == "acme"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('name = "acme"', "name = 5", "systems[0].name: expected a string, found an integer."),
        ('secret = "producer-secret"', "secret = 5", "systems[0].secret: expected a string, found an integer."),
        ("id = 7\n", 'id = "7"\n', "partners[0].id: expected an integer, found a string."),
        ("id = 7\n", "id = true\n", "partners[0].id: expected an integer, found a boolean."),
        ("id = 7\n", "id = 7.0\n", "partners[0].id: expected an integer, found a float."),
        ('{ system = "acme",', "{ system = [],", "partners[0].grants[0].system: expected a string, found an array."),
        ("[32, 33]", "[32, {}]", "partners[0].accounts[0].cameras[1]: expected an integer, found a table."),
        ("[32, 33]", "32", "partners[0].accounts[0].cameras: expected an array, found an integer."),
        ('secret = "producer-secret"', "secret = 07:32:00", "systems[0].secret: expected a string, found a time."),
        ("publish = []", "publish = 1979-05-27", "services[0].publish: expected an array, found a date."),
        ("[[services]]", "[services]", "services: expected an array, found a table."),
        (
            "grants = ",
            "grant = ",
            "partners[0].grant: unknown key. Did you mean 'grants'?",
        ),
        ("[[services]]", "[[servces]]", "servces: unknown key. Did you mean 'services'?"),
        (
            ", cameras = ",
            ", kameras = ",
            "partners[0].accounts[0].kameras: unknown key. Did you mean 'cameras'?",
        ),
        (
            ", cameras = ",
            ", zones = ",
            "partners[0].accounts[0].zones: unknown key. There are: 'cameras', 'id'.",
        ),
        ("id = 7\n", "id = 7\nquota = { connections = 0 }\n", "partners[0].quota.connections: expected 1 or more."),
        (
            "id = 7\n",
            f"id = 7\nquota = {{ connections = {2**63} }}\n",
            f"partners[0].quota.connections: expected {2**63 - 1} or less.",
        ),
        ("id = 7\n", "id = 7\nquota = 5\n", "partners[0].quota: expected a table, found an integer."),
        (
            "id = 7\n",
            "id = 7\nquota = { conections = 5 }\n",
            "partners[0].quota.conections: unknown key. Did you mean 'connections'?",
        ),
        ('name = "acme"\n', "", "systems[0].name: this key is missing. Add it."),
        ('body = "any"', "body = 7", "message_types[0].body: expected a string or a table, found an integer."),
        (
            'body = "any"',
            'body = "any"\nfrom = "doors"',
            "message_types[0].from: Invalid enum value 'doors'.",
        ),
    ],
)
def test_a_fault_is_named_by_its_place(write: Write, example: str, old: str, new: str, fault: str) -> None:
    assert old in example
    path = write(example.replace(old, new, 1))
    with pytest.raises(SettingsError) as caught:
        read_directory_file(path)
    assert caught.value.message == "Bad directory"
    assert caught.value.detail == f"{path}: {fault}"


def test_a_dotted_unknown_key_is_told(read: Read) -> None:
    with pytest.raises(
        SettingsError, match=r"site\.toml: odd `key: unknown key\. There are: 'event_types', 'message_types'"
    ):
        read('"odd `key" = 1')


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[[systems]]\nname = acme\n", "this is not TOML: Invalid value (at line 2, column 8)."),
        ('[[systems]]\nname = "acme"\nname = "b"\n', "this is not TOML: Cannot overwrite a value (at line 3"),
        ("[[systems]]\nname", "(at the end, line 2)."),
        ("a = " + "[" * 100_000, "nested too deep (at the end, line 1)"),
    ],
)
def test_what_is_not_toml_is_told_with_its_line(write: Write, text: str, fault: str) -> None:
    path = write(text)
    with pytest.raises(SettingsError) as caught:
        read_directory_file(path)
    assert caught.value.detail.startswith(f"{path}: ")
    assert fault in caught.value.detail


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: there is no such file"):
        read_directory_file(tmp_path / "nowhere.toml")


def test_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read_directory_file(tmp_path)


def test_what_is_not_utf8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_bytes(b'name = "M\xfcller"')
    with pytest.raises(SettingsError, match="octet 9 is not UTF-8"):
        read_directory_file(path)


_SCALARS = st.one_of(st.integers(), st.booleans(), st.text('a#"\\\n\0é', max_size=8), st.floats(allow_nan=False))
_KEYS = st.sampled_from(["systems", "partners", "services", "message_types", "name", "id", "grants", "x", "cameras"])
_TABLES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=12
)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(char):08x}" for char in value) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    return repr(value)


#: Each of them writes a file.
FEW = min(50, settings().max_examples)


def _fault(path: Path) -> str | None:
    try:
        assert isinstance(read_directory_file(path), DirectoryFile)
    except SettingsError as error:
        return error.detail
    return None


@settings(max_examples=FEW)
@given(st.dictionaries(_KEYS, _TABLES, max_size=4))
def test_any_toml_is_a_directory_or_a_fault_that_names_the_file(
    tmp_path_factory: pytest.TempPathFactory, tables: dict[str, object]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text("\n".join(f"{key} = {_toml(value)}" for key, value in tables.items()), encoding="utf-8")
    fault = _fault(path)
    assert fault is None or (fault.startswith(f"{path}: ") and "not TOML" not in fault)


@settings(max_examples=FEW)
@given(st.text("[]{}=.,\"'#\\ \n\0ai7é", max_size=60))
def test_any_text_is_a_directory_or_a_fault(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "text.toml"
    path.write_text(text, encoding="utf-8")
    fault = _fault(path)
    assert fault is None or fault.startswith(f"{path}: ")
