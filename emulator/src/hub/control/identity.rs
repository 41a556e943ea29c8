//! What the control API takes for the identity of a device or a module.

use serde::Deserialize;

use super::super::identity::Module;
use super::super::{Authentication, Device, Key, Thumbprint};

/// A device or a module as it is written; what is left out stays, or is made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    primary_key: Option<String>,
    secondary_key: Option<String>,
    primary_thumbprint: Option<String>,
    secondary_thumbprint: Option<String>,
    /// Another way to prove itself than before.
    authentication: Option<Kind>,
    enabled: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Sas,
    SelfSigned,
    CertificateAuthority,
}

impl Identity {
    /// The device `id`, in place of `known`; or what is wrong, in words.
    pub(super) fn apply(self, id: &str, known: Option<Device>) -> Result<Device, String> {
        let authentication = self.authentication(known.as_ref().map(|known| &known.authentication))?;
        let mut device = match known {
            Some(known) => Device {
                authentication,
                ..known
            },
            None => Device::with(id, authentication),
        };
        device.enabled = self.enabled.unwrap_or(device.enabled);
        Ok(device)
    }

    /// The module `id`, in place of `known`; or what is wrong, in words.
    pub(super) fn apply_to_module(&self, id: &str, known: Option<&Module>) -> Result<Module, String> {
        if self.enabled.is_some() {
            return Err("a module is enabled when its device is".to_owned());
        }
        Ok(Module {
            id: id.to_owned(),
            managed_by: known.and_then(|known| known.managed_by.clone()),
            authentication: self.authentication(known.map(|known| &known.authentication))?,
        })
    }

    fn authentication(&self, known: Option<&Authentication>) -> Result<Authentication, String> {
        match self.kind(known) {
            Kind::Sas => self.keys(known),
            Kind::SelfSigned => self.thumbprints(known),
            Kind::CertificateAuthority => Ok(Authentication::CertificateAuthority),
        }
    }

    fn kind(&self, known: Option<&Authentication>) -> Kind {
        let has_thumbprint = self.primary_thumbprint.is_some() || self.secondary_thumbprint.is_some();
        match (self.authentication, known) {
            (Some(kind), _) => kind,
            (None, _) if has_thumbprint => Kind::SelfSigned,
            (None, None | Some(Authentication::Sas { .. })) => Kind::Sas,
            (None, Some(Authentication::SelfSigned { .. })) => Kind::SelfSigned,
            (None, Some(Authentication::CertificateAuthority)) => Kind::CertificateAuthority,
        }
    }

    fn keys(&self, known: Option<&Authentication>) -> Result<Authentication, String> {
        let known = known.and_then(Authentication::keys);
        let made = match known {
            Some((primary, secondary)) => (primary.clone(), secondary.clone()),
            None => {
                let primary = Key::random().map_err(|error| error.to_string())?;
                let secondary = primary.derive("secondary");
                (primary, secondary)
            }
        };
        let key = |text: Option<&String>, otherwise: Key| match text {
            Some(text) => Key::parse(text).map_err(|error| error.to_string()),
            None => Ok(otherwise),
        };
        Ok(Authentication::Sas {
            primary: key(self.primary_key.as_ref(), made.0)?,
            secondary: key(self.secondary_key.as_ref(), made.1)?,
        })
    }

    fn thumbprints(&self, known: Option<&Authentication>) -> Result<Authentication, String> {
        let known = known.and_then(Authentication::thumbprints);
        let (primary, secondary) = known.unwrap_or_default();
        let thumbprint = |text: Option<&String>, otherwise: Option<&Thumbprint>| match text {
            Some(text) => Thumbprint::parse(text)
                .map(Some)
                .map_err(|error| error.to_string()),
            None => Ok(otherwise.cloned()),
        };
        Ok(Authentication::SelfSigned {
            primary: thumbprint(self.primary_thumbprint.as_ref(), primary)?,
            secondary: thumbprint(self.secondary_thumbprint.as_ref(), secondary)?,
        })
    }
}
