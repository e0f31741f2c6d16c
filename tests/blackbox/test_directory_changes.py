"""The directory file is changed and SIGHUP sent, while existing clients are connected."""

import re
import signal
import time

import pytest

from tests.blackbox.broker_process import DIRECTORY, BrokerProcess
from tests.blackbox.clients.dial import Dial, endpoint_of
from tests.blackbox.clients.kinds import every_client
from tests.blackbox.logins import PARTNER_7, PARTNER_9, SERVICE, SYSTEM, Login
from tests.blackbox.raw import RawTcp, RawWebSocket, frame
from tests.blackbox.recording import EXCHANGE, of_partner

ALL = f"{EXCHANGE}/#"
RAW = "/exchange/bus_raw/"
TEXT = DIRECTORY.read_text()
GRANT = 'grants = [{ system = "acme", message_types = ["event_full_v24", "face_v24"] }]'
WITHOUT_GRANT = TEXT.replace(GRANT, "grants = []")
WITHOUT_PARTNER = re.sub(r"\[\[partners\]\]\nid = 7\n.*?(?=\[\[partners)", "", TEXT, flags=re.DOTALL)
OTHER_PASSWORD = TEXT.replace("correct horse battery", "another horse")
WITHOUT_RAW = (
    TEXT.replace('message_types = ["raw"]', "message_types = []")
    .replace('subscribe = ["/exchange/bus_raw/#"]', "subscribe = []")
    .replace('publish = ["/exchange/bus_raw/#"]', "publish = []")
)
TAKEN_UP_S = 10


class ChangingBroker(BrokerProcess):
    def __init__(self, room, directory):
        self.directory = directory
        super().__init__(room)


class Site:
    """A server whose directory file a test may change."""

    def __init__(self, room):
        self._file = room / "directory.toml"
        self._file.write_text(TEXT)
        self.server = ChangingBroker(room, self._file)

    def change(self, text, word="directory replaced"):
        """Write the file and send SIGHUP; the change has been made when this returns."""
        if text == self._file.read_text():
            return
        told = self.log.count(word)
        self._file.write_text(text)
        self.server.signal(signal.SIGHUP)
        deadline = time.monotonic() + TAKEN_UP_S
        unchanged = self.log.count("changes=0")
        while self.log.count(word) == told and self.log.count("changes=0") == unchanged:
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)

    @property
    def log(self):
        return self.server.log.read_text()


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("changing"))
    yield site
    site.server.stop()


@pytest.fixture
def site(shared_site):
    yield shared_site
    shared_site.change(TEXT)


@pytest.fixture
def dial(request, site):
    dial = Dial(request.param, endpoint_of(site.server))
    yield dial
    dial.close()


def publish(dial, events):
    publisher = dial(SYSTEM)
    for event in events:
        publisher.send(event.destination, event.body, confirm=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (WITHOUT_GRANT, "no longer grants"),
        (WITHOUT_PARTNER, "removed or disabled"),
        (OTHER_PASSWORD, "was changed, revoked or has expired"),
    ],
    ids=["grant", "partner", "password"],
)
@every_client()
def test_what_is_withdrawn_ends_in_an_error_that_says_so_and_nothing_comes_after_it(dial, site, text, words):
    first = of_partner(7)[0]
    consumer, bystander = dial(PARTNER_7), dial(PARTNER_9)
    inbox, others = consumer.subscribe(ALL), bystander.subscribe(ALL)
    publish(dial, [first])
    assert inbox.one().body == first.body
    site.change(text)
    error = consumer.error()
    assert error is not None
    assert error.message == "Access withdrawn"
    assert words in error.body
    others_events = of_partner(9)[:3]
    publish(dial, others_events if text == WITHOUT_PARTNER else [first, *others_events])
    assert [each.body for each in others.take(3)] == [each.body for each in others_events]
    assert inbox.take_rest() == []
    assert bystander.is_quiet


@every_client()
def test_a_new_grant_works_without_reconnect(dial, site):
    site.change(WITHOUT_GRANT)
    consumer = dial(PARTNER_7)
    site.change(TEXT)
    inbox = consumer.subscribe(ALL)
    publish(dial, of_partner(7)[:2])
    assert [each.body for each in inbox.take(2)] == [each.body for each in of_partner(7)[:2]]
    assert consumer.is_quiet


@every_client()
def test_a_message_type_that_is_switched_off_takes_no_more_events_and_is_back_when_it_is_on_again(dial, site):
    publisher, reader = dial(SERVICE), dial(SERVICE)
    inbox = reader.subscribe(RAW + "#")
    for number in range(3):
        publisher.send(RAW + "a", b"%d" % number, confirm=True)
    assert [each.body for each in inbox.take(3)] == [b"0", b"1", b"2"]
    site.change(WITHOUT_RAW)
    assert reader.error().message == "Access withdrawn"
    publisher.send(RAW + "a", b"3")
    assert publisher.error().message == "Access refused"
    publisher = dial(SERVICE)
    site.change(TEXT)
    inbox = dial(SERVICE).subscribe(RAW + "#")
    publisher.send(RAW + "a", b"4", confirm=True)
    assert inbox.one().body == b"4"


@pytest.mark.parametrize("framing", [RawWebSocket, RawTcp])
def test_the_connection_ends_in_good_order_on_both_framings(site, framing):
    address = site.server.tcp_address if framing is RawTcp else site.server.ws_url
    with framing(address) as peer:
        peer.log_in(PARTNER_7)
        site.change(WITHOUT_PARTNER)
        assert peer.frame().headers["message"] == "Access withdrawn"
        end = peer.closed()
        if framing is RawWebSocket:
            assert end.code == 1008


def test_the_old_password_is_worth_nothing_and_the_new_one_works_at_once(site):
    with RawWebSocket(site.server.ws_url) as peer:
        peer.log_in(PARTNER_7)  # and is remembered as verified
        site.change(OTHER_PASSWORD)
        assert "another" not in site.log
    with RawWebSocket(site.server.ws_url) as peer:
        peer.send(frame("CONNECT", accept_version="1.2", login=PARTNER_7.login, passcode=PARTNER_7.passcode))
        assert peer.frame().headers["message"] == "Bad CONNECT"
    with RawWebSocket(site.server.ws_url) as peer:
        peer.log_in(Login(PARTNER_7.login, "another horse"))


@pytest.mark.parametrize("text", ["no TOML", TEXT.replace('"face_v24"] }]', '"fase_v24"] }]'), TEXT + TEXT])
def test_a_file_that_does_not_fit_is_logged_and_nothing_of_it_is_used(site, text):
    with RawWebSocket(site.server.ws_url) as peer:
        peer.log_in(PARTNER_7)
        site.change(text, "directory not reloaded")
        peer.send(frame("SUBSCRIBE", id="1", destination=ALL, receipt="r"))
        assert peer.frame().command == "RECEIPT"
        site.change(TEXT)
        peer.send(frame("UNSUBSCRIBE", id="1", receipt="s"))
        assert peer.frame().headers == {"receipt-id": "s"}
