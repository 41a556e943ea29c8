"""Python runs this before a sample of Microsoft's: uamqp trusts certifi's authorities and can be told of no other from
outside, as what the rest of the SDKs trust can (SSL_CERT_FILE, REQUESTS_CA_BUNDLE)."""

import os

import certifi

certifi.where = lambda: os.environ["HUB_CA"]
