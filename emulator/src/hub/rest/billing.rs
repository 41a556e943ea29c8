//! What calls of the service side are throttled by and charged for.

use hyper::body::Body;

use super::Asked;
use super::call::Operation;
use crate::hub::meter::{self, Charge};
use crate::hub::refusal::Refusal;
use crate::hub::reply::Reply;

impl Operation {
    /// Which throttle counts it. A direct method takes its turns by its payload; what is not offered takes none.
    pub(super) fn turn(&self) -> Option<meter::Operation> {
        match self {
            Self::ListDevices
            | Self::GetDevice(_)
            | Self::PutDevice(_)
            | Self::DeleteDevice(_)
            | Self::Bulk
            | Self::ListModules(_)
            | Self::GetModule(_)
            | Self::PutModule(_)
            | Self::DeleteModule(_)
            | Self::RegistryStatistics
            | Self::ServiceStatistics => Some(meter::Operation::Registry),
            // Jobs have a rate of their own on the page, of the same height.
            Self::PutJob(_) | Self::GetJob(_) | Self::CancelJob(_) | Self::ListJobs => {
                Some(meter::Operation::Registry)
            }
            // Not in the page's table; it is one of the queue's operations.
            Self::Purge(_) => Some(meter::Operation::SendToDevice),
            Self::GetTwin(_) => Some(meter::Operation::TwinRead),
            Self::PatchTwin(_) | Self::PutTwin(_) => Some(meter::Operation::TwinUpdate),
            Self::Query => Some(meter::Operation::Query),
            Self::Invoke(_) | Self::NotOffered(_) | Self::OtherMethod => None,
        }
    }
}

impl Asked<'_> {
    /// Bytes of the request's body.
    pub(super) fn bytes(&self) -> usize {
        self.body.as_ref().map_or(0, bytes::Bytes::len)
    }

    /// Refuses a change of a twin that the day does not hold any more.
    pub(super) fn can_pay(&self, operation: &Operation) -> Result<(), Refusal> {
        match operation {
            Operation::PatchTwin(_) | Operation::PutTwin(_) => {
                self.hub.can_charge(self.bytes(), self.stamp.now_ms)
            }
            _ => Ok(()),
        }
    }

    /// Charges what was done: reads by the answer's size, updates by the request's. The registry is free.
    pub(super) fn pay(&self, operation: &Operation, reply: &Reply) -> Result<(), Refusal> {
        let now_ms = self.stamp.now_ms;
        let size = usize::try_from(reply.body().size_hint().exact().unwrap_or(0)).unwrap_or(usize::MAX);
        let device = match operation {
            Operation::GetTwin(target) | Operation::PatchTwin(target) | Operation::PutTwin(target) => {
                self.hub.registry.get(&target.device)
            }
            Operation::Query => return self.hub.charge_query(size, now_ms),
            _ => None,
        };
        match (device, operation) {
            (Some(device), Operation::GetTwin(_)) => self.hub.charge(&device, Charge::Twin, size, now_ms),
            (Some(device), _) => {
                self.hub
                    .charge_anyway(&device, Charge::Twin, self.bytes(), now_ms);
                Ok(())
            }
            (None, _) => Ok(()),
        }
    }
}
