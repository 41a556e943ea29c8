//! AMQP over TLS, byte by byte: what the tests of the hub speak with. Frames are put together and taken apart here by
//! hand (AMQP 1.0, parts 1 to 3), not by the library that the emulator speaks with.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use emulator::hub::{Hub, HubOptions};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::wire::{K64, NOW_S, key, options};

pub const AMQP: [u8; 8] = *b"AMQP\x00\x01\x00\x00";
pub const SASL: [u8; 8] = *b"AMQP\x03\x01\x00\x00";

pub const OPEN: u64 = 0x10;
pub const BEGIN: u64 = 0x11;
pub const ATTACH: u64 = 0x12;
pub const FLOW: u64 = 0x13;
pub const TRANSFER: u64 = 0x14;
pub const DISPOSITION: u64 = 0x15;
pub const DETACH: u64 = 0x16;
pub const CLOSE: u64 = 0x18;
pub const ACCEPTED: u64 = 0x24;
pub const REJECTED: u64 = 0x25;
pub const RELEASED: u64 = 0x26;

/// The hub of [`options`], with AMQP.
pub async fn hub() -> Hub {
    start(options()).await
}

pub async fn start(options: HubOptions) -> Hub {
    let amqp = Some(([127, 0, 0, 1], 0).into());
    Hub::start(HubOptions { amqp, ..options }).await.unwrap()
}

/// A token of a policy for the hub, an hour long.
pub fn token(policy: &str) -> String {
    key(K64).token("localhost", NOW_S + 3600, Some(policy))
}

/// A value of AMQP, as far as these tests go.
#[derive(Debug, Clone, PartialEq)]
pub enum V {
    Null,
    Bool(bool),
    Byte(u8),
    Uint(u32),
    Ulong(u64),
    Int(i32),
    Time(i64),
    Bin(Vec<u8>),
    Str(String),
    Sym(String),
    Uuid([u8; 16]),
    List(Vec<V>),
    Map(Vec<(V, V)>),
    Described(u64, Box<V>),
}

pub fn s(text: &str) -> V {
    V::Str(text.to_owned())
}

pub fn sym(text: &str) -> V {
    V::Sym(text.to_owned())
}

pub fn described(code: u64, fields: Vec<V>) -> V {
    V::Described(code, Box::new(V::List(fields)))
}

