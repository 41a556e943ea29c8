use super::Error;

/// The parts that a connection string may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    HostName,
    GatewayHostName,
    DeviceId,
    ModuleId,
    SharedAccessKeyName,
    SharedAccessKey,
    SharedAccessSignature,
    X509,
}

/// The values as written, by part.
#[derive(Default)]
pub(super) struct Parts<'a> {
    values: [Option<&'a str>; Part::ALL.len()],
}

impl Part {
    const ALL: [Self; 8] = [
        Self::HostName,
        Self::GatewayHostName,
        Self::DeviceId,
        Self::ModuleId,
        Self::SharedAccessKeyName,
        Self::SharedAccessKey,
        Self::SharedAccessSignature,
        Self::X509,
    ];

    /// The name as Microsoft writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::HostName => "HostName",
            Self::GatewayHostName => "GatewayHostName",
            Self::DeviceId => "DeviceId",
            Self::ModuleId => "ModuleId",
            Self::SharedAccessKeyName => "SharedAccessKeyName",
            Self::SharedAccessKey => "SharedAccessKey",
            Self::SharedAccessSignature => "SharedAccessSignature",
            Self::X509 => "x509",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|part| part.name().eq_ignore_ascii_case(name))
    }
}

impl<'a> Parts<'a> {
    /// Splits at `;`, and each part at its first `=`.
    pub(super) fn split(text: &'a str) -> Result<Self, Error> {
        let mut parts = Self::default();
        for (index, part) in text.split(';').enumerate() {
            if part.trim().is_empty() {
                continue;
            }
            let (name, value) = part.split_once('=').ok_or(Error::NoValue(index + 1))?;
            if name.trim().eq_ignore_ascii_case("Endpoint") {
                return Err(Error::EventHubs);
            }
            let part = Part::named(name.trim()).ok_or(Error::Unknown(index + 1))?;
            if parts.values[part as usize].replace(value.trim()).is_some() {
                return Err(Error::Duplicate(part.name()));
            }
        }
        Ok(parts)
    }

    pub(super) fn get(&self, part: Part) -> Option<&'a str> {
        self.values[part as usize]
    }

    /// A part that is there must have a value: an empty one is a setting that was not filled in.
    pub(super) fn optional(&self, part: Part) -> Result<Option<&'a str>, Error> {
        match self.get(part) {
            Some("") => Err(Error::Missing(part.name())),
            value => Ok(value),
        }
    }

    pub(super) fn required(&self, part: Part) -> Result<&'a str, Error> {
        self.optional(part)?.ok_or(Error::Missing(part.name()))
    }
}
