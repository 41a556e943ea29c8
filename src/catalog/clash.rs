//! What a definition would clash with, said before it is stored.

use super::Catalog;
use crate::config::{Definition, Draft, Fault, Ids};

impl Catalog {
    /// Faults of drafts that only show beside other sources: the file's keep their ids, and so do others of the store. `stored` tells
    /// which ids the store defines; a draft under one of them replaces it.
    pub fn clashes(&self, stored: impl Fn(&str) -> bool, drafts: &[Draft]) -> Vec<Fault> {
        let mut ids = Ids::new(&self.base.settings);
        // The file's own clashes are faults that end the process; there are none here.
        for source in &self.base.sources {
            let _ = ids.admit(source);
        }
        for source in self.current().configs() {
            let is_replaced = drafts.iter().any(|draft| draft.id == source.id);
            if stored(&source.id) && !is_replaced {
                let _ = ids.admit(source);
            }
        }
        let mut faults = Vec::new();
        for draft in drafts {
            match &draft.defines {
                Definition::Source(source) => {
                    faults.extend(ids.admit(source).into_iter().map(|text| Fault {
                        place: format!("{} [{}]", source.origin, source.id),
                        text,
                    }));
                }
                Definition::Discovery(found) => {
                    let of_file = self.base.discoveries.iter().find(|one| one.name == draft.id);
                    faults.extend(of_file.map(|other| Fault {
                        place: format!("{} [{}]", found.template.origin, draft.id),
                        text: format!("is found by {} already", other.template.origin),
                    }));
                }
            }
        }
        faults
    }
}
