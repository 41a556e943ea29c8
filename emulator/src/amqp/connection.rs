//! The life of one connection.

use std::sync::Arc;
use std::time::Duration;

use fe2o3_amqp::acceptor::sasl_acceptor::SaslServerFrame;
use fe2o3_amqp::acceptor::{ConnectionAcceptor, ListenerSessionHandle, SaslAcceptor, SessionAcceptor};
use fe2o3_amqp::connection::OpenError;
use fe2o3_amqp::transport;
use fe2o3_amqp::types::primitives::{Array, Symbol};
use fe2o3_amqp::types::sasl::{SaslCode, SaslInit, SaslOutcome, SaslResponse};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, copy, duplex, split};
use tokio::select;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::frames::{LARGEST_FRAME, forward};
use super::link::open;
use super::{Refused, Service};

/// A client that connects and then does not open is dropped after this.
const OPENING: Duration = Duration::from_secs(30);

/// How long what was said last may take to be sent.
const FAREWELL: Duration = Duration::from_secs(5);

/// A client that is silent for so long is dropped; empty frames are a sign of life (as at Azure).
const IDLE_MS: u32 = 240_000;

/// The headers of AMQP 1.0, bare and after SASL.
const AMQP: [u8; 8] = *b"AMQP\x00\x01\x00\x00";
const SASL: [u8; 8] = *b"AMQP\x03\x01\x00\x00";

/// Serves a connection to its end.
///
/// The library's own tasks get one end of a pipe, so that they end with this future, whatever they wait for.
pub(crate) async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, service: Arc<dyn Service>) {
    let mut header = [0; 8];
    match timeout(OPENING, stream.read_exact(&mut header)).await {
        Ok(Ok(_)) => {}
        // Gone without a word.
        Ok(Err(_)) => return,
        Err(_) => return service.refused(&Refused::protocol("no protocol header came within 30 s")),
    }
    if header != SASL && header != AMQP {
        let text = "the first bytes are no AMQP 1.0 header; this port is for AMQP 1.0 over TLS";
        service.refused(&Refused::protocol(text));
        // What this side speaks (AMQP 1.0, section 2.2).
        let _ = timeout(FAREWELL, stream.write_all(&AMQP)).await;
        let _ = timeout(FAREWELL, stream.shutdown()).await;
        return;
    }
    let (near, far) = duplex(LARGEST_FRAME as usize);
    let mut talking = std::pin::pin!(talk(far, header == SASL, service.clone()));
    let mut piping = std::pin::pin!(pipe(stream, near, header));
    let ended = select! {
        ended = &mut talking => {
            // Until all is sent, and the library has let go of its end.
            let _ = timeout(FAREWELL, piping).await;
            ended
        }
        // The client is gone: time to notice, and to give back what it has not settled.
        piped = &mut piping => piped.and(timeout(FAREWELL, talking).await.unwrap_or(Ok(()))),
    };
    if let Err(why) = ended {
        service.refused(&why);
    }
}

/// Carries bytes between a client, whose `header` was read, and the library, until either has let go.
async fn pipe(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    near: DuplexStream,
    header: [u8; 8],
) -> Result<(), Refused> {
    let (mut reading, mut writing) = split(stream);
    let (mut answers, mut asked) = split(near);
    // Eight bytes always fit.
    let _ = asked.write_all(&header).await;
    let outgoing = async {
        let _ = copy(&mut answers, &mut writing).await;
        let _ = writing.shutdown().await;
    };
    let mut outgoing = std::pin::pin!(outgoing);
    select! {
        ended = forward(&mut reading, &mut asked) => {
            let _ = asked.shutdown().await;
            let _ = timeout(FAREWELL, outgoing).await;
            ended
        }
        () = &mut outgoing => Ok(()),
    }
}

