"""azure-iot-device over MQTT, bare and inside WebSocket: device and provisioning client. report.py says what it reads."""

import base64
import os
import queue
import time

from azure.iot.device import IoTHubDeviceClient, Message, MethodResponse, ProvisioningDeviceClient

from control import ask, call, change_twin, settled, to_device, twin
from report import CA, DEVICE, PARTS, end, expected, gap, group_key, mark, refused, run

# What the operations go over; set before each.
OVER = {"websockets": False, "registration": None}


def client(text=DEVICE, **options):
    """A client that is not connected yet."""
    return IoTHubDeviceClient.create_from_connection_string(
        text, server_verification_cert=CA, connection_retry=False, websockets=OVER["websockets"], **options
    )


def connected(text=DEVICE, **options):
    """A client that is connected."""
    device = client(text, **options)
    try:
        device.connect()
    except Exception:
        device.shutdown()
        raise
    return device


def send(record, device, body, properties=None, **system):
    """Sends one message and records it."""
    message = Message(body, message_id=system.get("message_id"))
    message.content_type = system.get("content_type")
    message.content_encoding = system.get("content_encoding")
    properties = {**(properties or {}), "mark": mark()}
    message.custom_properties.update(properties)
    device.send_message(message)
    record["sent"].append(expected(body, properties, **system))


def connect(_record):
    device = connected()
    try:
        if not device.connected:
            raise RuntimeError("not connected")
    finally:
        device.shutdown()


def send_plain(record):
    device = connected()
    try:
        send(record, device, b"{}")
    finally:
        device.shutdown()


def send_described(record):
    device = connected(product_info="meterbridge conformance/1 (äöü)")
    try:
        odd = {"site id": "Zähler 2", "obis": "1-0:1.8.0*255", "a=b&c": "d/e+f%20?#"}
        send(record, device, '{"Wh":1,"site":"Zähler"}'.encode(), odd,
             message_id="py-mqtt-1", content_type="application/json", content_encoding="utf-8")
    finally:
        device.shutdown()


def send_many(record):
    device = connected()
    try:
        for number in range(25):
            send(record, device, f'{{"number":{number}}}'.encode(), message_id=f"py-many-{number}")
    finally:
        device.shutdown()


def send_large(record):
    device = connected()
    try:
        send(record, device, b"x" * 200_000)
    finally:
        device.shutdown()


def send_as_model(record):
    # This SDK takes a model id for its product information.
    device = connected(product_info="dtmi:com:example:Meter;1")
    try:
        send(record, device, b"{}")
        record["sent"][0]["system"] = {"dt-dataschema": "dtmi:com:example:Meter;1"}
    finally:
        device.shutdown()


def wrong_key(_record):
    wrong = base64.b64encode(bytes([7] * 32)).decode()
    text = f"HostName={PARTS['HostName']};DeviceId={PARTS['DeviceId']};SharedAccessKey={wrong}"
    refused("CredentialError", lambda: connected(text))


def unknown_device(_record):
    text = f"HostName={PARTS['HostName']};DeviceId=nobody;SharedAccessKey={PARTS['SharedAccessKey']}"
    refused("CredentialError", lambda: connected(text))


def newer_wins(record):
    older = connected(auto_connect=False)
    newer = connected()
    try:
        until = time.monotonic() + 10
        while older.connected and time.monotonic() < until:
            time.sleep(0.05)
        if older.connected:
            raise RuntimeError("the older connection is still there")
        send(record, newer, b"{}")
    finally:
        older.shutdown()
        newer.shutdown()


def receive(_record):
    device = connected()
    try:
        came = queue.Queue()
        device.on_message_received = came.put
        sent = {"body": "Zähler", "messageId": "c2d-1", "correlationId": "c-1", "contentType": "text/plain",
                "contentEncoding": "utf-8", "ack": "full", "properties": {"Site": "a1", "odd": "Zähler / &=%20?#+"}}
        sequence = to_device(sent)
        message = came.get(timeout=10)
        shown = {"body": message.data.decode(), "messageId": message.message_id, "correlationId": message.correlation_id,
                 "contentType": message.content_type, "contentEncoding": message.content_encoding, "ack": message.ack,
                 "properties": message.custom_properties}
        if shown != sent:
            raise RuntimeError(f"{sent} came as {shown}")
        settled(sequence, "Success")
    finally:
        device.shutdown()


def receive_later(_record):
    sequence = to_device({"body": "sent while away"})
    device = client()
    try:
        came = queue.Queue()
        # This connects. The hub keeps subscriptions, and sends what waits at once: too early for a handler that comes later.
        device.on_message_received = came.put
        if came.get(timeout=10).data != b"sent while away":
            raise RuntimeError("another message came")
        settled(sequence, "Success")
    finally:
        device.shutdown()


def twin_reported(_record):
    device = connected()
    try:
        if "desired" not in device.get_twin():
            raise RuntimeError("no desired properties")
        state = {"mark": mark(), "nested": {"a": 1, "list": [1, "zwei"]}}
        device.patch_twin_reported_properties(state)
        reported = twin()["properties"]["reported"]
        if {key: reported[key] for key in state} != state:
            raise RuntimeError(f"{state} came as {reported}")
    finally:
        device.shutdown()


