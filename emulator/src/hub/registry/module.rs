//! The modules of a device.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Condition, Record, Unwritten};
use crate::hub::identity::Module;
use crate::hub::twin::Shadow;

/// The modules by id.
#[derive(Default)]
pub(crate) struct Modules(RwLock<BTreeMap<String, Arc<ModuleEntry>>>);

/// A module, and what is kept for it.
pub(crate) struct ModuleEntry {
    pub(crate) module: Module,
    pub(crate) record: Record,
    pub(crate) twin: Arc<Shadow>,
}

impl Modules {
    /// Adds a module, or replaces its keys, if the condition is met.
    pub(crate) fn write(
        &self,
        module: Module,
        condition: &Condition,
        now_ms: i64,
    ) -> Result<Arc<ModuleEntry>, Unwritten> {
        let mut modules = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let known = modules.get(&module.id);
        condition.check(known.map(|known| &known.record))?;
        let id = module.id.clone();
        let entry = Arc::new(ModuleEntry {
            module,
            record: known.map_or_else(|| Record::new(now_ms), |known| known.record.rewritten(None)),
            twin: known.map(|known| known.twin.clone()).unwrap_or_default(),
        });
        modules.insert(id, entry.clone());
        Ok(entry)
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<ModuleEntry>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    /// Removes a module, if the condition is met.
    pub(crate) fn remove(&self, id: &str, condition: &Condition) -> Result<(), Unwritten> {
        let mut modules = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let known = modules.get(id).ok_or(Unwritten::Missing)?;
        condition.check(Some(&known.record))?;
        modules.remove(id);
        Ok(())
    }

    /// All modules, by id.
    pub(crate) fn all(&self) -> Vec<Arc<ModuleEntry>> {
        let modules = self.0.read().unwrap_or_else(PoisonError::into_inner);
        modules.values().cloned().collect()
    }
}
