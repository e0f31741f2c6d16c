"""Stock stomp.py, as an integrator would write it."""

import queue

import stomp

from tests.durable.broker_process import BrokerProcess
from tests.durable.people import ACME, NORTHWIND, pattern, publish


class Listener(stomp.ConnectionListener):  # type: ignore[misc]
    def __init__(self) -> None:
        self.frames: queue.Queue = queue.Queue()

    def on_message(self, frame) -> None:
        self.frames.put(frame)

    def on_error(self, frame) -> None:
        self.frames.put(frame)


def subscribe(broker: BrokerProcess, camera: int):
    connection = stomp.WSStompConnection([broker.server.websocket], ws_path="/ws", auto_content_length=False)
    listener = Listener()
    connection.set_listener("", listener)
    connection.connect(*NORTHWIND, wait=True)
    headers = {"durable": "true", "auto-delete": "false", "prefetch-count": "10"}
    connection.subscribe(pattern(camera), id="alarms", ack="client-individual", headers=headers)
    return connection, listener.frames


def test_a_durable_subscription_of_stomp_py_gets_its_backlog(broker: BrokerProcess, camera: int):
    connection, frames = subscribe(broker, camera)
    publisher = broker.peer(ACME)
    for _ in range(50):  # stomp.py does not wait for the subscription
        publish(publisher, camera, [0])
        try:
            first = frames.get(timeout=0.2)
            break
        except queue.Empty:
            continue
    connection.ack(first.headers["ack"])
    connection.disconnect()
    publish(publisher, camera, [1, 2])
    connection, frames = subscribe(broker, camera)
    found = [frames.get(timeout=5) for _ in range(2)]
    assert [frame.cmd for frame in found] == ["MESSAGE"] * 2
    assert ['"eventId": 1' in found[0].body, '"eventId": 2' in found[1].body] == [True, True]
    connection.unsubscribe(id="alarms", headers={"durable": "true"})
    connection.disconnect()
