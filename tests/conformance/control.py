"""The hub's control API, for what the device SDK only sees the other end of. report.py says what it reads."""

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request

from report import PARTS


def ask(method, path, body=None):
    """One call."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        os.environ["HUB_CONTROL"] + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from error
    return json.loads(text) if text else None


def own(rest):
    """A path below the device's own."""
    return f"/devices/{urllib.parse.quote(PARTS['DeviceId'], safe='')}/{rest}"


def to_device(message):
    """Sends a message to the device; gives its sequence number."""
    return ask("POST", own("messages"), message)["sequence"]


def twin():
    """The device's twin."""
    return ask("GET", own("twin"))


def change_twin(change):
    """Merges into the device's twin; gives the twin."""
    return ask("PATCH", own("twin"), change)


def call(name, payload):
    """Calls a direct method of the device; gives its status and payload."""
    return ask("POST", own("methods"), {"methodName": name, "payload": payload, "connectTimeoutInSeconds": 5})


def waiting():
    """What waits for the device."""
    return ask("GET", own("messages"))["waiting"]


def purge():
    """Throws away what waits for the device."""
    ask("DELETE", own("messages"))


def settled(sequence, expected):
    """Waits until a message has become something, and fails if it is something else than expected."""
    for _ in range(200):
        for one in ask("GET", own("messages"))["settled"]:
            if one["sequence"] == sequence:
                if one["outcome"] != expected:
                    raise RuntimeError(f"{one['outcome']}, not {expected}")
                return
        time.sleep(0.05)
    raise RuntimeError(f"message {sequence} was not settled")
