//! Direct methods.

use serde_json::json;

use super::Asked;
use crate::hub::identity::Identity;
use crate::hub::method::MethodCall;
use crate::hub::refusal::Refusal;
use crate::hub::reply::Reply;

pub(super) async fn invoke(asked: &Asked<'_>, target: &Identity) -> Result<Reply, Refusal> {
    let call: MethodCall = asked.json()?;
    let method = call.checked()?;
    let party = asked.hub.find(target)?;
    let answered = asked.hub.call(&party, method).await?;
    Ok(asked.shown(&json!(answered)))
}
