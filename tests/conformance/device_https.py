"""azure-iot-device: what of Microsoft's Python device SDK runs over HTTPS, and what cannot run yet.

    HUB_DEVICE                               connection string of a device
    HUB_CA                                   PEM file of the authority that signed the hub's certificate
    HUB_HTTPS_PORT                           the hub's port
    DPS_HOST, DPS_ID_SCOPE, DPS_GROUP_KEY    the service, its scope and the key of its enrolment group

Reports one line of JSON an operation, as report.js describes it.
"""

import base64
import hashlib
import hmac
import importlib.metadata
import json
import logging
import os
import secrets
import threading
import time

import requests
from azure.iot.device import IoTHubDeviceClient, Message, ProvisioningDeviceClient
from azure.iot.device.common.auth import sastoken, signing_mechanism

SDK = "azure-iot-device"
# How long an operation may take before it counts as failed, seconds.
PATIENCE = 20

DEVICE = os.environ["HUB_DEVICE"]
PARTS = dict(part.split("=", 1) for part in DEVICE.split(";"))
CA_FILE = os.environ["HUB_CA"]
with open(CA_FILE, encoding="ascii") as file:
    CA = file.read()


def run(operation, transport, work, gap=None):
    """Runs one operation and reports it. With `gap` it is expected to fail, for that reason."""
    record = {"sent": [], "never": []}
    outcome = {"error": f"nothing after {PATIENCE} s"}

    def attempt():
        try:
            work(record)
            outcome["error"] = None
        except Exception as error:  # pylint: disable=broad-except  # whatever the SDK raises is the outcome
            causes = []
            while error is not None:
                causes.append(f"{type(error).__name__}: {error}")
                error = error.__cause__
            outcome["error"] = ", for ".join(causes)

    began = time.monotonic()
    # A daemon: the SDK waits for ever in some cases, which must not keep the others from running.
    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    line = {
        "operation": operation,
        "sdk": f"{SDK} {importlib.metadata.version(SDK)} (Python)",
        "transport": transport,
        "took_ms": round((time.monotonic() - began) * 1000),
        "error": outcome["error"],
        "gap": gap,
        **record,
    }
    print(json.dumps(line), flush=True)


def post(record, key):
    """Posts a message with a token that the SDK signed."""
    mark = secrets.token_hex(8)
    host, device = PARTS["HostName"], PARTS["DeviceId"]
    token = sastoken.RenewableSasToken(
        f"{host}/devices/{device}", signing_mechanism.SymmetricKeySigningMechanism(key)
    )
    body = '{"site_id":"Zähler 2"}'.encode()
    answer = requests.post(
        f"https://{host}:{os.environ['HUB_HTTPS_PORT']}/devices/{device}/messages/events",
        params={"api-version": "2021-04-12"},
        data=body,
        headers={
            "Authorization": str(token),
            "iothub-messageid": "py-1",
            "iothub-contenttype": "application/json",
            "iothub-contentencoding": "utf-8",
            "iothub-app-mark": mark,
        },
        verify=CA_FILE,
        timeout=PATIENCE,
    )
    return answer, {
        "mark": mark,
        "id": "py-1",
        "contentType": "application/json",
        "contentEncoding": "utf-8",
        "properties": {"mark": mark},
        "body": body.decode(),
    }


def post_accepted(record):
    answer, message = post(record, PARTS["SharedAccessKey"])
    if answer.status_code != 204:
        raise RuntimeError(f"{answer.status_code}: {answer.text}")
    record["sent"].append(message)


def post_refused(record):
    answer, message = post(record, base64.b64encode(bytes([7] * 32)).decode())
    record["never"].append(message["mark"])
    if answer.status_code != 401:
        raise RuntimeError(f"{answer.status_code} for a wrong key")


def client():
    return IoTHubDeviceClient.create_from_connection_string(
        DEVICE, server_verification_cert=CA, connection_retry=False
    )


def upload(_record):
    device = client()
    try:
        device.get_storage_info_for_blob("conformance.bin")
    finally:
        device.shutdown()


def send(record):
    device = client()
    try:
        device.connect()
        mark = secrets.token_hex(8)
        message = Message(b"{}", message_id="py-mqtt-1")
        message.custom_properties["mark"] = mark
        device.send_message(message)
        record["sent"].append(
            {
                "mark": mark,
                "id": "py-mqtt-1",
                "contentType": None,
                "contentEncoding": None,
                "properties": {"mark": mark},
                "body": "{}",
            }
        )
    finally:
        device.shutdown()


def register(_record):
    group = base64.b64decode(os.environ["DPS_GROUP_KEY"])
    registration = f"conformance-py-{secrets.token_hex(4)}"
    key = base64.b64encode(hmac.new(group, registration.encode(), hashlib.sha256).digest()).decode()
    service = ProvisioningDeviceClient.create_from_symmetric_key(
        provisioning_host=os.environ["DPS_HOST"],
        registration_id=registration,
        id_scope=os.environ["DPS_ID_SCOPE"],
        symmetric_key=key,
        server_verification_cert=CA,
    )
    answer = service.register()
    if answer.registration_state.device_id != registration:
        raise RuntimeError(f"got device {answer.registration_state.device_id}")


def main():
    # The SDK logs stack traces of the failures that are expected below.
    logging.disable(logging.CRITICAL)
    run("a message posted with a token of the SDK", "HTTPS", post_accepted)
    run("the same with a wrong key is refused", "HTTPS", post_refused)
    reachable = os.environ["HUB_HTTPS_PORT"] == "443"
    gap = "the hub has no file upload" if reachable else "the SDK dials port 443, which the hub could not have"
    run("get_storage_info_for_blob", "HTTPS", upload, gap)
    run("send_message", "MQTT", send, "the hub speaks HTTPS only")
    run("register with a key of the group", "MQTT", register, "the DPS speaks HTTPS only")
    # Threads of the SDK that still wait do not end by themselves.
    os._exit(0)


main()
