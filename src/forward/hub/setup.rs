use wire::key::KeyError;
use wire::sas::ParseError;

/// Why an identity cannot be used. Nothing of a key or token is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The device's or the group's key.
    #[error("the key of the device identity cannot be used: {0}")]
    Key(KeyError),
    /// The ready-made token.
    #[error("the device's token cannot be used: {0}")]
    Token(ParseError),
    /// The ready-made token has characters that no header carries.
    #[error("the device's token has line breaks or characters beyond ASCII in it; copy it whole")]
    TokenText,
    /// The ready-made token opens something else.
    #[error("the device's token is for {scope}, not for {hub}/devices/{device}; make one for this device")]
    Scope {
        /// What it opens.
        scope: String,
        /// The configured hub.
        hub: String,
        /// The configured device id.
        device: String,
    },
    /// A host name that is none.
    #[error("{text:?} is not a host name, or host:port, to connect to; leave out paths and logins")]
    Endpoint {
        /// What was given; hidden where it may hold a login.
        text: String,
    },
    /// Plain HTTP to another machine would show the token to everyone between.
    #[error("{text:?}: http:// is only for this machine (localhost, 127.0.0.1); connect by TLS")]
    PlainHttp {
        /// What was given.
        text: String,
    },
}