def twin_refused(_record):
    device = connected()
    try:
        refused("ClientError", lambda: device.patch_twin_reported_properties({"large": "x" * 4097}))
    finally:
        device.shutdown()


def twin_desired(_record):
    device = connected()
    try:
        told = queue.Queue()
        device.on_twin_desired_properties_patch_received = told.put
        # The subscription goes out with the handler, and comes first on the connection.
        device.get_twin()
        interval = time.time_ns() // 1000
        version = change_twin({"desired": {"interval": interval, "gone": None}})["properties"]["desired"]["$version"]
        patch = told.get(timeout=10)
        if patch != {"interval": interval, "gone": None, "$version": version}:
            raise RuntimeError(f"told {patch}")
    finally:
        device.shutdown()


def method(_record):
    device = connected()
    try:
        def answer(request):
            payload = {"echo": request.payload, "name": request.name}
            device.send_method_response(MethodResponse.create_from_method_request(request, 207, payload))

        device.on_method_request_received = answer
        answered = call("reboot", {"in": [1, "Zähler"]})
        if answered != {"status": 207, "payload": {"echo": {"in": [1, "Zähler"]}, "name": "reboot"}}:
            raise RuntimeError(f"answered {answered}")
    finally:
        device.shutdown()


def register(key, registration=None):
    service = ProvisioningDeviceClient.create_from_symmetric_key(
        provisioning_host=os.environ["DPS_HOST"],
        registration_id=registration or OVER["registration"],
        id_scope=os.environ["DPS_ID_SCOPE"],
        symmetric_key=key,
        server_verification_cert=CA,
        websockets=OVER["websockets"],
    )
    service.provisioning_payload = {"modelId": "dtmi:com:example:Meter;1"}
    return service.register()


def registered(_record):
    answer = register(group_key(OVER["registration"]))
    if (answer.status, answer.registration_state.device_id) != ("assigned", OVER["registration"]):
        raise RuntimeError(f"{answer.status}, device {answer.registration_state.device_id}")


def sent_to_assigned(record):
    key = group_key(OVER["registration"])
    assigned = register(key).registration_state
    device = connected(f"HostName={assigned.assigned_hub};DeviceId={assigned.device_id};SharedAccessKey={key}")
    try:
        send(record, device, b'{"provisioned":true}', message_id="py-dps-1")
    finally:
        device.shutdown()


def register_with_payloads(_record):
    """What the device sends along arrives, and what a custom allocation would hand back comes."""
    name = f"py-own-{mark()}"
    keys = {"primaryKey": group_key(name), "secondaryKey": group_key(name)}
    ask("PUT", f"/enrollments/{name}", {
        "registrationId": name, "deviceId": f"{name}-device", "payload": {"welcome": [1, "zwei"]},
        "attestation": {"type": "symmetricKey", "symmetricKey": keys}})
    state = register(group_key(name), name).registration_state
    if (state.device_id, state.sub_status, state.response_payload) != (
            f"{name}-device", "initialAssignment", '{"welcome": [1, "zwei"]}'):
        raise RuntimeError(f"{state.device_id}, {state.sub_status}, {state.response_payload}")
    sent = [one["sent"] for one in ask("GET", "/registrations") if one["registrationId"] == name]
    if sent != [{"modelId": "dtmi:com:example:Meter;1"}]:
        raise RuntimeError(f"the service has {sent}")


def register_with_wrong_key(_record):
    # The derived key of another device.
    refused("CredentialError", lambda: register(group_key("somebody-else")))


def main():
    operations = [
        ("connect, disconnect", connect),
        ("send_message, body alone", send_plain),
        ("send_message, properties, id, type and encoding", send_described),
        ("send_message, 25 in a row", send_many),
        ("send_message, 200 000 bytes", send_large),
        ("send_message, with a model id", send_as_model),
        ("connect with a wrong key is refused", wrong_key),
        ("connect as an unknown device is refused", unknown_device),
        ("a newer connection takes the older one's place", newer_wins),
        ("on_message_received", receive),
        ("on_message_received, of what was sent while away", receive_later),
        ("get_twin, patch_twin_reported_properties", twin_reported),
        ("patch_twin_reported_properties beyond a limit is refused", twin_refused),
        ("on_twin_desired_properties_patch_received", twin_desired),
        ("on_method_request_received, send_method_response", method),
        ("register with a key of the group", registered),
        ("send_message to the hub that was assigned", sent_to_assigned),
        ("register with payloads both ways", register_with_payloads),
        ("register with a wrong key is refused", register_with_wrong_key),
    ]
    for transport in ["MQTT", "MQTT-WS"]:
        OVER["websockets"] = transport == "MQTT-WS"
        OVER["registration"] = f"conformance-py-{mark()}"
        for name, work in operations:
            run(name, transport, work, gap(transport))
    end()


main()
