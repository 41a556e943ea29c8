//! What conditions of routes and of queries do not share.

/// Where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Dialect {
    /// The condition of a message route: all functions.
    Route,
    /// A query over twins and jobs: four functions, words of its own, and `devices.` may stand before a name.
    Query,
}

/// Words that name nothing, wherever they stand.
const RESERVED: [&str; 8] = ["and", "or", "not", "in", "true", "false", "null", "undefined"];

/// Those that a query adds.
const CLAUSES: [&str; 7] = ["select", "top", "from", "where", "group", "by", "as"];

/// What may stand before a name. Microsoft's samples write `devices.deviceId`, too.
const COLLECTIONS: [&str; 3] = ["devices", "modules", "jobs"];

impl Dialect {
    /// Whether a word alone is no name.
    pub(super) fn reserves(self, word: &str) -> bool {
        let clauses: &[&str] = match self {
            Self::Route => &[],
            Self::Query => &CLAUSES,
        };
        let mut reserved = RESERVED.iter().chain(clauses);
        reserved.any(|known| word.eq_ignore_ascii_case(known))
    }

    /// Whether the first of several names only says where to look.
    pub(super) fn is_collection(self, name: &str) -> bool {
        self == Self::Query && COLLECTIONS.iter().any(|known| name.eq_ignore_ascii_case(known))
    }

    /// The name in the table of functions of what is called so here.
    pub(super) fn function(self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        match self {
            Self::Route => Some(name),
            Self::Query => match name.as_str() {
                "is_defined" | "contains" | "starts_with" | "ends_with" => Some(name),
                "startswith" => Some("starts_with".to_owned()),
                "endswith" => Some("ends_with".to_owned()),
                _ => None,
            },
        }
    }

    /// For whoever wrote another.
    pub(super) fn functions(self) -> &'static str {
        match self {
            Self::Route => "a function of routes, such as IS_DEFINED, CONTAINS, STARTS_WITH or AS_NUMBER",
            Self::Query => "one of the functions IS_DEFINED, STARTSWITH, ENDSWITH, CONTAINS",
        }
    }
}
