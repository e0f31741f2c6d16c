"""Changes of the directory file that requests ask for, and whose fault it is where the result does not fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from heliograph.directory.fault import DirectoryFault
from heliograph.directory.file import DirectoryFile
from heliograph.server.http.problem import Refused, joined, pointer_of

#: The tables of the file, and what names an entry of each.
_KEYS = {"systems": "name", "partners": "id", "services": "name", "operators": "name",
         "message_types": "name", "event_types": "name"}  # fmt: skip

#: From what is there (None: nothing) to what shall be there (None: nothing).
Change = Callable[[Any], Any]
#: Of an entry: the part of it that a path names, or the entry itself; None: there is none.
Part = Callable[[Any], Any]


class Edit:
    """A change of one entry: ``table`` of the file, ``key`` within it.  Called with the file, gives the new one.

    ``by_path``: what is wanted stands in the path, so no field of a body is at fault.  ``tagged``: which part of the
    entry has the ETag that is asked for; ``exists``: whether the part that is to be made is there.  ``condition``: gets
    both, and may refuse.
    """

    condition: Callable[[Any, bool], None] | None = None

    def __init__(
        self,
        table: str,
        key: str | int,
        change: Change,
        *,
        by_path: bool = False,
        tagged: Part = lambda entry: entry,
        exists: Callable[[Any], bool] = lambda entry: True,
    ) -> None:
        self._tagged = tagged
        self._exists = exists
        self._table = table
        self._key = key
        self._change = change
        self._by_path = by_path
        self._place = ""
        self._file = DirectoryFile()

    def __call__(self, file: DirectoryFile) -> DirectoryFile:
        """The file with the change."""
        entries = list(getattr(file, self._table) or ())
        keys = [getattr(entry, _KEYS[self._table]) for entry in entries]
        index = keys.index(self._key) if self._key in keys else len(entries)
        old = entries[index] if index < len(entries) else None
        new = self._change(old)
        tagged = None if old is None else self._tagged(old)
        if self.condition is not None and tagged is not None:
            self.condition(tagged, self._exists(old))
        entries[index : index + 1] = [] if new is None else [new]
        self._place = f"{self._table}[{index}]" if new is not None else "-"
        self._file = replace(file, **{self._table: tuple(entries)})
        return self._file

    def refused(self, fault: DirectoryFault) -> Refused:
        """422 where what was sent is wrong by itself; 409 where it, or something else, would not fit what there is."""
        own = [each for each in (fault, *fault.further) if f"{each.place}.".startswith(f"{self._place}.")]
        if not own:
            return Refused(409, "Conflict", f"{self._named(fault.place)}: {fault.sentences}")
        status, title = (409, "Conflict") if all(each.conflict for each in own) else (422, "Invalid request")
        if self._by_path:
            return Refused(status, title, own[0].sentences)
        faults = [(self._within(each.place), each.sentences) for each in own]
        shown = " ".join(f"{place}: {sentences}" if place else sentences for place, sentences in faults)
        return Refused(status, title, shown, joined((pointer_of(place), what) for place, what in faults))

    def _within(self, place: str) -> str:
        """The part that leads through what was sent."""
        return re.sub(r"^accounts\[\d+\]\.?", "", place.removeprefix(self._place).removeprefix("."))

    def _named(self, place: str) -> str:
        """``partners[2].email`` as people know it."""
        parts = re.fullmatch(r"(\w+)\[(\d+)\]\.?(.*)", place)
        if parts is None or parts[1] not in _KEYS:
            return place
        entry = getattr(self._file, parts[1])[int(parts[2])]
        name = parts[1].removesuffix("s").replace("_", " ")
        return f"{name} {getattr(entry, _KEYS[parts[1]])} {parts[3]}".strip()


def made(entry: Any, what: str) -> Change:
    """Where nothing is: ``entry``."""

    def change(old: Any) -> Any:
        if old is not None:
            raise Refused(409, "Already there", f"There is already {what}. Change it with PUT.")
        return entry

    return change


def changed(what: str, **fields: Any) -> Change:
    """What is there, with these fields."""
    return lambda old: replace(there(old, what), **fields)


def removed(what: str) -> Change:
    """Nothing, where something is."""

    def change(old: Any) -> None:
        there(old, what)

    return change


def there(entry: Any, what: str) -> Any:
    """``entry``, unless there is none."""
    if entry is None:
        raise not_there(what)
    return entry


def not_there(what: str) -> Refused:
    """404; ``what`` such as "system 'acme'"."""
    return Refused(404, "Not there", f"There is no {what}.")


def with_accounts(
    partner_id: int,
    change: Callable[[dict[int, Any]], None],
    account_id: int | None = None,
    *,
    by_path: bool = False,
    exists: Callable[[Any], bool] = lambda account: True,
) -> Edit:
    """An edit of a partner's accounts, by id; ``change`` works on the mapping.  ``account_id``: the one it is about."""

    def of_partner(partner: Any) -> Any:
        accounts = {account.id: account for account in there(partner, f"partner {partner_id}").accounts}
        change(accounts)
        return replace(partner, accounts=tuple(accounts.values()))

    def account(partner: Any) -> Any:
        return next((each for each in partner.accounts if each.id == account_id), None)

    return Edit(
        "partners",
        partner_id,
        of_partner,
        by_path=by_path,
        tagged=account,
        exists=lambda partner: exists(account(partner)),
    )
