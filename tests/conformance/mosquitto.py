"""mosquitto_pub and mosquitto_sub with a shared access signature as their password. report.py says what it reads."""

import os
import re
import subprocess

from azure.iot.device.common.auth import sastoken, signing_mechanism

from control import ask, settled, to_device
from report import CA_FILE, PARTS, end, expected, mark, run

NAME, DEVICE = PARTS["HostName"], PARTS["DeviceId"]


def command(program, topic, *more):
    """How a client of mosquitto's is started."""
    signing = signing_mechanism.SymmetricKeySigningMechanism(PARTS["SharedAccessKey"])
    token = str(sastoken.RenewableSasToken(f"{NAME}/devices/{DEVICE}", signing))
    return [program, "-h", NAME, "-p", os.environ["HUB_MQTT_PORT"], "--cafile", CA_FILE, "-V", "mqttv311",
            "-i", DEVICE, "-u", f"{NAME}/{DEVICE}/?api-version=2021-04-12", "-P", token, "-t", topic, *more]


def publish(topic, body, *more):
    """Runs mosquitto_pub."""
    return subprocess.run(command("mosquitto_pub", topic, "-m", body, *more),
                          capture_output=True, text=True, timeout=15, check=False)


def send(record, *more):
    """Publishes telemetry and records it."""
    properties = {"mark": mark()}
    topic = f"devices/{DEVICE}/messages/events/mark={properties['mark']}&$.ct=application%2Fjson&$.ce=utf-8"
    done = publish(topic, '{"Wh":1}', *more)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    if "-r" in more:
        properties["mqtt-retain"] = "true"
    record["sent"].append(expected(b'{"Wh":1}', properties, None, "application/json", "utf-8"))


def forbidden(_record):
    done = publish("home/kitchen", "1", "-q", "1")
    if done.returncode == 0:
        raise RuntimeError("accepted")


def receive(_record):
    """mosquitto_sub gets a cloud-to-device message, and its PUBACK completes it."""
    sequence = to_device({"body": "Zähler", "messageId": "for-mosquitto"})
    done = subprocess.run(
        command("mosquitto_sub", f"devices/{DEVICE}/messages/devicebound/#", "-q", "1", "-C", "1", "-F", "%t %p"),
        capture_output=True, text=True, timeout=15, check=False)
    topic, _, body = done.stdout.strip().partition(" ")
    if body != "Zähler" or "%24.mid=for-mosquitto" not in topic:
        raise RuntimeError(f"{done.stdout!r} came, {done.stderr!r}")
    settled(sequence, "Success")


def main():
    ask("DELETE", f"/devices/{DEVICE}/messages")
    version = subprocess.run(["mosquitto_pub", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+\.\d+\.\d+", version)
    sdk = f"mosquitto_pub {found.group(0) if found else version.strip()}"
    operations = [
        ("publish at QoS 0", lambda record: send(record, "-q", "0")),
        ("publish at QoS 1", lambda record: send(record, "-q", "1")),
        ("publish with RETAIN", lambda record: send(record, "-q", "1", "-r")),
        ("publish to a forbidden topic is refused", forbidden),
    ]
    for name, work in operations:
        run(name, "MQTT", work, sdk=sdk)
    run("subscribe to cloud-to-device messages", "MQTT", receive, sdk=sdk.replace("_pub", "_sub"))
    end()


main()