/// Opens the connection and serves its sessions.
async fn talk(io: DuplexStream, sasl: bool, service: Arc<dyn Service>) -> Result<(), Refused> {
    let acceptor = ConnectionAcceptor::builder()
        .container_id("emulator")
        .max_frame_size(LARGEST_FRAME)
        .idle_time_out(IDLE_MS);
    let opening = async {
        if sasl {
            let login = Login(service.clone());
            acceptor.sasl_acceptor(login).build().accept(io).await
        } else {
            acceptor.build().accept(io).await
        }
    };
    let mut connection = match timeout(OPENING, opening).await {
        Ok(Ok(connection)) => connection,
        // The login has told why.
        Ok(Err(OpenError::SaslError { .. })) => return Ok(()),
        Ok(Err(OpenError::Io(_))) => return Ok(()),
        Ok(Err(error)) => return Err(Refused::protocol(error.to_string())),
        Err(_) => return Err(Refused::protocol("the connection was not opened within 30 s")),
    };
    let mut sessions = JoinSet::new();
    let acceptor = SessionAcceptor::new();
    while let Some(begin) = connection.next_incoming_session().await {
        match acceptor.accept_incoming_session(begin, &mut connection).await {
            Ok(session) => sessions.spawn(links(session, service.clone())),
            Err(error) => return Err(Refused::protocol(error.to_string())),
        };
        while sessions.try_join_next().is_some() {}
    }
    let closed = connection.on_close().await;
    // Links end with their connection, when they have given back what was not settled.
    while sessions.join_next().await.is_some() {}
    match closed {
        Err(error) if is_ours(&error) => Err(Refused::protocol(error.to_string())),
        _ => Ok(()),
    }
}

/// Whether a connection ended because of what the client did, rather than by its own word or by its absence.
fn is_ours(error: &fe2o3_amqp::connection::Error) -> bool {
    use fe2o3_amqp::connection::Error;
    !matches!(
        error,
        Error::TransportError(transport::Error::Io(_))
            | Error::RemoteClosed
            | Error::RemoteClosedWithError(_)
    )
}

/// The links of one session.
async fn links(mut session: ListenerSessionHandle, service: Arc<dyn Service>) {
    let mut all = JoinSet::new();
    while let Some(attach) = session.next_incoming_attach().await {
        if let Some(link) = open(attach, &mut session, &*service).await {
            all.spawn(link);
        }
        while all.try_join_next().is_some() {}
    }
    while all.join_next().await.is_some() {}
}

/// SASL. Clients that prove who they are later, over `$cbs`, log in as nobody.
#[derive(Clone)]
struct Login(Arc<dyn Service>);

impl Login {
    fn plain(&self, response: Option<&[u8]>) -> Result<(), Refused> {
        let text = response.and_then(|bytes| std::str::from_utf8(bytes).ok());
        // RFC 4616: [authzid] NUL authcid NUL passwd.
        let mut parts = text.unwrap_or_default().splitn(3, '\0').skip(1);
        match (parts.next(), parts.next()) {
            (Some(user), Some(password)) => self.0.login(user, password),
            _ => Err(Refused::protocol("SASL PLAIN holds no user name and password")),
        }
    }
}

impl SaslAcceptor for Login {
    fn mechanisms(&self) -> Array<Symbol> {
        Array::from(["PLAIN", "MSSBCBS", "ANONYMOUS"].map(Symbol::from).to_vec())
    }

    fn on_init(&mut self, init: SaslInit) -> SaslServerFrame {
        let outcome = match init.mechanism.as_str() {
            "MSSBCBS" | "ANONYMOUS" => Ok(()),
            "PLAIN" => self.plain(init.initial_response.as_ref().map(|bytes| bytes.as_slice())),
            other => Err(Refused::protocol(format!(
                "the SASL mechanism {other} is not offered"
            ))),
        };
        let code = match outcome {
            Ok(()) => SaslCode::Ok,
            Err(why) => {
                self.0.refused(&why);
                SaslCode::Auth
            }
        };
        SaslServerFrame::Outcome(SaslOutcome {
            code,
            additional_data: None,
        })
    }

    fn on_response(&mut self, _: SaslResponse) -> SaslServerFrame {
        // No mechanism asks for one.
        SaslServerFrame::Outcome(SaslOutcome {
            code: SaslCode::Auth,
            additional_data: None,
        })
    }
}
