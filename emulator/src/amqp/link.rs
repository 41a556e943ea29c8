//! Links: messages that a client sends, and messages for it.

use std::pin::Pin;
use std::time::Duration;

use fe2o3_amqp::acceptor::{LinkAcceptor, LinkEndpoint, ListenerSessionHandle, SupportedReceiverSettleModes};
use fe2o3_amqp::link::{RecvError, SendError};
use fe2o3_amqp::types::definitions::{ReceiverSettleMode, Role};
use fe2o3_amqp::types::messaging::{Body, Outcome, TargetArchetype};
use fe2o3_amqp::types::performatives::Attach;
use fe2o3_amqp::types::primitives::Value;
use fe2o3_amqp::{Receiver, Sender};
use tokio::select;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Inlet, Outlet, Refused, Service, Settlement};

/// The largest message that a link takes; beyond it the link is detached.
const LARGEST_MESSAGE: u64 = 256 * 1024;

/// How long a message is held for a client that gives no credit.
const PATIENCE: Duration = Duration::from_secs(60);

/// A link's work, to its end.
pub(super) type Link = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Attaches a link that the client asks for. One that is refused is attached without the terminus that it asked
/// for, and then closed with the reason (AMQP 1.0, section 2.6.3).
pub(super) async fn open(
    mut attach: Attach,
    session: &mut ListenerSessionHandle,
    service: &dyn Service,
) -> Option<Link> {
    let wanted = match attach.role {
        Role::Sender => {
            let address = match attach.target.as_deref() {
                Some(TargetArchetype::Target(target)) => target.address.as_deref(),
                _ => None,
            };
            service.inlet(address.unwrap_or_default()).map(End::In)
        }
        Role::Receiver => {
            let source = attach.source.as_deref();
            let address = source.and_then(|source| source.address.as_deref());
            service.outlet(address.unwrap_or_default()).map(End::Out)
        }
    };
    if let Err(why) = &wanted {
        service.refused(why);
        match attach.role {
            Role::Sender => attach.target = None,
            Role::Receiver => attach.source = None,
        }
    }
    let acceptor = LinkAcceptor::builder()
        .max_message_size(LARGEST_MESSAGE)
        // Settled with the first word, as at Azure: uamqp asks for two and waits for one.
        .supported_receiver_settle_modes(SupportedReceiverSettleModes::First)
        .fallback_receiver_settle_mode(ReceiverSettleMode::First)
        .verify_incoming_source(false)
        .verify_incoming_target(false)
        .build();
    let link = match acceptor.accept_incoming_attach(attach, session).await {
        Ok(link) => link,
        // Told to the client by the library.
        Err(error) => {
            service.refused(&Refused::protocol(error.to_string()));
            return None;
        }
    };
    match (link, wanted) {
        (LinkEndpoint::Receiver(receiver), Ok(End::In(inlet))) => Some(Box::pin(take(receiver, inlet))),
        (LinkEndpoint::Sender(sender), Ok(End::Out(outlet))) => Some(Box::pin(give(sender, outlet))),
        (link, Err(refused)) => Some(Box::pin(close(link, refused))),
        // The library gives the other end of what was asked for.
        (LinkEndpoint::Receiver(_) | LinkEndpoint::Sender(_), Ok(_)) => None,
    }
}

/// What a client asked for.
enum End {
    In(Box<dyn Inlet>),
    Out(Box<dyn Outlet>),
}

async fn close(link: LinkEndpoint, refused: Refused) {
    // The client may be gone already.
    let _ = match link {
        LinkEndpoint::Receiver(receiver) => receiver.close_with_error(refused).await,
        LinkEndpoint::Sender(sender) => sender.close_with_error(refused).await,
    };
}

/// Takes what the client sends.
async fn take(mut receiver: Receiver, mut inlet: Box<dyn Inlet>) {
    loop {
        let delivery = match receiver.recv::<Body<Value>>().await {
            Ok(delivery) => delivery,
            Err(error @ RecvError::MessageDecode(_)) => {
                let refused = Refused::new("amqp:decode-error", "AmqpProtocol", error.to_string());
                return close(LinkEndpoint::Receiver(receiver), refused).await;
            }
            // Detached by the client or by the library, which has told why.
            Err(_) => return,
        };
        let settled = match inlet.take(delivery.message()) {
            Ok(()) => receiver.accept(&delivery).await,
            Err(refused) => receiver.reject(&delivery, Some(refused.into())).await,
        };
        if settled.is_err() {
            return;
        }
    }
}

/// Gives the client what is for it, and settles as the client does.
async fn give(mut sender: Sender, mut outlet: Box<dyn Outlet>) {
    let mut unsettled = JoinSet::new();
    loop {
        select! {
            next = outlet.next() => {
                let (number, message) = match next {
                    Ok(next) => next,
                    Err(refused) => return close(LinkEndpoint::Sender(sender), refused).await,
                };
                match timeout(PATIENCE, sender.send_batchable(message)).await {
                    Ok(Ok(outcome)) => {
                        unsettled.spawn(async move { (number, outcome.await) });
                    }
                    Ok(Err(_)) => break,
                    Err(_) => outlet.settle(number, Settlement::Unsent),
                }
            }
            Some(Ok((number, outcome))) = unsettled.join_next() => outlet.settle(number, settlement(&outcome)),
            _ = sender.on_detach() => break,
        }
    }
    // What the client has settled just before the link ended counts.
    while let Some(Ok((number, outcome))) = unsettled.join_next().await {
        outlet.settle(number, settlement(&outcome));
    }
}

fn settlement(outcome: &Result<Outcome, SendError>) -> Settlement {
    match outcome {
        Ok(Outcome::Accepted(_)) => Settlement::Accepted,
        Ok(Outcome::Rejected(_)) => Settlement::Rejected,
        Ok(Outcome::Released(_) | Outcome::Modified(_)) | Err(_) => Settlement::Released,
    }
}
