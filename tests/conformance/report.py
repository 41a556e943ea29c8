"""Runs operations one after the other and reports each as one line of JSON, as report.js describes it.

    HUB_DEVICE                               connection string of a device
    HUB_CONTROL                              URL of the hub's control API
    HUB_CA                                   PEM file of the authority that signed the hub's certificate
    HUB_HTTPS_PORT, HUB_MQTT_PORT, HUB_AMQP_PORT    the hub's ports
    DPS_HOST, DPS_ID_SCOPE, DPS_GROUP_KEY    the service, its scope and the key of its enrolment group
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

# How long an operation may take before it counts as failed, seconds.
PATIENCE = 20

DEVICE = os.environ["HUB_DEVICE"]
PARTS = dict(part.split("=", 1) for part in DEVICE.split(";"))
CA_FILE = os.environ["HUB_CA"]
with open(CA_FILE, encoding="ascii") as file:
    CA = file.read()

# The SDK logs stack traces of the failures that are expected.
logging.disable(logging.CRITICAL)


def gap(transport):
    """Why the SDK cannot reach the hub over this transport, or None."""
    ports = {"MQTT": (8883, "HUB_MQTT_PORT"), "AMQP": (5671, "HUB_AMQP_PORT")}
    needed, variable = ports.get(transport, (443, "HUB_HTTPS_PORT"))
    if os.environ[variable] == str(needed):
        return None
    return f"the SDK dials port {needed}, which the hub could not have: free it, or run as a user who may bind it"


def run(operation, transport, work, gap=None, sdk="azure-iot-device", declined=None):
    """Runs one operation and reports it. With `gap` it is expected to fail, for that reason; with `declined` the hub is
    known not to offer it, and `work` checks that it says so."""
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
    version = f" {importlib.metadata.version(sdk)} (Python)" if sdk.startswith("azure-") else ""
    line = {
        "operation": operation,
        "sdk": sdk + version,
        "transport": transport,
        "took_ms": round((time.monotonic() - began) * 1000),
        "error": outcome["error"],
        "gap": gap,
        "declined": declined,
        **record,
    }
    print(json.dumps(line), flush=True)


def refused(name, work):
    """Passes when `work` raises an exception of this name."""
    try:
        work()
    except Exception as error:  # pylint: disable=broad-except  # the name is what is checked
        if type(error).__name__ == name:
            return
        raise RuntimeError(f"refused as {type(error).__name__} ({error}), not as {name}") from error
    raise RuntimeError(f"accepted; expected {name}")


def mark():
    """A mark that no other message has."""
    return secrets.token_hex(8)


def expected(body, properties, message_id=None, content_type=None, content_encoding=None):
    """What the hub has to show of a message."""
    return {
        "mark": properties["mark"],
        "id": message_id,
        "contentType": content_type,
        "contentEncoding": content_encoding,
        "properties": properties,
        "body": body.decode(),
    }


def group_key(registration):
    """The key of one device of the enrolment group, as Microsoft documents its derivation."""
    group = base64.b64decode(os.environ["DPS_GROUP_KEY"])
    return base64.b64encode(hmac.new(group, registration.encode(), hashlib.sha256).digest()).decode()


def end():
    """Ends the script. Threads of the SDK that still wait do not end by themselves."""
    os._exit(0)
