"""azure-iot-device over HTTPS: what of Microsoft's Python device SDK runs there. report.py says what it reads."""

import base64
import os

import requests
from azure.iot.device import IoTHubDeviceClient
from azure.iot.device.common.auth import sastoken, signing_mechanism

from report import CA, CA_FILE, DEVICE, PARTS, PATIENCE, end, expected, gap, mark, run


def post(key):
    """Posts a message with a token that the SDK signed."""
    host, device = PARTS["HostName"], PARTS["DeviceId"]
    token = sastoken.RenewableSasToken(
        f"{host}/devices/{device}", signing_mechanism.SymmetricKeySigningMechanism(key)
    )
    properties = {"mark": mark()}
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
            "iothub-app-mark": properties["mark"],
        },
        verify=CA_FILE,
        timeout=PATIENCE,
    )
    return answer, expected(body, properties, "py-1", "application/json", "utf-8")


def post_accepted(record):
    answer, message = post(PARTS["SharedAccessKey"])
    if answer.status_code != 204:
        raise RuntimeError(f"{answer.status_code}: {answer.text}")
    record["sent"].append(message)


def post_refused(record):
    answer, message = post(base64.b64encode(bytes([7] * 32)).decode())
    record["never"].append(message["mark"])
    if answer.status_code != 401:
        raise RuntimeError(f"{answer.status_code} for a wrong key")


def upload(_record):
    device = IoTHubDeviceClient.create_from_connection_string(
        DEVICE, server_verification_cert=CA, connection_retry=False
    )
    try:
        device.get_storage_info_for_blob("conformance.bin")
    finally:
        device.shutdown()


def main():
    run("a message posted with a token of the SDK", "HTTPS", post_accepted)
    run("the same with a wrong key is refused", "HTTPS", post_refused)
    run("get_storage_info_for_blob", "HTTPS", upload, gap("HTTPS") or "the hub has no file upload")
    end()


main()
