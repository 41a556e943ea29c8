"""azure-iot-device over MQTT, bare and inside WebSocket: the module client, without IoT Edge. report.py says what it reads."""

import base64
import queue
import time

from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient, Message, MethodResponse

from control import ask, own
from report import CA, DEVICE, PARTS, end, expected, gap, mark, refused, run

MODULE = f"py-{mark()}"
TEXT = ask("PUT", own(f"modules/{MODULE}"), {})["connectionString"]
OTHER = ask("PUT", own(f"modules/{MODULE}-2"), {})["connectionString"]

# What the operations go over; set before each.
OVER = {"websockets": False}


def connected(text=TEXT, kind=IoTHubModuleClient):
    """A client that is connected."""
    client = kind.create_from_connection_string(
        text, server_verification_cert=CA, connection_retry=False, websockets=OVER["websockets"])
    try:
        client.connect()
    except Exception:
        client.shutdown()
        raise
    return client


def using(work, text=TEXT):
    """Lets `work` use a module that is connected."""
    client = connected(text)
    try:
        return work(client)
    finally:
        client.shutdown()


def send(record, client, body=b"{}", output=None, properties=None, **system):
    """Sends one message of the first module, to an output if one is named, and records it."""
    message = Message(body, message_id=system.get("message_id"))
    message.content_type = system.get("content_type")
    message.content_encoding = system.get("content_encoding")
    properties = {**(properties or {}), "mark": mark()}
    message.custom_properties.update(properties)
    if output:
        client.send_message_to_output(message, output)
    else:
        client.send_message(message)
    sent = expected(body, properties, **system)
    sent["system"] = {"iothub-connection-device-id": PARTS["DeviceId"], "iothub-connection-module-id": MODULE}
    record["sent"].append(sent)


def module(rest):
    """A path of the control API below the module's own."""
    return own(f"modules/{MODULE}/{rest}")


def described(record):
    odd = {"site id": "Zähler 2", "obis": "1-0:1.8.0*255", "a=b&c": "d/e+f%20?#"}
    using(lambda client: send(record, client, '{"site":"Zähler"}'.encode(), None, odd,
                              message_id="py-module-1", content_type="application/json", content_encoding="utf-8"))


def side_by_side(record):
    one, other = connected(), connected(OTHER)
    try:
        connected(DEVICE, IoTHubDeviceClient).shutdown()
        send(record, one)
        if not other.connected:
            raise RuntimeError("the other module is gone")
    finally:
        one.shutdown()
        other.shutdown()


def newer_wins(record):
    older, newer = connected(), connected()
    try:
        until = time.monotonic() + 10
        while older.connected and time.monotonic() < until:
            time.sleep(0.05)
        if older.connected:
            raise RuntimeError("the older connection is still there")
        send(record, newer)
    finally:
        older.shutdown()
        newer.shutdown()


def wrong_key(_record):
    key = next(part for part in TEXT.split(";") if part.startswith("SharedAccessKey="))
    wrong = "SharedAccessKey=" + base64.b64encode(bytes([7] * 32)).decode()
    # The device's own key does not sign for a module either.
    for other in (wrong, f"SharedAccessKey={PARTS['SharedAccessKey']}"):
        refused("CredentialError", lambda other=other: connected(TEXT.replace(key, other)))


def unknown_module(_record):
    refused("CredentialError", lambda: connected(TEXT.replace(MODULE, "nobody")))


def twin(_record):
    def work(client):
        state = {"mark": mark(), "nested": {"a": 1, "list": [1, "zwei"]}}
        client.patch_twin_reported_properties(state)
        reported = client.get_twin()["reported"]
        shown = ask("GET", module("twin"))["properties"]["reported"]
        for one in (reported, shown):
            if {key: one[key] for key in state} != state:
                raise RuntimeError(f"{state} came as {one}")

    using(work)


def desired(_record):
    def work(client):
        told = queue.Queue()
        client.on_twin_desired_properties_patch_received = told.put
        # The subscription goes out with the handler, and comes first on the connection.
        client.get_twin()
        interval = time.time_ns() // 1000
        changed = ask("PATCH", module("twin"), {"desired": {"interval": interval, "gone": None}})
        version = changed["properties"]["desired"]["$version"]
        patch = told.get(timeout=10)
        if patch != {"interval": interval, "gone": None, "$version": version}:
            raise RuntimeError(f"told {patch}")

    using(work)


def method(_record):
    def work(client):
        def answer(request):
            payload = {"echo": request.payload, "name": request.name}
            client.send_method_response(MethodResponse.create_from_method_request(request, 207, payload))

        client.on_method_request_received = answer
        asked = {"methodName": "reboot", "payload": {"in": [1, "Zähler"]}, "connectTimeoutInSeconds": 5}
        answered = ask("POST", module("methods"), asked)
        if answered != {"status": 207, "payload": {"echo": {"in": [1, "Zähler"]}, "name": "reboot"}}:
            raise RuntimeError(f"answered {answered}")

    using(work)


def inputs(_record):
    def work(client):
        try:
            client.on_message_received = lambda message: None
        except Exception:  # pylint: disable=broad-except  # which one it is depends on who is first to see the end
            pass
        until = time.monotonic() + 10
        while client.connected and time.monotonic() < until:
            time.sleep(0.05)
        told = ask("GET", "/closed")[-1]
        if "inputs are an IoT Edge hub's" not in told["reason"]:
            raise RuntimeError(f"told {told}")

    using(work)


def invoke(_record):
    call = {"methodName": "reboot", "payload": None, "responseTimeoutInSeconds": 5, "connectTimeoutInSeconds": 5}
    using(lambda client: refused("ClientError", lambda: client.invoke_method(call, PARTS["DeviceId"])))


def main():
    operations = [
        ("module: connect, send_message", lambda record: using(lambda client: send(record, client))),
        ("module: send_message, properties, id, type and encoding", described),
        ("module: send_message_to_output, which arrives as telemetry",
         lambda record: using(lambda client: send(record, client, output="out"))),
        ("module: two and their device side by side", side_by_side),
        ("module: a newer connection takes the older one's place", newer_wins),
        ("module: connect with a wrong key, or the device's, is refused", wrong_key),
        ("module: connect as an unknown module is refused", unknown_module),
        ("module: get_twin, patch_twin_reported_properties", twin),
        ("module: on_twin_desired_properties_patch_received", desired),
        ("module: on_method_request_received, send_method_response", method),
    ]
    for transport in ["MQTT", "MQTT-WS"]:
        OVER["websockets"] = transport == "MQTT-WS"
        for name, work in operations:
            run(name, transport, work, gap(transport))
        run("module: on_message_received (inputs)", transport, inputs, gap(transport),
            declined="input messages come from an IoT Edge hub; a hub closes the connection")
        run("module: invoke_method", transport, invoke, gap(transport),
            declined="IoT Edge alone offers it, and the SDK says so itself")
    end()


main()
