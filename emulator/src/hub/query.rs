//! The hub's query language, over documents of twins. Pure.
//!
//! Understood: `SELECT [TOP n] *` or columns with `AS`, `COUNT()`, `SUM`, `AVG`, `MIN`, `MAX`; `FROM devices`,
//! `devices.modules` or `devices.jobs`; `WHERE` with comparisons, `AND`, `OR`, `NOT`, `IN [...]`, arithmetic, `IS_DEFINED`,
//! `STARTSWITH`, `ENDSWITH`, `CONTAINS`; `GROUP BY`. Whatever else a query holds is refused, with its place in the text.
//!
//! Source: "IoT Hub query language for device and module twins, jobs, and message routing" (Azure docs), and the queries
//! of Microsoft's samples, which also write `STARTSWITH(id, …)` and `devices.deviceId`.
//!
//! # Layout
//!
//! - [`Query`]: what was asked. `parse`: text to it; its conditions are [`Expression`]s. `twin`: what their names mean in a
//!   document. `select`: rows.

mod parse;
mod select;
mod twin;

use serde_json::Value;

use super::expression::{Expression, Path};
pub(super) use parse::parse;
use twin::Twin;

/// A query that was understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    /// Rows at most.
    pub(super) top: Option<usize>,
    pub(super) select: Select,
    pub(super) from: Collection,
    pub(super) filter: Option<Expression>,
    pub(super) group_by: Vec<Path>,
}

/// What becomes of a document.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Select {
    /// It is the row.
    All,
    /// A row of columns, each with its name.
    Columns(Vec<(String, Column)>),
}

/// What a query goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collection {
    /// Twins of devices.
    Devices,
    /// Twins of modules.
    Modules,
    /// What jobs did to each of their devices.
    Jobs,
}

/// What a column shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Column {
    /// A member of the document.
    Member(Path),
    /// How many documents.
    Count,
    /// Of the numbers at this place; of none it is undefined.
    Of(Aggregate, Path),
}

/// How many numbers become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregate {
    Sum,
    Average,
    Least,
    Most,
}

impl Query {
    /// Whether the rows stand for groups of documents, and not for one document each.
    pub(super) fn is_grouped(&self) -> bool {
        let aggregates = match &self.select {
            Select::All => false,
            Select::Columns(columns) => columns
                .iter()
                .any(|(_, column)| !matches!(column, Column::Member(_))),
        };
        aggregates || !self.group_by.is_empty()
    }

    /// The rows of a query that [`Query::is_grouped`], from the documents that pass the filter.
    pub(super) fn groups<'a>(&self, documents: impl Iterator<Item = &'a Value>) -> Vec<Value> {
        select::groups(self, documents)
    }

    /// The row of one document, of a query that is not grouped.
    pub(super) fn row(&self, document: Value) -> Value {
        select::row(&self.select, document)
    }

    /// Whether a document passes the filter.
    pub(super) fn takes(&self, document: &Value) -> bool {
        let filter = self.filter.as_ref();
        filter.is_none_or(|filter| filter.holds(&Twin(document)))
    }
}

#[cfg(test)]
mod tests;
