//! What `emulator hub --help` ends with.

pub(super) const EXAMPLES: &str = "\
Examples:
  # a hub with two devices; their connection strings are printed
  emulator hub --device meter-001 --device meter-002

  # a client that trusts it
  SSL_CERT_FILE=.emulator/ca.pem curl …          NODE_EXTRA_CA_CERTS=.emulator/ca.pem node …

  # the service SDKs trust it as well; they log in with the owner's connection string, which is printed
  REQUESTS_CA_BUNDLE=.emulator/ca.pem python …

  # mosquitto's client, with a token as password
  mosquitto_pub -h localhost -p 8883 --cafile .emulator/ca.pem -V mqttv311 -q 1 -i meter-001 \\
    -u 'localhost/meter-001/?api-version=2021-04-12' -P 'SharedAccessSignature sr=…' \\
    -t devices/meter-001/messages/events/ -m '{\"Wh\":1}'

  # why the hub closed an MQTT connection, or refused an AMQP client
  curl localhost:8445/closed

  # over HTTPS, the Node and Python SDKs dial port 443
  sudo emulator hub --port 443

  # three requests of one device fail
  curl localhost:8445/faults --json '{\"times\":3,\"device\":\"meter-001\",\"fault\":{\"status\":{\"code\":503}}}'

  # what devices uploaded
  curl localhost:8445/devices/meter-001/files

  # a free hub whose day has 24 minutes, and one that takes two messages a second
  emulator hub --tier f1 --limits 1 --clock-speed 60
  emulator hub --throttle send=2/s

  # high readings into a Cosmos DB container, the others into the feed
  emulator hub --routes routes.toml
    [[endpoint]]
    name = \"high\"
    kind = \"cosmos\"                    # or \"file\", with a path
    url = \"http://localhost:8081\"
    key = \"${COSMOS_KEY}\"              # from the environment
    database = \"telemetry\"
    container = \"readings\"
    partition_key = \"/deviceMonth\"
    partition_key_template = \"{deviceid}-{YYYY}-{MM}\"
    [[route]]
    name = \"high\"
    condition = \"level = 'high' AND $body.Wh > 1000\"
    endpoint = \"high\"                  # or \"events\", the feed

  # every twentieth message is taken and never confirmed, the same ones in each run
  emulator hub --faults faults.toml
    [[rule]]
    fault = \"no_answer\"               # also reset, duplicate, throttle, … (see GET / of the control API)
    probability = 0.05
    seed = 42

  # what arrived
  curl localhost:8445/feed?after=0";
