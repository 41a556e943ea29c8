#!/usr/bin/env python3
"""Reads with Microsoft's Python client what the store wrote, and checks the members that others rely on.

    python3 -m venv /tmp/v && /tmp/v/bin/pip install azure-cosmos==4.17.1   # the newest when this was written
    /tmp/v/bin/python tests/python/cosmos_reads.py ENDPOINT KEY DATABASE CONTAINER SOURCE

Exit code 0: every document is as it should be. 1: a mismatch, printed. 64: wrong arguments.
"""

import re
import sys

from azure.cosmos import CosmosClient

KINDS = {
    # kind: pattern of the id, members that must be there and their types
    "source": (r"source", {"at": int, "definition": dict}),
    "state": (r"state", {"runner": str, "birth": str, "next": int, "nextDue": int}),
    "digest": (r"digest", {"floor": int, "stamps": str, "hashes": str}),
    "attempt": (
        r"a\.[^.]+\.\d{10}",
        {"number": int, "due": int, "at": int, "tookMs": int, "request": dict, "status": int, "outcome": str,
         "bytes": int, "rows": int, "known": int},
    ),
    "rows": (r"r\.[^.]+\.\d{10}\.\d{2}", {"rows": dict}),
    "shipment": (
        r"s\.[^.]+\.\d{10}",
        {"number": int, "at": int, "attempts": list, "format": str, "begin": int, "end": int, "parts": list,
         "outcome": str, "units": int},
    ),
    "deadletter": (
        r"x\.[^.]+\.\d{10}\..+",
        {"at": int, "messageId": str, "why": str, "body": str, "properties": list, "created": int},
    ),
    "poll": (r"poll", {"at": int}),
}


def faults_of(document, source):
    """What is wrong with one document, as texts."""
    kind = document.get("kind")
    name = f"{kind} {document.get('id')}"
    if kind not in KINDS:
        return [f"{name}: unknown kind"]
    pattern, members = KINDS[kind]
    faults = []
    if not re.fullmatch(pattern, document["id"]):
        faults.append(f"{name}: the id is not {pattern}")
    if document.get("source") != source:
        faults.append(f"{name}: source is {document.get('source')!r}")
    for member, type_ in members.items():
        # bool is an int in Python, never here.
        if not isinstance(document.get(member), type_) or isinstance(document.get(member), bool):
            faults.append(f"{name}: {member} is {document.get(member)!r}, not {type_.__name__}")
    if "ttl" in document and not (isinstance(document["ttl"], int) and document["ttl"] > 0):
        faults.append(f"{name}: ttl is {document['ttl']!r}; Cosmos DB wants seconds")
    for rows in (document.get("rows"), document.get("inline")):
        if isinstance(rows, dict):
            faults += [f"{name}: {fault}" for fault in faults_of_rows(rows)]
    return faults


def faults_of_rows(rows):
    """Rows are text columns: numbers would come back rounded."""
    if not isinstance(rows.get("stamps"), str) or not isinstance(rows.get("columns"), list):
        return ["rows have no stamps or columns"]
    count = len(rows["stamps"].split(",")) if rows["stamps"] else 0
    faults = []
    if len(rows["columns"]) != len(rows["channels"]):
        faults.append(f"{len(rows['columns'])} columns for {len(rows['channels'])} channels")
    for column in rows["columns"]:
        if not isinstance(column, str) or (count and len(column.split(",")) != count):
            faults.append(f"a column has not {count} values")
    return faults


def main(arguments):
    if len(arguments) != 5:
        print(__doc__, file=sys.stderr)
        return 64
    endpoint, key, database, container, source = arguments
    client = CosmosClient(endpoint, key)
    items = client.get_database_client(database).get_container_client(container)

    properties = items.read()
    faults = []
    if properties["partitionKey"]["paths"] != ["/source"]:
        faults.append(f"the container is partitioned by {properties['partitionKey']['paths']}")
    if properties.get("defaultTtl") != -1:
        faults.append(f"the container's defaultTtl is {properties.get('defaultTtl')!r}, not -1")

    documents = list(items.query_items("SELECT * FROM c", partition_key=source))
    if not documents:
        faults.append(f"no document of {source}")
    for document in documents:
        faults += faults_of(document, source)
        again = items.read_item(document["id"], partition_key=source)
        if again != document:
            faults.append(f"{document['kind']} {document['id']}: the read differs from the query")
    due = list(
        items.query_items(
            "SELECT c.source FROM c WHERE c.kind = 'state' ORDER BY c.nextDue",
            enable_cross_partition_query=True,
        )
    )
    if any(d.get("kind") == "state" for d in documents) and {"source": source} not in due:
        faults.append(f"the state of {source} is not found by its kind")

    for fault in faults:
        print(fault, file=sys.stderr)
    kinds = ", ".join(sorted({d.get("kind", "?") for d in documents}))
    print(f"{len(documents)} documents of {source} ({kinds}): {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
