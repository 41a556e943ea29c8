//! The modules of a device.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Activity, Condition, Record, Unwritten};
use crate::hub::identity::Module;
use crate::hub::twin::Shadow;

/// How many a device may have (Azure docs, module identities).
const MOST: usize = 50;

/// The modules by id.
#[derive(Default)]
pub(crate) struct Modules(RwLock<BTreeMap<String, Arc<ModuleEntry>>>);

/// A module, and what is kept for it.
pub(crate) struct ModuleEntry {
    pub(crate) module: Module,
    pub(crate) record: Record,
    pub(crate) activity: Arc<Activity>,
    pub(crate) twin: Arc<Shadow>,
}

impl ModuleEntry {
    /// A module of which nothing else is known.
    pub(crate) fn new(module: Module, record: Record) -> Self {
        Self {
            module,
            record,
            activity: Arc::default(),
            twin: Arc::default(),
        }
    }
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
        let entry = Arc::new(match known {
            Some(known) => ModuleEntry {
                module,
                record: known.record.rewritten(None),
                activity: known.activity.clone(),
                twin: known.twin.clone(),
            },
            None => ModuleEntry::new(module, Record::new(now_ms)),
        });
        modules.insert(id, entry.clone());
        Ok(entry)
    }

    /// A module from before a restart.
    pub(crate) fn restore(&self, entry: ModuleEntry) {
        let mut modules = self.0.write().unwrap_or_else(PoisonError::into_inner);
        modules.insert(entry.module.id.clone(), Arc::new(entry));
    }

    /// Whether a module of this id is known, or there is room for it.
    pub(crate) fn has_room_for(&self, id: &str) -> bool {
        let modules = self.0.read().unwrap_or_else(PoisonError::into_inner);
        modules.contains_key(id) || modules.len() < MOST
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
