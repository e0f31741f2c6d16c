"""Frames that are like earlier ones, read without parsing: nearly every SEND, and nearly every ACK.

Publishers repeat themselves, and put a frame into a message.  Whatever is not quite so takes the way of all frames,
see ``ServerSession.receive``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from heliograph.generational_cache import GenerationalCache
from heliograph.stomp.frame import Head, SendHead
from heliograph.stomp.parser import Parser

_NO_HEADS: GenerationalCache[bytes, Head] = GenerationalCache(2)  # stays empty
_KNOWN_HEAD_BYTES_MAX = 1_024  # longer heads are not remembered
_FRAME_ENDS = (b"\0", b"\0\n")
_HEAD_AND_FRAME_ENDS = (b"\n\n\0", b"\n\n\0\n")
_RECEIPT = b"\nreceipt:"
_ACK_ID_AT = len(b"ACK\nid:")
_TAG_DIGITS_MAX = 18
_PLAIN_RECEIPT_BYTES_MAX = 64


#: Consecutive SENDs: head and body of each, the receipts of those that ask for one, by place among them, and the piece
#: that comes behind them, or None where that was all.
Sends = tuple[list[SendHead], list[bytes], dict[int, str], bytes | None]


class ShortWay:
    """Of one session: barred until ``admit``, and again from ``bar`` on."""

    __slots__ = ("_acks", "_body_bytes_max", "_heads", "_held")

    def __init__(self, parser: Parser, body_bytes_max: int) -> None:
        self._held = parser.held
        self._body_bytes_max = body_bytes_max
        self.bar()

    def admit(self, heads: GenerationalCache[bytes, Head] | None, acks: bool) -> None:
        """``heads``: of earlier SENDs, or None where none are awaited.  ``acks``: whether 1.2 is spoken."""
        self._heads = _NO_HEADS if heads is None else heads
        self._acks = acks

    def bar(self) -> None:
        """Read nothing more."""
        self._heads, self._acks = _NO_HEADS, False

    def sends(self, first: bytes, others: Iterator[bytes]) -> Sends | None:
        """``first`` and as many of ``others`` as are each one whole SEND that begins like an earlier one.

        None where ``first`` is none; then nothing was taken from ``others``.
        """
        known = self._heads.young
        if not known or self._held:
            return None
        heads: list[SendHead] = []
        bodies: list[bytes] = []
        receipts: dict[int, str] = {}
        behind: bytes | None = None
        for data in chain((first,), others):
            text, _, rest = data.partition(b"\n\n")
            head = known.get(text) if len(text) <= _KNOWN_HEAD_BYTES_MAX else None
            if head is None:
                head, receipt = self._without_receipt(text)
                if head is None:
                    behind = data
                    break
                receipts[len(heads)] = receipt
            send, size = head.sent_alone, head.content_length
            if size < 0:
                size = rest.find(b"\0", 0, self._body_bytes_max + 1)
            if send is None or size < 0 or rest[size:] not in _FRAME_ENDS:
                receipts.pop(len(heads), None)
                behind = data
                break
            heads.append(send)
            bodies.append(rest[:size])
        return (heads, bodies, receipts, behind) if heads else None

    def _without_receipt(self, text: bytes) -> tuple[Head | None, str]:
        """The head that is known but for its receipt, and that."""
        begin = text.find(_RECEIPT)
        if begin < 0 or len(text) > _KNOWN_HEAD_BYTES_MAX:
            return None, ""
        end = text.find(b"\n", begin + 1)
        end = len(text) if end < 0 else end
        receipt = _plain(text[begin + len(_RECEIPT) : end])
        return (None, "") if receipt is None else (self._heads.young.get(text[:begin] + text[end:]), receipt)

    def ack(self, data: bytes) -> tuple[bytes, int] | None:
        """The two parts of the id, as written and a number, where ``data`` is a whole ACK of 1.2 with nothing else."""
        if not data.startswith(b"ACK\nid:") or not self._acks:
            return None
        end = data.find(b"\n", _ACK_ID_AT)
        at = data.rfind(b"@@", _ACK_ID_AT, end) + 2
        tag = data[at:end]
        if not tag.isdigit() or len(tag) > _TAG_DIGITS_MAX or data[end:] not in _HEAD_AND_FRAME_ENDS or self._held:
            return None
        return data[_ACK_ID_AT:at], int(tag)


def _plain(value: bytes) -> str | None:
    """The text of a header's value that needs no unescaping, nor escaping when it goes back; None for others."""
    if len(value) > _PLAIN_RECEIPT_BYTES_MAX or not value.isascii():
        return None
    text = value.decode()
    return text if text.isprintable() and "\\" not in text and ":" not in text else None