impl V {
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Null => vec![0x40],
            Self::Bool(value) => vec![if *value { 0x41 } else { 0x42 }],
            Self::Byte(value) => vec![0x50, *value],
            Self::Uint(value) => [&[0x70][..], &value.to_be_bytes()].concat(),
            Self::Ulong(value) => [&[0x80][..], &value.to_be_bytes()].concat(),
            Self::Int(value) => [&[0x71][..], &value.to_be_bytes()].concat(),
            Self::Time(value) => [&[0x83][..], &value.to_be_bytes()].concat(),
            Self::Bin(bytes) => variable(0xb0, bytes),
            Self::Str(text) => variable(0xb1, text.as_bytes()),
            Self::Sym(text) => variable(0xb3, text.as_bytes()),
            Self::Uuid(bytes) => [&[0x98][..], bytes].concat(),
            Self::List(items) => compound(0xd0, items),
            Self::Map(pairs) => {
                let items: Vec<V> = pairs.iter().flat_map(|(k, v)| [k.clone(), v.clone()]).collect();
                compound(0xd1, &items)
            }
            Self::Described(code, value) => {
                let code = u8::try_from(*code).unwrap();
                [vec![0x00, 0x53, code], value.encode()].concat()
            }
        }
    }

    /// Takes a value off the front.
    pub fn decode(bytes: &mut &[u8]) -> Self {
        let code = take(bytes, 1)[0];
        match code {
            0x00 => {
                let Self::Ulong(code) = Self::decode(bytes) else {
                    panic!("a descriptor that is no number");
                };
                Self::Described(code, Box::new(Self::decode(bytes)))
            }
            0x40 => Self::Null,
            0x41 => Self::Bool(true),
            0x42 => Self::Bool(false),
            0x56 => Self::Bool(take(bytes, 1)[0] == 1),
            0x50 => Self::Byte(take(bytes, 1)[0]),
            0x60 => Self::Uint(number(bytes, 2) as u32),
            0x43 => Self::Uint(0),
            0x52 => Self::Uint(number(bytes, 1) as u32),
            0x70 => Self::Uint(number(bytes, 4) as u32),
            0x44 => Self::Ulong(0),
            0x53 => Self::Ulong(number(bytes, 1)),
            0x80 => Self::Ulong(number(bytes, 8)),
            0x54 => Self::Int(i32::from(take(bytes, 1)[0] as i8)),
            0x71 => Self::Int(number(bytes, 4) as i32),
            // Sequence numbers; their width does not matter here.
            0x55 => Self::Time(i64::from(take(bytes, 1)[0] as i8)),
            0x81 | 0x83 => Self::Time(number(bytes, 8) as i64),
            0x98 => Self::Uuid(take(bytes, 16).try_into().unwrap()),
            0xa0 | 0xb0 => Self::Bin(sized(bytes, code == 0xb0)),
            0xa1 | 0xb1 => Self::Str(String::from_utf8(sized(bytes, code == 0xb1)).unwrap()),
            0xa3 | 0xb3 => Self::Sym(String::from_utf8(sized(bytes, code == 0xb3)).unwrap()),
            0x45 => Self::List(Vec::new()),
            0xc0 | 0xd0 | 0xc1 | 0xd1 => {
                let wide = code >= 0xd0;
                let inside = sized(bytes, wide);
                let mut inside = inside.as_slice();
                let count = number(&mut inside, if wide { 4 } else { 1 });
                let items: Vec<Self> = (0..count).map(|_| Self::decode(&mut inside)).collect();
                if code & 1 == 0 {
                    Self::List(items)
                } else {
                    Self::Map(
                        items
                            .chunks(2)
                            .map(|pair| (pair[0].clone(), pair[1].clone()))
                            .collect(),
                    )
                }
            }
            // An array: of symbols only, here.
            0xe0 | 0xf0 => {
                let wide = code == 0xf0;
                let inside = sized(bytes, wide);
                let mut inside = inside.as_slice();
                let count = number(&mut inside, if wide { 4 } else { 1 });
                let of = take(&mut inside, 1)[0];
                let items = (0..count).map(|_| {
                    let text = sized(&mut inside, of == 0xb3);
                    Self::Sym(String::from_utf8(text).unwrap())
                });
                Self::List(items.collect())
            }
            other => panic!("format code {other:#x}"),
        }
    }

    /// The fields of a described list.
    pub fn fields(&self) -> &[V] {
        match self {
            Self::Described(_, inner) => match &**inner {
                Self::List(items) => items,
                other => panic!("{other:?} is no list"),
            },
            other => panic!("{other:?} is not described"),
        }
    }

    pub fn code(&self) -> u64 {
        match self {
            Self::Described(code, _) => *code,
            other => panic!("{other:?} is not described"),
        }
    }

    /// The value of a key of a map.
    pub fn get(&self, key: &str) -> Option<&V> {
        let Self::Map(pairs) = self else {
            panic!("{self:?} is no map");
        };
        let is = |k: &V| matches!(k, Self::Str(text) | Self::Sym(text) if text == key);
        pairs.iter().find(|(k, _)| is(k)).map(|(_, v)| v)
    }
}

fn variable(code: u8, bytes: &[u8]) -> Vec<u8> {
    [
        &[code][..],
        &u32::try_from(bytes.len()).unwrap().to_be_bytes(),
        bytes,
    ]
    .concat()
}

fn compound(code: u8, items: &[V]) -> Vec<u8> {
    let bytes: Vec<u8> = items.iter().flat_map(V::encode).collect();
    let size = u32::try_from(bytes.len() + 4).unwrap();
    let count = u32::try_from(items.len()).unwrap();
    [&[code][..], &size.to_be_bytes(), &count.to_be_bytes(), &bytes].concat()
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

fn number(bytes: &mut &[u8], width: usize) -> u64 {
    take(bytes, width)
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn sized(bytes: &mut &[u8], wide: bool) -> Vec<u8> {
    let length = number(bytes, if wide { 4 } else { 1 });
    take(bytes, usize::try_from(length).unwrap()).to_vec()
}

/// A frame: of AMQP (`kind` 0) or SASL (1), on channel 0.
pub fn frame(kind: u8, performative: &V, payload: &[u8]) -> Vec<u8> {
    let body = [performative.encode(), payload.to_vec()].concat();
    let size = u32::try_from(body.len() + 8).unwrap();
    [&size.to_be_bytes()[..], &[2, kind, 0, 0], &body].concat()
}

/// A message's sections: properties, application properties, body.
pub fn message(properties: Vec<V>, own: &[(&str, V)], body: V) -> Vec<u8> {
    let own: Vec<(V, V)> = own.iter().map(|(name, value)| (s(name), value.clone())).collect();
    let own = V::Described(0x74, Box::new(V::Map(own)));
    let sections = [described(0x73, properties), own, body];
    sections.iter().flat_map(V::encode).collect()
}

pub fn data(bytes: &[u8]) -> V {
    V::Described(0x75, Box::new(V::Bin(bytes.to_vec())))
}

/// The sections of a message by their descriptors.
pub fn sections(mut bytes: &[u8]) -> Vec<(u64, V)> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        match V::decode(&mut bytes) {
            V::Described(code, value) => all.push((code, *value)),
            other => panic!("{other:?} is no section"),
        }
    }
    all
}

