"""Small states that change in place, by key: an append-only file of which the last record of each key counts.

    name     = number "-" salt ".journal"    ; number: 10 digits, the highest counts; salt: 8 hex digits
    journal  = *record *zero                 ; record: see record.py; zeros: room written ahead, see appender.py

A journal that is mostly out of date is written anew: all states into a new file, synced, renamed, the directory
synced; so at each moment one whole journal is on disk.  The same mends it after a failure to write, and after
damage was found.

A record whose state is damaged is left out, and its key falls back to the record before, unless a later one
has replaced it anyway.  Where a head is damaged the key is not known: then every key without a later record
may have lost one, and all of these are told as damaged.  What stands behind the last whole record was torn by a
crash and is left out without more ado; therefore a mark follows when the journal rests.

``put`` and ``take`` belong to the event loop, ``load`` to whoever opens, everything else to the writer's thread.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

import structlog

from heliograph.engine.embedded.log.appender import Appender
from heliograph.engine.embedded.log.record import GONE, HEAD_BYTES, MARK, decode_record, encode_record, find_record
from heliograph.engine.embedded.log.store import Store
from heliograph.engine.embedded.log.upkeep import quarantine
from heliograph.engine.interface import Confirm
from heliograph.limits import Limits

logger = structlog.get_logger("heliograph.log")

_DIRECTORY = "journal"
_SUFFIX = ".journal"
_NEW = f"{_DIRECTORY}/new"
#: A journal this many times as large as its states is written anew.
_GARBAGE = 4
_PIECE_BYTES = 1 << 20


class Put(NamedTuple):
    """``state``: None removes the key.  ``confirm``: called when it is stored, or with the reason why not."""

    key: str
    state: bytes | None
    confirm: Confirm | None


class Journal:
    """``damaged_keys``: after ``load``, the keys whose state may be older than what was confirmed.

    ``records_lost``: after ``load``, whether records were lost whose keys are not known; a key that was only
    in these is not there any more.
    """

    def __init__(self, store: Store, limits: Limits) -> None:
        self.broken = True  #: nothing may be written before ``repair``
        self.marked = True  #: the last record is a mark, or there is none
        self.pending: list[Put] = []
        self.touch: Callable[[], None] = lambda: None  #: the writer's: something is pending
        self.damaged_keys: frozenset[str] = frozenset()
        self.records_lost = False
        self._damaged = False  # what is on disk
        self._store = store
        self._limits = limits
        self._states: dict[str, bytes] = {}
        self._states_bytes = 0
        self._number = 0
        self._sequence = 0
        self._salt = 0
        self._appender: Appender | None = None  # None: to be written anew

    # --- the event loop's

    def put(self, key: str, state: bytes | None, confirm: Confirm | None = None) -> None:
        """Have ``state`` stored with the next commit; None removes the key."""
        self.pending.append(Put(key, state, confirm))
        self.touch()

    def take(self) -> list[Put]:
        """What is pending, pending no more."""
        puts, self.pending = self.pending, []
        return puts

    @property
    def damaged(self) -> bool:
        """Whether anything that was confirmed may be missing from what ``load`` has given."""
        return bool(self.damaged_keys) or self.records_lost

    # --- opening

    def load(self) -> dict[str, bytes]:
        """Every key's state.  Writes nothing.  Raises OSError."""
        found = sorted(parsed for name in self._store.names(_DIRECTORY) if (parsed := _parse(name)) is not None)
        if not found:
            return {}
        self._number, self._salt = found[-1]
        path = _path(self._number, self._salt)
        file = self._store.open(path)
        data = file.read(file.size(), 0)
        end = self._read(data)
        torn = len(data.rstrip(b"\0")) - end
        if torn > 0:
            logger.warning("torn tail", file=path, position=end, octets=torn)
        self._damaged = self.damaged
        if self._damaged:
            logger.error("damaged", file=path, keys=sorted(self.damaged_keys), records_lost=self.records_lost)
        if torn > 0 or self._damaged:
            file.close()
        else:
            self._appender = Appender(file, end, self._limits.preallocated_bytes)
        return dict(self._states)

    def _read(self, data: bytes) -> int:
        """Take the states; where the last whole record ends."""
        damaged: set[str] = set()
        bad: list[str] = []  # keys of records that are not whole, since the last that is
        hole = False  # since then there was a record whose head is damaged
        expected: int | None = None
        position = end = 0
        while (at := find_record(data, position, self._salt)) is not None:
            record = decode_record(data, at, self._salt)
            assert record is not None
            position = at + record.size
            hole = hole or (at != 0 if expected is None else record.sequence != expected)
            expected = record.sequence + 1
            if not record.intact:
                bad.append(record.key)
                continue
            if hole:
                hole = False
                self.records_lost = True
                damaged.update(self._states)
            damaged.update(bad)
            bad.clear()
            if not record.flags & MARK:
                self._set(record.key, None if record.flags & GONE else record.state)
                damaged.discard(record.key)
            self._sequence = record.sequence
            end = position
        self.damaged_keys = frozenset(damaged)
        return end

    # --- the writer's thread's

    def write(self, puts: Iterable[Put], sync: bool) -> None:
        """Store what was put; of one key, the last.  Raises OSError; the states are then stored by ``repair``."""
        latest = {put.key: put.state for put in puts}
        for key, state in latest.items():
            self._set(key, state)
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        appender = self._appender
        if appender is None or appender.end > max(self._limits.journal_bytes_min, _GARBAGE * self._states_bytes):
            self._write_anew()
        else:
            self._append([self._encode(0 if state is not None else GONE, key, state or b"")
                          for key, state in latest.items()], sync)  # fmt: skip
        self.marked = False

    def mark(self, sync: bool) -> None:
        """Show that the record before was whole.  Raises OSError."""
        self._append([self._encode(MARK, "", b"")], sync)
        self.marked = True

    def sync(self) -> None:
        """Put on disk what was written without.  Raises OSError."""
        if self._appender is not None:
            try:
                self._appender.sync()
            except OSError:
                self._break()
                raise

    def repair(self) -> None:
        """Make it fit for writing again, or for the first time.  Raises OSError."""
        try:
            if self._appender is None:
                self._write_anew()
            else:
                self._appender.repair()
                self._store.sync_directory(_DIRECTORY)
        except BaseException:
            self._break()
            raise
        self.broken = False

    def close(self) -> None:
        """Close the file; the writer must have stopped."""
        self._break()

    def _set(self, key: str, state: bytes | None) -> None:
        old = self._states.pop(key, None)
        if old is not None:
            self._states_bytes -= _size(key, old)
        if state is not None:
            self._states[key] = state
            self._states_bytes += _size(key, state)

    def _encode(self, flags: int, key: str, state: bytes) -> bytes:
        self._sequence += 1
        return encode_record(flags, key, state, self._sequence, self._salt)

    def _append(self, records: list[bytes], sync: bool) -> None:
        assert self._appender is not None
        try:
            self._appender.write((b"".join(records),), sync)
        except BaseException:
            self._break()
            raise

    def _break(self) -> None:
        self.broken = True
        if self._appender is not None:
            self._appender.file.close()
            self._appender = None

    def _write_anew(self) -> None:
        """All states into a new file, which then takes the old one's place."""
        self._break()
        store = self._store
        store.make_directory(_DIRECTORY)
        self._number += 1  # even if this fails: no two files have the same
        self._salt = int.from_bytes(os.urandom(4), "big")
        file = store.open(_NEW, create=True)
        try:
            file.truncate(0)
            appender = Appender(file, 0, 0)
            piece: list[bytes] = []
            size = 0
            for key, state in self._states.items():
                piece.append(self._encode(0, key, state))
                size += len(piece[-1])
                if size >= _PIECE_BYTES:
                    appender.write(piece, sync=False)
                    piece, size = [], 0
            appender.write([*piece, self._encode(MARK, "", b"")], sync=False)
            appender.sync()
            path = _path(self._number, self._salt)
            store.rename(_NEW, path)
            store.sync_directory(_DIRECTORY)
        except BaseException:
            file.close()
            raise
        appender.room_bytes = self._limits.preallocated_bytes
        self._appender = appender
        self.broken = False
        self._remove_others(path)

    def _remove_others(self, path: str) -> None:
        """Remove the old journals, keeping a damaged one.  That it fails harms nothing: the highest number counts."""
        try:
            for name in self._store.names(_DIRECTORY):
                old = f"{_DIRECTORY}/{name}"
                if old == path:
                    continue
                if self._damaged:
                    quarantine(self._store, old, self._limits.quarantine_files_max)
                self._store.unlink(old)
        except OSError as error:
            logger.warning("old journal stays", error=error.strerror)
        else:
            self._damaged = False


def _size(key: str, state: bytes) -> int:
    return HEAD_BYTES + len(key) + len(state)


def _path(number: int, salt: int) -> str:
    return f"{_DIRECTORY}/{number:010d}-{salt:08x}{_SUFFIX}"


def _parse(name: str) -> tuple[int, int] | None:
    number, _, salt = name.removesuffix(_SUFFIX).partition("-")
    try:
        parsed = int(number), int(salt, 16)
    except ValueError:
        return None
    return parsed if _path(*parsed) == f"{_DIRECTORY}/{name}" else None
