"""azure-iot-device by certificate: device and provisioning client, over MQTT. report.py says what it reads.

    HUB_CERTIFICATES   where ID.pem and ID.key are, as certificates.js says, which runs before and registers them
"""

import os

from azure.iot.device import IoTHubDeviceClient, Message, ProvisioningDeviceClient, X509

from report import CA, PARTS, end, expected, gap, mark, refused, run


def certificate(name):
    place = os.path.join(os.environ["HUB_CERTIFICATES"], name)
    return X509(cert_file=place + ".pem", key_file=place + ".key")


def send(record, device_id, holder, websockets, hostname=PARTS["HostName"]):
    """Sends one message as a device, by the certificate of `holder`."""
    device = IoTHubDeviceClient.create_from_x509_certificate(
        x509=certificate(holder), hostname=hostname, device_id=device_id, server_verification_cert=CA,
        connection_retry=False, websockets=websockets)
    try:
        device.connect()
        properties = {"mark": mark()}
        message = Message(b"{}")
        message.custom_properties.update(properties)
        device.send_message(message)
        record["sent"].append(expected(b"{}", properties))
    finally:
        device.shutdown()


def register(record, name, websockets):
    client = ProvisioningDeviceClient.create_from_x509_certificate(
        provisioning_host=os.environ["DPS_HOST"], registration_id=name, id_scope=os.environ["DPS_ID_SCOPE"],
        x509=certificate(name), server_verification_cert=CA, websockets=websockets)
    result = client.register()
    if result.status != "assigned":
        raise RuntimeError(result.status)
    state = result.registration_state
    send(record, state.device_id, name, websockets, state.assigned_hub)


def main():
    for transport, websockets in (("MQTT", False), ("MQTT-WS", True)):
        def row(operation, work):
            run(operation, transport, work, gap(transport))  # pylint: disable=cell-var-from-loop

        row("create_from_x509_certificate, by thumbprint, send_message",
            lambda record: send(record, "by-thumbprint", "by-thumbprint", websockets))
        row("create_from_x509_certificate, signed by an authority, send_message",
            lambda record: send(record, "by-authority", "by-authority", websockets))
        row("another device's certificate is refused", lambda record: refused(
            "CredentialError", lambda: send(record, "by-authority", "by-thumbprint", websockets)))
        row("register by certificate, by its own enrolment, send_message",
            lambda record: register(record, "dps-own", websockets))
        row("register by certificate, by a group, send_message",
            lambda record: register(record, "dps-member", websockets))
    end()


main()
