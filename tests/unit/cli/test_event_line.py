"""One readable line for each kind of body, and for what is none."""

import pytest

from heliograph.cli.event_line import event_line
from heliograph.client import Message
from heliograph.stomp.client_session import Delivery

EVENT = (
    b'{"eventId":1,"type":"faceDetected","source":{"type":"camera","sourceId":32,"accountId":12345},'
    b'"timestamp":"2021-05-04T07:10:03.371+0000","namespace":"","boundingBox":[0.21,0.1,0.35,0.4],"confidence":1.0}'
)
FACE = b'{"accountId":12345,"faceId":"b6e27147-f649","timestamp":"2020-11-17T14:03:01.221+0100","action":"update"}'


def line(body: bytes, key: str, exchange: str = "acme_event_full_v24", redelivered: bool = False) -> str:
    delivery = Delivery("0", f"/exchange/{exchange}/{key}", "m", "", redelivered, {}, body)
    return "  ".join(text for text, _ in event_line(Message(delivery, None)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "key", "exchange", "expected"),
    [
        (
            EVENT,
            "7.12345.32.create.objectDetected.faceDetected",
            "acme_event_full_v24",
            "2021-05-04 07:10:03.371  7/12345/32  faceDetected            100%  box 0.21 0.10 0.35 0.40",
        ),
        (
            FACE,
            "7.12345.update",
            "a_cme_face_v24",
            "2020-11-17 14:03:01.221+0100  7/12345  face update  b6e27147-f649",
        ),
        (b"\xff\x1b[2J", "any.words", "acme_raw", "any.words  5 octets  \\xff\\x1b[2J"),
        (b"[1]", "any.words", "acme_raw", "any.words  3 octets  [1]"),
        (b"{}", "any.words", "acme_raw", "-  any.words  raw "),
        (b"[" * 100_000, "k", "acme_raw", f"k  100000 octets  {'[' * 120}"),
    ],
)
def test_a_line(body: bytes, key: str, exchange: str, expected: str):
    assert line(body, key, exchange).rstrip() == expected.rstrip()


def test_a_redelivered_event_says_so():
    assert line(EVENT, "7.1.1.create.x", redelivered=True).endswith("redelivered")


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"\\u001b[2J","timestamp":"\\u0007","faceId":"\\n"}',
        b'{"type":{"a":"\\u202e"},"timestamp":[],"confidence":"high","boundingBox":["a",null,{},1]}',
        b'{"type":"x","confidence":' + b"9" * 400 + b',"boundingBox":[1]}',
        b'{"type":"' + b"x" * 10_000 + b'"}',
    ],
)
def test_no_body_can_act_on_the_terminal_or_flood_it(body: bytes):
    shown = line(body, "7.1.\x1b[2J")
    assert shown.isprintable()
    assert len(shown) < 1_000
