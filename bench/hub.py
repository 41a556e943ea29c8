"""What a Python program needs to send to IoT Hub over HTTPS: a token of its own, and requests."""

import base64
import hashlib
import hmac
import os
import time
import urllib.parse

PARTS = dict(part.split("=", 1) for part in os.environ["BENCH_CONNECTION_STRING"].split(";"))
RESOURCE = f"{PARTS['HostName']}/devices/{PARTS['DeviceId']}"
URL = f"https://localhost:{os.environ['BENCH_PORT']}/devices/{PARTS['DeviceId']}/messages/events?api-version=2021-04-12"


def token(seconds=int(os.environ.get("BENCH_TOKEN_SECONDS", "3600"))):
    """A shared access signature, by default for an hour."""
    resource = urllib.parse.quote(RESOURCE, safe="")
    expiry = int(time.time()) + seconds
    key = base64.b64decode(PARTS["SharedAccessKey"])
    digest = hmac.new(key, f"{resource}\n{expiry}".encode(), hashlib.sha256).digest()
    signature = urllib.parse.quote(base64.b64encode(digest), safe="")
    return f"SharedAccessSignature sr={resource}&sig={signature}&se={expiry}"


def headers():
    """Headers of one message."""
    return {
        "Authorization": token(),
        "Content-Type": "application/octet-stream",
        "iothub-contenttype": "application/json",
        "iothub-contentencoding": "utf-8",
    }
