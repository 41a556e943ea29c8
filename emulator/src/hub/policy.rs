//! Shared access policies, and what each may do.

use super::key::Key;
use super::token::Token;

/// A shared access policy of the hub.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name, as in `skn`.
    pub name: String,
    /// Either key signs.
    pub primary: Key,
    /// Either key signs.
    pub secondary: Key,
    /// What its holders may do.
    pub rights: Rights,
}

/// A set of rights (Azure docs, "Control access to IoT Hub by using shared access signatures", permissions).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// `RegistryRead`: see identities, configurations, jobs and statistics of the registry.
    pub const REGISTRY_READ: Self = Self(1);
    /// `RegistryWrite`: change them.
    pub const REGISTRY_WRITE: Self = Self(2);
    /// `ServiceConnect`: twins, direct methods, queries, cloud-to-device messages, the feed of telemetry.
    pub const SERVICE_CONNECT: Self = Self(4);
    /// `DeviceConnect`: act as any device.
    pub const DEVICE_CONNECT: Self = Self(8);

    /// The rights of the policies that every hub is made with; none for another name.
    pub fn of_built_in(policy: &str) -> Self {
        match policy {
            "iothubowner" => Self::REGISTRY_READ
                .and(Self::REGISTRY_WRITE)
                .and(Self::SERVICE_CONNECT)
                .and(Self::DEVICE_CONNECT),
            "service" => Self::SERVICE_CONNECT,
            "device" => Self::DEVICE_CONNECT,
            "registryRead" => Self::REGISTRY_READ,
            "registryReadWrite" => Self::REGISTRY_READ.and(Self::REGISTRY_WRITE),
            _ => Self::NONE,
        }
    }

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `needed` is in this set.
    pub const fn hold(self, needed: Self) -> bool {
        self.0 & needed.0 == needed.0
    }
}

impl Policy {
    /// The policies that every hub is made with, by name.
    pub const BUILT_IN: [&'static str; 5] = [
        "iothubowner",
        "service",
        "device",
        "registryRead",
        "registryReadWrite",
    ];

    /// A policy with the rights of the built-in one of this name. The secondary key is derived from the first.
    pub fn new(name: &str, primary: Key) -> Self {
        let secondary = primary.derive("secondary");
        Self {
            name: name.to_owned(),
            primary,
            secondary,
            rights: Rights::of_built_in(name),
        }
    }

    /// What a service is configured with.
    pub fn connection_string(&self, host_name: &str) -> String {
        let (name, key) = (&self.name, self.primary.text());
        format!("HostName={host_name};SharedAccessKeyName={name};SharedAccessKey={key}")
    }

    /// Whether one of the keys signed `token`, in this policy's name.
    pub(crate) fn signed(&self, token: &Token<'_>) -> bool {
        token.policy.as_deref() == Some(self.name.as_str())
            && (token.is_signed_by(&self.primary) || token.is_signed_by(&self.secondary))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_of_the_built_in_policies() {
        let all = [
            Rights::REGISTRY_READ,
            Rights::REGISTRY_WRITE,
            Rights::SERVICE_CONNECT,
            Rights::DEVICE_CONNECT,
        ];
        let cases = [
            ("iothubowner", [true, true, true, true]),
            ("service", [false, false, true, false]),
            ("device", [false, false, false, true]),
            ("registryRead", [true, false, false, false]),
            ("registryReadWrite", [true, true, false, false]),
            ("another", [false; 4]),
        ];
        for (name, expected) in cases {
            let rights = Rights::of_built_in(name);
            assert_eq!(all.map(|needed| rights.hold(needed)), expected, "{name}");
        }
        assert!(!Rights::REGISTRY_READ.hold(Rights::REGISTRY_READ.and(Rights::REGISTRY_WRITE)));
    }
}
