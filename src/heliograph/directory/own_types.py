"""What an operator adds to the catalogue: event types with their supertypes, and message types."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from heliograph.catalog.event_types import BUILT_IN_EVENT_TYPES, EventTypes
from heliograph.catalog.message_type import MessageType
from heliograph.catalog.routing_key import ACTION, FREE, PARTNER, constant, parse_layout
from heliograph.directory.fault import did_you_mean
from heliograph.directory.file import ANY_BODY, EventTypeEntry, MessageTypeEntry
from heliograph.directory.schema_cost import Path, SchemaFault
from heliograph.directory.schema_shape import SchemaShape, pointer_steps
from heliograph.errors import SettingsError
from heliograph.limits import Limits

#: Raises the fault of a place in the file (where it is one only beside others: a conflict); or keeps it, and goes on.
Refuse = Callable[[str, str], NoReturn]
Note = Callable[[str, str], None]

_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")
_POINTER_STEPS_MAX = 16
_ACTIONS_MAX = 16


def extended_event_types(
    entries: Sequence[EventTypeEntry], limits: Limits, refuse: Refuse, conflict: Refuse
) -> EventTypes:
    """The built-in tree with ``entries``, which may stand in any order."""
    if not entries:
        return BUILT_IN_EVENT_TYPES
    if len(entries) > limits.event_types_max:
        refuse("event_types", f"there are {len(entries)}; {limits.event_types_max} are allowed (event_types_max).")
    parents = dict(BUILT_IN_EVENT_TYPES)
    for number, entry in enumerate(entries):
        place = f"event_types[{number}].name"
        if not _WORD.fullmatch(entry.name):
            refuse(place, f"{entry.name!r:.80} is no word of a key. Use 1 to 64 letters, digits, '_' and '-'.")
        if entry.name in parents:
            conflict(place, f"there is an event type {entry.name!r} already. Give this one another name.")
        parents[entry.name] = entry.supertype
    for number, entry in enumerate(entries):
        _check_supertype(f"event_types[{number}].supertype", entry, parents, limits, conflict)
    return EventTypes(parents)


def _check_supertype(
    place: str, entry: EventTypeEntry, parents: Mapping[str, str | None], limits: Limits, conflict: Refuse
) -> None:
    if entry.supertype is not None and entry.supertype not in parents:
        conflict(place, f"no event type is called {entry.supertype!r:.80}.{did_you_mean(entry.supertype, parents)}")
    above, levels = entry.supertype, 1
    while above is not None and above in parents:
        levels += 1
        if above == entry.name:
            conflict(place, f"{entry.name!r} would be its own ancestor. Choose a supertype that is not below it.")
        if levels > limits.event_type_levels_max:
            conflict(place, f"its path would have over {limits.event_type_levels_max} words (event_type_levels_max).")
        above = parents[above]


def own_message_type(
    place: str, entry: MessageTypeEntry, event_types: EventTypes, limits: Limits, refuse: Refuse, note: Note
) -> MessageType:
    """The message type that ``entry`` describes; its name is the caller's to check."""
    try:
        layout = parse_layout(entry.key)
    except SettingsError as fault:
        refuse(f"{place}.key", fault.detail)
    if ACTION not in layout and entry.actions:
        note(f"{place}.actions", "the key has no {action}. Put it there, or leave these out.")
    _check_actions(f"{place}.actions", entry.actions, note)
    actions = entry.actions or ("create",)
    if entry.body == ANY_BODY:
        _check_unread(place, entry, layout, note)
        return MessageType(entry.name, layout, None, actions, event_types)
    if isinstance(entry.body, str):
        refuse(f"{place}.body", f"it is neither {ANY_BODY!r} nor a JSON object. Give a JSON Schema (2020-12).")
    places = _checked_places(place, entry, layout, len(actions) == 1, note)
    if entry.source is not None and "account" not in layout:
        note(f"{place}.from", "what is posted belongs to an account, so the key needs {account}.")
    try:
        shape = SchemaShape(entry.body, places, limits)
    except SchemaFault as fault:
        refuse(_below(f"{place}.body", fault.path), fault.sentences)
    return MessageType(entry.name, layout, shape, actions, event_types, entry.source)


def _check_actions(place: str, actions: Sequence[str], note: Note) -> None:
    if len(actions) > _ACTIONS_MAX:
        note(place, f"there are {len(actions)}; {_ACTIONS_MAX} are allowed.")
    for number, action in enumerate(actions):
        if not _WORD.fullmatch(action):
            note(f"{place}[{number}]", f"{action!r:.80} is no word of a key. Use 1 to 64 letters, digits, '_', '-'.")


def _check_unread(place: str, entry: MessageTypeEntry, layout: tuple[str, ...], note: Note) -> None:
    """A body that is not read implies no key."""
    if any(constant(name) is None for name in layout) and layout != FREE:
        note(f"{place}.body", "the key has words that a body must agree with. Give a JSON Schema, or the key '#'.")
    if entry.places:
        note(f"{place}.places", f"bodies are not read ({ANY_BODY!r}). Give a JSON Schema, or leave these out.")
    if entry.source is not None:
        note(f"{place}.from", "what is posted needs a key, which a body that is not read cannot imply.")


def _checked_places(
    place: str, entry: MessageTypeEntry, layout: tuple[str, ...], one_action: bool, note: Note
) -> dict[str, str]:
    """Those that can be used."""
    good = {}
    named = [name for name in layout if constant(name) is None and name not in {PARTNER, *FREE}]
    for name in named:
        if name not in entry.places and not (name == ACTION and one_action):
            note(f"{place}.places", f"it does not say where {{{name}}} of the key stands. Add a JSON pointer.")
    for name, pointer in entry.places.items():
        if name not in named:
            note(_below(f"{place}.places", (name,)), "the key has no such word that a body could say.")
            continue
        try:
            steps = pointer_steps(pointer)
        except ValueError:
            steps = []
        if 0 < len(steps) <= _POINTER_STEPS_MAX:
            good[name] = pointer
        else:
            note(
                f"{place}.places.{name}",
                f"{pointer!r:.80} is no JSON pointer of 1 to {_POINTER_STEPS_MAX} names, such as '/source/accountId'.",
            )
    return good


def _below(place: str, path: Path) -> str:
    """As TOML names it: a key that is no bare one stands in quotation marks."""
    for step in path:
        if isinstance(step, int):
            place = f"{place}[{step}]"
        else:
            place = f"{place}.{step if _WORD.fullmatch(step) else json.dumps(step)}"
    return place
