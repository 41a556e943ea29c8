"""azure-iot-device over HTTPS: what of Microsoft's Python device SDK runs there. report.py says what it reads."""

import base64
import os

import requests
from azure.iot.device import IoTHubDeviceClient
from azure.iot.device.common.auth import sastoken, signing_mechanism
from azure.storage.blob import BlobClient

from control import ask, own
from report import CA, CA_FILE, DEVICE, PARTS, PATIENCE, end, expected, gap, mark, refused, run


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


def client():
    return IoTHubDeviceClient.create_from_connection_string(
        DEVICE, server_verification_cert=CA, connection_retry=False
    )


def upload(name, content, **options):
    """Uploads a file as Microsoft's sample does, and compares what the hub has."""
    device = client()
    try:
        info = device.get_storage_info_for_blob(name)
        url = f"https://{info['hostName']}/{info['containerName']}/{info['blobName']}{info['sasToken']}"
        with BlobClient.from_blob_url(url, connection_verify=CA_FILE, **options) as blob:
            blob.upload_blob(content)
            if blob.download_blob().readall() != content:
                raise RuntimeError("another file is read")
        device.notify_blob_upload_status(info["correlationId"], True, 201, "Created")
        told = next(one for one in ask("GET", own("files")) if one["correlationId"] == info["correlationId"])
        if told["bytes"] != len(content) or told["told"] != {
                "isSuccess": True, "statusCode": 201, "statusDescription": "Created"}:
            raise RuntimeError(f"the hub has {told}")
    finally:
        device.shutdown()


def upload_whole(_record):
    upload(f"whole {mark()}.bin", bytes(range(256)) * 40)


def upload_blocks(_record):
    upload(f"{mark()}/blocks.bin", os.urandom(300_000), max_single_put_size=65_536, max_block_size=65_536)


def upload_failed(_record):
    device = client()
    try:
        info = device.get_storage_info_for_blob(mark())
        device.notify_blob_upload_status(info["correlationId"], False, 500, "no network")
        # A success that is none.
        info = device.get_storage_info_for_blob(mark())
        refused("ClientError", lambda: device.notify_blob_upload_status(info["correlationId"], True, 201, ""))
        device.notify_blob_upload_status(info["correlationId"], False, 500, "")
    finally:
        device.shutdown()


def main():
    run("a message posted with a token of the SDK", "HTTPS", post_accepted)
    run("the same with a wrong key is refused", "HTTPS", post_refused)
    uploads = "get_storage_info_for_blob, upload_blob (azure-storage-blob"
    run(f"{uploads}, at once), notify_blob_upload_status", "HTTPS", upload_whole, gap("HTTPS"))
    run(f"{uploads}, in blocks), notify_blob_upload_status", "HTTPS", upload_blocks, gap("HTTPS"))
    run("notify_blob_upload_status of a failure; a false success is refused", "HTTPS", upload_failed, gap("HTTPS"))
    end()


main()