/// A message goes out in frames that hold so much of it.
const FRAME_PAYLOAD: usize = 30_000;

/// A connection.
pub struct Client {
    stream: TlsStream<TcpStream>,
    /// Links so far; a link's handle is its number.
    links: u32,
    deliveries: u32,
}

impl Client {
    /// A connection over which nothing was said yet.
    pub async fn dial(hub: &Hub) -> Self {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(hub.ca_pem().as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(hub.amqp_addr().unwrap()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        Self {
            stream: connector.connect(name, stream).await.unwrap(),
            links: 0,
            deliveries: 0,
        }
    }

    /// A connection with a session, logged in by SASL PLAIN as `service`.
    pub async fn service(hub: &Hub) -> Self {
        let mut client = Self::dial(hub).await;
        assert_eq!(
            client
                .plain("service@sas.root.localhost", &token("service"))
                .await,
            0
        );
        client.open().await;
        client
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let read = timeout(Duration::from_secs(20), self.stream.read_exact(&mut bytes)).await;
        read.expect("nothing came within 20 s").unwrap();
        bytes
    }

    /// The connection ends, or is closed by a frame that says so; what came before does not matter.
    pub async fn ends(&mut self) {
        let mut came = Vec::new();
        let close = [0x00, 0x53, 0x18];
        let until = async {
            // TLS may be cut short.
            while !matches!(self.stream.read_buf(&mut came).await, Ok(0) | Err(_)) {
                if came.windows(3).any(|bytes| bytes == close) {
                    break;
                }
            }
        };
        timeout(Duration::from_secs(20), until)
            .await
            .expect("the connection goes on");
    }

    /// A link is detached for this reason.
    pub async fn detached(&mut self, reason: &str) {
        let (detach, _) = self.until(DETACH).await;
        assert_eq!(condition(&detach.fields()[2]), reason);
    }

    /// The next frame that is not empty: performative and payload.
    pub async fn frame(&mut self) -> (V, Vec<u8>) {
        loop {
            let size = u32::from_be_bytes(self.bytes(4).await.try_into().unwrap());
            let rest = self.bytes(usize::try_from(size).unwrap() - 4).await;
            assert_eq!(rest[0], 2, "the header has an extension");
            let mut body = &rest[4..];
            if !body.is_empty() {
                let performative = V::decode(&mut body);
                return (performative, body.to_vec());
            }
        }
    }

    /// The next frame with this performative; others are passed over.
    pub async fn until(&mut self, code: u64) -> (V, Vec<u8>) {
        loop {
            let (performative, payload) = self.frame().await;
            if performative.code() == code {
                return (performative, payload);
            }
        }
    }

    /// SASL PLAIN; the outcome's code.
    pub async fn plain(&mut self, user: &str, password: &str) -> u8 {
        self.sasl("PLAIN", Some(format!("\0{user}\0{password}"))).await
    }

    pub async fn sasl(&mut self, mechanism: &str, response: Option<String>) -> u8 {
        self.send(&SASL).await;
        assert_eq!(self.bytes(8).await, SASL);
        let (mechanisms, _) = self.frame().await;
        let V::List(offered) = &mechanisms.fields()[0] else {
            panic!("{mechanisms:?}");
        };
        assert!(offered.contains(&sym("PLAIN")) && offered.contains(&sym("MSSBCBS")));
        let response = response.map_or(V::Null, |text| V::Bin(text.into_bytes()));
        let init = described(0x41, vec![sym(mechanism), response]);
        self.send(&frame(1, &init, &[])).await;
        let (outcome, _) = self.frame().await;
        assert_eq!(outcome.code(), 0x44);
        match outcome.fields()[0] {
            V::Byte(code) => code,
            ref other => panic!("{other:?}"),
        }
    }

    /// Header, open and begin, answered.
    pub async fn open(&mut self) {
        let open = described(OPEN, vec![s("test"), s("localhost")]);
        let window = V::Uint(2048);
        let begin = described(BEGIN, vec![V::Null, V::Uint(0), window.clone(), window]);
        self.send(&[&AMQP[..], &frame(0, &open, &[]), &frame(0, &begin, &[])].concat())
            .await;
        assert_eq!(self.bytes(8).await, AMQP);
        self.until(BEGIN).await;
    }

    /// Attaches a link to send to `address`; its handle, or the error's condition.
    pub async fn sender(&mut self, address: &str) -> Result<u32, String> {
        let target = described(0x29, vec![s(address)]);
        self.attach(false, described(0x28, Vec::new()), target).await
    }

    /// Attaches a link to receive from `address`, with credit.
    pub async fn receiver(&mut self, address: &str) -> Result<u32, String> {
        let source = described(0x28, vec![s(address)]);
        let handle = self.attach(true, source, described(0x29, Vec::new())).await?;
        let window = V::Uint(2048);
        let flow = vec![
            V::Uint(0),
            window.clone(),
            V::Uint(0),
            window,
            V::Uint(handle),
            V::Uint(0),
            V::Uint(10),
        ];
        self.send(&frame(0, &described(FLOW, flow), &[])).await;
        Ok(handle)
    }

    async fn attach(&mut self, receives: bool, source: V, target: V) -> Result<u32, String> {
        let handle = self.links;
        self.links += 1;
        let mut fields = vec![
            s(&format!("link-{handle}")),
            V::Uint(handle),
            V::Bool(receives),
            V::Null,
            V::Null,
            source,
            target,
        ];
        if !receives {
            fields.extend([V::Null, V::Null, V::Uint(0)]);
        }
        self.send(&frame(0, &described(ATTACH, fields), &[])).await;
        let (attach, _) = self.until(ATTACH).await;
        // A refused link is attached without its terminus, and detached at once.
        let terminus = attach
            .fields()
            .get(if receives { 5 } else { 6 })
            .unwrap_or(&V::Null);
        if *terminus != V::Null {
            return Ok(handle);
        }
        let (detach, _) = self.until(DETACH).await;
        Err(condition(&detach.fields()[2]))
    }

    /// Sends a message and waits for what becomes of it: `Ok` if it is accepted, else condition and description.
    pub async fn transfer(&mut self, handle: u32, message: &[u8]) -> Result<(), (String, String)> {
        self.transfer_only(handle, message).await;
        let (disposition, _) = self.until(DISPOSITION).await;
        let state = &disposition.fields()[4];
        match state.code() {
            ACCEPTED => Ok(()),
            REJECTED => {
                let error = &state.fields()[0];
                let V::Str(text) = &error.fields()[1] else {
                    panic!("{error:?}");
                };
                Err((condition(error), text.clone()))
            }
            other => panic!("{other:#x}"),
        }
    }

    pub async fn transfer_only(&mut self, handle: u32, message: &[u8]) {
        let id = self.deliveries;
        self.deliveries += 1;
        let tag = V::Bin(id.to_be_bytes().to_vec());
        let count = message.len().div_ceil(FRAME_PAYLOAD);
        for (at, part) in message.chunks(FRAME_PAYLOAD).enumerate() {
            let more = V::Bool(at + 1 < count);
            let transfer = vec![
                V::Uint(handle),
                V::Uint(id),
                tag.clone(),
                V::Uint(0),
                V::Bool(false),
                more,
            ];
            self.send(&frame(0, &described(TRANSFER, transfer), part)).await;
        }
    }

    /// The next message on a link: its delivery id and sections.
    pub async fn receive(&mut self) -> (u32, Vec<(u64, V)>) {
        let (transfer, payload) = self.until(TRANSFER).await;
        let V::Uint(id) = transfer.fields()[1] else {
            panic!("{transfer:?}");
        };
        (id, sections(&payload))
    }

    /// Nothing comes: another link is attached before it does.
    pub async fn quiet(&mut self) {
        let target = described(0x29, vec![s("$cbs")]);
        let handle = V::Uint(self.links);
        let fields = vec![
            s("quiet"),
            handle,
            V::Bool(false),
            V::Null,
            V::Null,
            described(0x28, Vec::new()),
            target,
        ];
        self.send(&frame(0, &described(ATTACH, fields), &[])).await;
        loop {
            let (performative, _) = self.frame().await;
            assert_ne!(performative.code(), TRANSFER);
            if performative.code() == ATTACH {
                return;
            }
        }
    }

    /// Settles a message that was received.
    pub async fn settle(&mut self, id: u32, state: u64) {
        let fields = vec![
            V::Bool(true),
            V::Uint(id),
            V::Uint(id),
            V::Bool(true),
            described(state, vec![]),
        ];
        self.send(&frame(0, &described(DISPOSITION, fields), &[])).await;
    }
}

/// The condition of an error.
fn condition(error: &V) -> String {
    match &error.fields()[0] {
        V::Sym(condition) => condition.clone(),
        other => panic!("{other:?}"),
    }
}
