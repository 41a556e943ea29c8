"""azure-iot-hub (with uamqp below it) over AMQP, bare and inside WebSocket: cloud-to-device messages. The device receives
over MQTT. report.py says what it reads, and

    HUB_OWNER    connection string of the policy iothubowner
"""

import base64
import os
import queue
import time
import uuid

import certifi

from report import CA_FILE, DEVICE, PARTS, CA, end, gap, run

# uamqp trusts certifi's authorities and can be told of no other from outside.
certifi.where = lambda: CA_FILE

from azure.iot.device import IoTHubDeviceClient  # noqa: E402
from azure.iot.hub import IoTHubRegistryManager  # noqa: E402
from uamqp import TransportType  # noqa: E402
from uamqp.errors import AuthenticationException  # noqa: E402

from control import purge, waiting  # noqa: E402

OWNER = os.environ["HUB_OWNER"]
NAME = PARTS["DeviceId"]

# What the operations go over; set before each.
OVER = {"transport": TransportType.Amqp}


def service(text=OWNER):
    """A client of the hub's service side."""
    return IoTHubRegistryManager.from_connection_string(text, transport_type=OVER["transport"])


def receive(came):
    """The next message for the device."""
    return came.get(timeout=15)


def connected(came):
    """The device, over MQTT; what comes for it goes into a queue."""
    device = IoTHubDeviceClient.create_from_connection_string(DEVICE, server_verification_cert=CA)
    device.on_message_received = came.put
    device.connect()
    return device


def send(_record):
    came = queue.Queue()
    device = connected(came)
    manager = service()
    try:
        sent = str(uuid.uuid4())
        manager.send_c2d_message(NAME, '{"name":"Zähler"}', {
            "messageId": sent, "correlationId": "c-1", "contentType": "application/json", "contentEncoding": "utf-8",
            "expiryTimeUtc": int((time.time() + 60) * 1000), "iothub-ack": "full", "Site": "a1", "odd": "Zähler / &=%20?#+",
        })
        message = receive(came)
        seen = (message.data.decode(), message.message_id, message.correlation_id, message.content_type,
                message.content_encoding, message.custom_properties.get("Site"), message.custom_properties.get("odd"))
        wanted = ('{"name":"Zähler"}', sent, "c-1", "application/json", "utf-8", "a1", "Zähler / &=%20?#+")
        if seen != wanted:
            raise RuntimeError(f"{seen}, not {wanted}")
    finally:
        manager.amqp_svc_client.disconnect_sync()
        device.shutdown()


def send_many(_record):
    came = queue.Queue()
    device = connected(came)
    manager = service()
    try:
        for number in range(20):
            manager.send_c2d_message(NAME, f"{number}")
        seen = [receive(came).data.decode() for _ in range(20)]
        if seen != [f"{number}" for number in range(20)]:
            raise RuntimeError(f"{seen}")
    finally:
        manager.amqp_svc_client.disconnect_sync()
        device.shutdown()


def fails(work, words):
    """Passes when `work` raises an exception with these words in it: the SDK has no classes of its own."""
    try:
        work()
    except Exception as error:  # pylint: disable=broad-except  # the words are what is checked
        if words in f"{type(error).__name__}: {error}":
            return
        raise RuntimeError(f"refused as {type(error).__name__}: {error}") from error
    raise RuntimeError("accepted")


def unknown_device(_record):
    manager = service()
    try:
        fails(lambda: manager.send_c2d_message("nobody", "x"), "C2D message send failure")
        # The same client goes on.
        manager.send_c2d_message(NAME, "x")
        purge()
    finally:
        manager.amqp_svc_client.disconnect_sync()


def full_queue(_record):
    manager = service()
    try:
        purge()
        for _ in range(50):
            manager.send_c2d_message(NAME, "x")
        fails(lambda: manager.send_c2d_message(NAME, "x"), "C2D message send failure")
        if len(waiting()) != 50:
            raise RuntimeError(f"{len(waiting())} wait")
    finally:
        purge()
        manager.amqp_svc_client.disconnect_sync()


def wrong_key(_record):
    wrong = base64.b64encode(bytes([7] * 32)).decode()
    manager = service(OWNER.split(";SharedAccessKey=", maxsplit=1)[0] + f";SharedAccessKey={wrong}")
    try:
        manager.send_c2d_message(NAME, "x")
    # One that says 401, or, where uamqp reads the description from memory that it has let go, one that cannot be read.
    except AuthenticationException:
        return
    raise RuntimeError("accepted")


OPERATIONS = [
    ("send_c2d_message, the device receives it", send),
    ("send_c2d_message, 20 over one client", send_many),
    ("send_c2d_message to an unknown device is refused", unknown_device),
    ("send_c2d_message to a full queue is refused", full_queue),
    ("send_c2d_message with a wrong key is refused", wrong_key),
]

for transport, kind in [("AMQP", TransportType.Amqp), ("AMQP-WS", TransportType.AmqpOverWebsocket)]:
    OVER["transport"] = kind
    missing = gap(transport) or gap("MQTT")
    for operation, work in OPERATIONS:
        run(operation, transport, work, missing, sdk="azure-iot-hub")

end()
