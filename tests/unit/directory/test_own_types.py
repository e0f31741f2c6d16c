"""Event types and message types of an operator's own: what comes of them, and every fault by its place in the file."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from heliograph.directory.directory import Directory
from heliograph.directory.fault import DirectoryFault
from heliograph.errors import BodyError, DestinationError

Build = Callable[[str], Directory]

TYPES = """
[[event_types]]
name = "truckDetected"
supertype = "vehicleDetected"
[[event_types]]
name = "vehicleDetected"
supertype = "objectDetected"
[[message_types]]
name = "event_full_v25"
key = "{partner}.{account}.{camera}.{action}.{event_types}"
from = "events"
places = { account = "/source/accountId", camera = "/source/sourceId", event_types = "/type" }
body = '''{"type": "object", "required": ["zone"], "properties": {"zone": {"type": "string"}}}'''
[[message_types]]
name = "alarm"
key = "{account}.alarm.{action}"
actions = ["raise", "clear"]
[message_types.places]
account = "/of"
action = "/what"
[message_types.body]
type = "object"
"""
PATH = "objectDetected.vehicleDetected.truckDetected"
BODY = b'{"zone":"a","type":"truckDetected","source":{"accountId":12345,"sourceId":32},"more":1.50}'


@pytest.fixture
def directory(build: Build, example: str) -> Directory:
    return build(example.replace('"event_v24", ', '"event_v24", "event_full_v25", "alarm", ') + TYPES)


def test_a_message_type_is_checked_as_the_built_in_ones(directory: Directory):
    v25 = directory.exchanges["acme_event_full_v25"].message_type
    assert (v25.has_partner, v25.source) == (True, "events")
    key = f"7.12345.32.create.{PATH}"
    v25.verifier(v25.parse_key(key.split("."))).check(BODY)
    assert v25.routing_key(v25.read(BODY), 7) == key
    for other, pointer in ((BODY.replace(b"12345", b"999"), "/source/accountId"), (BODY[:5] + BODY[10:], "")):
        with pytest.raises(BodyError) as caught:
            v25.verifier(v25.parse_key(key.split("."))).check(other)
        assert caught.value.pointer == pointer
    with pytest.raises(DestinationError, match="not the path of truckDetected"):
        v25.parse_key(["7", "12345", "32", "create", "truckDetected"])


def test_constants_and_actions_stand_in_the_key(directory: Directory):
    alarm = directory.exchanges["acme_alarm"].message_type
    assert not alarm.has_partner
    alarm.verifier(alarm.parse_key(["12345", "alarm", "clear"])).check(b'{"of":12345,"what":"clear"}')
    for words, said in (
        (["12345", "alert", "clear"], "Word 2 must be 'alarm'"),
        (["12345", "alarm", "create"], "must be 'raise' or 'clear'"),
        (["12345"], "{account}.alarm.{action}, for example 12345.alarm.raise"),
    ):
        with pytest.raises(DestinationError) as caught:
            alarm.parse_key(words)
        assert said in caught.value.detail
    with pytest.raises(BodyError, match="what must be 'raise' or 'clear'"):
        alarm.routing_key(alarm.read(b'{"of":12345,"what":"x"}'), None)


def test_a_free_key_may_have_a_schema(build: Build, example: str):
    own = '[[message_types]]\nname = "note"\nkey = "#"\nbody = { type = "object" }\n'
    note = build(example.replace('"face_v24"]\n[[', '"face_v24", "note"]\n[[') + own).exchanges["acme_note"]
    verify = note.message_type.verifier(note.message_type.parse_key(["any", "key"])).check
    verify(b"{}")
    with pytest.raises(BodyError, match='not of type "object"'):
        verify(b"[]")


def test_the_built_in_types_know_the_tree(directory: Directory):
    full = directory.exchanges["acme_event_full_v24"].message_type
    assert full.parse_key(f"7.12345.32.create.{PATH}".split("."))
    assert directory.event_types.path("truckDetected") == PATH


def test_a_type_with_a_partner_word_may_be_granted_and_one_without_may_not(build: Build, example: str):
    text = example.replace('"event_v24", ', '"event_v24", "event_full_v25", "alarm", ') + TYPES
    grant = 'message_types = ["event_full_v24", "face_v24"] }]'
    for name, granted in (("event_full_v25", True), ("alarm", False)):
        wanted = text.replace(grant, f'message_types = ["{name}"] }}]')
        if granted:
            partner = build(wanted).principals["ops@northwind.example"]
            assert partner.exchanges == {"acme_event_full_v25"}  # type: ignore[union-attr]
        else:
            with pytest.raises(DirectoryFault, match="no partner word"):
                build(wanted)


FAULTS = [
    ('"vehicleDetected"\nsupertype = "objectDetected"', '"a.b"', "event_types[1].name: 'a.b' is no word of a key."),
    ('name = "truckDetected"', 'name = "faceDetected"', "event_types[0].name: there is an event type 'faceDetected'"),
    ('"objectDetected"', '"objectDetectd"', "event_types[1].supertype: no event type is called 'objectDetectd'. Did"),
    ('"objectDetected"', '"truckDetected"', "event_types[0].supertype: 'truckDetected' would be its own ancestor."),
    ("{account}.alarm", "{zone}.alarm", "message_types[2].key: Word 1 is '{zone}'. Use {partner}, {account}, "),
    ("{account}.alarm", "{account}..alarm", "message_types[2].key: Word 2 is ''."),
    ("{account}.alarm", "{account}.{account}", "message_types[2].key: It names {account} twice."),
    ("{account}.alarm", "{account}.{partner}", "message_types[2].key: {partner} must be the first word"),
    ("{account}.alarm", "{event_types}.{account}", "message_types[2].key: {event_types} must be the last word"),
    ("{account}.alarm", "{camera}.alarm", "message_types[2].key: With {camera} it needs {account}"),
    ('.{action}"\nactions', '"\nactions', "message_types[2].actions: the key has no {action}."),
    ('"clear"]', '"cl ear"]', "message_types[2].actions[1]: 'cl ear' is no word of a key."),
    ('account = "/of"\n', "", "message_types[2].places: it does not say where {account} of the key stands."),
    ('"/of"', '"of"', "message_types[2].places.account: 'of' is no JSON pointer"),
    ('action = "/what"', 'action = "/what"\ncamera = "/c"', "message_types[2].places.camera: the key has no such word"),
    ('[message_types.body]\ntype = "object"', "", "message_types[2].body: this key is missing."),
    ('type = "object"\n', 'type = "objekt"\n', "message_types[2].body.type: it is no JSON Schema"),
    ('type = "object"\n', '"$ref" = "https://a.example/"\n', "message_types[2].body.\"$ref\": 'https://a.example/' is"),
    ('type = "object"\n', "const = 2021-01-01\n", "message_types[2].body: it is not JSON"),
    ("'''{\"type\"", "'''[{\"type\"", "message_types[1].body: it is neither 'any' nor a JSON object."),
    ('"required": ["zone"]', '"required": "zone"', "message_types[1].body.required: it is no JSON Schema"),
    ('key = "{account}.alarm.{action}"', 'from = "faces"\nkey = "alarm.{action}"', "message_types[2].from: what is"),
]


@pytest.mark.parametrize(("old", "new", "fault"), FAULTS)
def test_a_fault_is_named_by_its_place(build: Build, example: str, old: str, new: str, fault: str):
    assert old in TYPES
    with pytest.raises(DirectoryFault) as caught:
        build(example + TYPES.replace(old, new, 1))
    places = [str(each) for each in (caught.value, *caught.value.further)]
    assert any(f"site.toml: {fault}" in each for each in places) or f": {fault}" in places[0], places


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ('key = "{account}"', "body: the key has words that a body must agree with"),
        ('key = "#"\nplaces = { account = "/a" }', "places: bodies are not read"),
        ('key = "#"\nfrom = "events"', "from: what is posted needs a key"),
    ],
)
def test_a_body_that_is_not_read_implies_nothing(build: Build, more: str, fault: str):
    with pytest.raises(DirectoryFault, match="message_types") as caught:
        build(f'[[message_types]]\nname = "x"\nbody = "any"\n{more}\n')
    assert fault in str(caught.value)


def test_all_faults_are_told_up_to_a_limit(build: Build, example: str):
    text = example.replace('id = 7\nname = "Northwind Alarm"', 'id = 0\nname = ""').replace("[32, 33]", "[0, -1]")
    with pytest.raises(DirectoryFault) as caught:
        build(text)
    assert [each.place for each in (caught.value, *caught.value.further)] == [
        "partners[0].id",
        "partners[0].name",
        "partners[0].accounts[0].cameras[0]",
        "partners[0].accounts[0].cameras[1]",
    ]
    with pytest.raises(DirectoryFault) as caught:
        build(example.replace("[32, 33]", str([0] * 100)))
    assert len(caught.value.further) == 31


def test_a_chain_of_event_types_is_bounded(build: Build):
    chain = "".join(f'[[event_types]]\nname = "t{n}"\nsupertype = "t{n + 1}"\n' for n in range(40))
    with pytest.raises(DirectoryFault, match="event_type_levels_max"):
        build(chain + '[[event_types]]\nname = "t40"\n')
