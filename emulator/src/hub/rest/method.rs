//! Direct methods.

use serde_json::json;

use super::call::Target;
use super::{Asked, module};
use crate::hub::method::MethodCall;
use crate::hub::refusal::Refusal;
use crate::hub::reply::Reply;

pub(super) async fn invoke(asked: &Asked<'_>, target: &Target) -> Result<Reply, Refusal> {
    let call: MethodCall = asked.json()?;
    let method = call.checked()?;
    let answered = match &target.module {
        None => asked.hub.invoke(&target.device, method).await?,
        Some(id) => {
            module::find(asked.hub, target)?;
            asked.hub.invoke_module(&target.device, id, method).await?
        }
    };
    Ok(asked.shown(&json!(answered)))
}
