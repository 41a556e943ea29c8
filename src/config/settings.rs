//! The table of settings: all that is read from the environment, and nothing else is.
//!
//! README, `local.settings.json.example` and the Bicep files are compared with it by tests.

/// One application setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name, as Azure's application settings and the environment have it.
    pub name: &'static str,
    /// What holds where it is missing or empty; `None` where nothing does.
    pub default: Option<&'static str>,
    /// What it means, for the README's table.
    pub meaning: &'static str,
    /// Whether its value is a secret: never shown, and best kept in Key Vault.
    pub secret: bool,
}

/// Every setting. The order is the README's.
pub const SETTINGS: &[Setting] = &[
    plain(
        "TimerSchedule",
        None,
        "When TimerPoll runs: NCRONTAB with five or six fields, or a time span such as `00:01:00`. Without it the Functions host disables TimerPoll",
    ),
    plain(
        "RUNNER",
        Some("cloud"),
        "Whose sources this process polls: those with the same `runner`",
    ),
    plain(
        "SOURCES_FILE",
        Some("sources.toml"),
        "The file that defines sources; under another name than the default it must exist",
    ),
    plain(
        "STORE_PATH",
        Some(".meterbridge/meterbridge.db"),
        "The embedded store's file, used without COSMOS_ENDPOINT; refused inside Azure",
    ),
    plain(
        "COSMOS_ENDPOINT",
        None,
        "The Cosmos DB account: `https://account.documents.azure.com/`",
    ),
    secret(
        "COSMOS_KEY",
        "Its key; without it the app's managed identity is used",
    ),
    plain(
        "COSMOS_CLIENT_ID",
        None,
        "Client id of a user-assigned identity for Cosmos DB",
    ),
    plain("COSMOS_DATABASE", Some("meterbridge"), "Database"),
    plain(
        "COSMOS_CONTAINER",
        Some("polls"),
        "Container, with the partition key `/source`",
    ),
    plain(
        "DPS_ID_SCOPE",
        None,
        "Id scope of the Device Provisioning Service: every source becomes a device of its own",
    ),
    secret(
        "DPS_GROUP_KEY",
        "Key of the enrolment group that the sources' device keys are derived from",
    ),
    plain(
        "DPS_ENDPOINT",
        Some("global.azure-devices-provisioning.net"),
        "Host of the Device Provisioning Service, with a port where it is not 443",
    ),
    secret(
        "IOTHUB_DEVICE_CONNECTION_STRING",
        "One device for all sources: `HostName=…;DeviceId=…;SharedAccessKey=…`",
    ),
    plain("IOTHUB_HOST", None, "The same in parts: the hub's host name"),
    plain("IOTHUB_DEVICE_ID", None, "… the device's id"),
    secret("IOTHUB_DEVICE_KEY", "… the device's key"),
    secret(
        "IOTHUB_SAS_TOKEN",
        "… or, in place of the key, a ready-made `SharedAccessSignature sr=…`, which expires",
    ),
    plain(
        "IOTHUB_CONNECT",
        None,
        "Host and port to connect to in place of the hub's own: a gateway or an emulator",
    ),
    plain(
        "IOTHUB_CA_FILE",
        None,
        "PEM file with certificates to trust besides the system's",
    ),
    plain(
        "IOTHUB_TIER",
        Some("S1"),
        "The hub's tier: F1 (messages are billed in units of 512 bytes) or B1 to S3 (4096 bytes)",
    ),
    plain(
        "MESSAGE_FORMAT",
        Some("timeseries"),
        "`timeseries`, `flat` or `columns`",
    ),
    plain(
        "MESSAGE_UNITS",
        Some("46"),
        "How many billing units a message is filled up to, 1 to 46",
    ),
    plain(
        "TICK_SECONDS",
        Some("50"),
        "How long a tick inside TimerPoll may work",
    ),
    plain(
        "WORKER_TICK_SECONDS",
        Some("540"),
        "How long a tick elsewhere may work: PollWorker, `run`, `poll`",
    ),
    plain("CONCURRENCY", Some("32"), "How many sources are polled at once"),
    plain(
        "BACKEND_CONCURRENCY",
        Some("16"),
        "How many sources of one backend host are asked at once; a reader answers one call at a time in any case",
    ),
    plain(
        "BACKEND_REQUESTS",
        Some("0"),
        "How many requests a minute one backend host gets from one process; 0 sets no bound. What is over goes on at the next tick",
    ),
    plain(
        "BREAKER_FAILURES",
        Some("5"),
        "After so many failed polls in a row a source is probed once per cool-down",
    ),
    plain(
        "INLINE_LIMIT",
        Some("200"),
        "How many due sources TimerPoll polls itself; when more are due, it hands them to PollWorker over the queue",
    ),
    plain(
        "DISCOVERY_MINUTES",
        Some("60"),
        "How often a backend is asked for the sites of a customer with `sites = \"*\"`",
    ),
    plain(
        "DISCOVERY_GRACE_HOURS",
        Some("72"),
        "How long a site that the backend no longer lists is polled on",
    ),
    plain("RETENTION_DAYS", Some("90"), "How long delivered polls are kept"),
    secret(
        "OPERATIONS_KEY",
        "Key for the operations API where no Functions host guards it",
    ),
    plain(
        "LOG_LEVEL",
        Some("info"),
        "`error`, `warn`, `info`, `debug`, `trace`, or by module: `info,meterbridge::poll=debug`",
    ),
    plain(
        "LOG_FORMAT",
        None,
        "`text` or `json`; without it JSON under the Functions host, text elsewhere",
    ),
    plain(
        "WEBSITE_INSTANCE_ID",
        None,
        "Set by Azure, never by you: tells that this is an Azure instance, whose disk does not last",
    ),
    plain(
        "M2MBackendURL",
        None,
        "Old connector: the rapidM2M backend, `https://backend/api/1/`",
    ),
    secret(
        "Base64encodedUsernamePassword",
        "Old connector: base64 of `user:password`",
    ),
    plain("Customer_ID", None, "Old connector: customer"),
    plain(
        "Site_ID",
        None,
        "Old connector: site, or several with commas between them",
    ),
    plain(
        "Channelnames",
        Some("ch0,ch3,ch1"),
        "Old connector: channels, with commas between them",
    ),
    plain(
        "EmulationMode",
        Some("false"),
        "Old connector: `true` makes up readings and asks no backend",
    ),
    plain(
        "FirstStart",
        None,
        "Where the first poll of the old connector's sites starts, such as its last `LastValueFrom`; without it, at the newest row",
    ),
    plain(
        "M2MDocumentsDBUri",
        None,
        "Old connector: stands for COSMOS_ENDPOINT",
    ),
    secret("M2MDocumentsDBPrimaryKey", "Old connector: stands for COSMOS_KEY"),
    plain("IoTHubURL", None, "Old connector: stands for IOTHUB_HOST"),
    plain(
        "IoTHubDeviceId",
        None,
        "Old connector: stands for IOTHUB_DEVICE_ID",
    ),
    secret(
        "IoTHubSharedAccessSignature",
        "Old connector: stands for IOTHUB_SAS_TOKEN",
    ),
    secret(
        "IoTHubConnection",
        "Old connector: stands for IOTHUB_DEVICE_CONNECTION_STRING",
    ),
];

const fn plain(name: &'static str, default: Option<&'static str>, meaning: &'static str) -> Setting {
    Setting {
        name,
        default,
        meaning,
        secret: false,
    }
}

const fn secret(name: &'static str, meaning: &'static str) -> Setting {
    Setting {
        name,
        default: None,
        meaning,
        secret: true,
    }
}
