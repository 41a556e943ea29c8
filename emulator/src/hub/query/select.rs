//! Documents to rows.

use serde_json::{Map, Number, Value};

use super::{Aggregate, Column, Query, Select, Twin};

/// The row of one document. Members that are not there are left out.
pub(super) fn row(select: &Select, document: Value) -> Value {
    match select {
        Select::All => document,
        Select::Columns(columns) => columns
            .iter()
            .filter_map(|(name, column)| match column {
                Column::Member(path) => Some((name.clone(), Twin(&document).member(path)?.clone())),
                Column::Count | Column::Of(..) => None,
            })
            .collect::<Map<_, _>>()
            .into(),
    }
}

/// One row for each group, in the order in which the groups appear; one for all documents without GROUP BY.
pub(super) fn groups<'a>(query: &Query, documents: impl Iterator<Item = &'a Value>) -> Vec<Value> {
    let mut groups: Vec<(Vec<Option<&Value>>, Vec<&Value>)> = Vec::new();
    if query.group_by.is_empty() {
        groups.push(Default::default());
    }
    for document in documents {
        let key: Vec<Option<&Value>> = query
            .group_by
            .iter()
            .map(|path| Twin(document).member(path))
            .collect();
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, members)) => members.push(document),
            None => groups.push((key, vec![document])),
        }
    }
    let Select::Columns(columns) = &query.select else {
        return Vec::new();
    };
    let row = |members: &[&Value]| {
        let column = |(name, column): &(String, Column)| Some((name.clone(), value(column, members)?));
        Value::Object(columns.iter().filter_map(column).collect())
    };
    groups.iter().map(|(_, members)| row(members)).collect()
}

fn value(column: &Column, members: &[&Value]) -> Option<Value> {
    match column {
        Column::Count => Some(members.len().into()),
        // The same in the whole group.
        Column::Member(path) => Twin(members.first()?).member(path).cloned(),
        Column::Of(aggregate, path) => {
            let numbers = members
                .iter()
                .filter_map(|document| Twin(document).member(path)?.as_f64());
            aggregate.of(numbers)
        }
    }
}

impl Aggregate {
    fn of(self, numbers: impl Iterator<Item = f64>) -> Option<Value> {
        let numbers: Vec<f64> = numbers.collect();
        let sum: f64 = numbers.iter().sum();
        let result = match self {
            Self::Sum => sum,
            Self::Average => sum / f64::from(u32::try_from(numbers.len()).ok()?),
            Self::Least => numbers.iter().copied().reduce(f64::min)?,
            Self::Most => numbers.iter().copied().reduce(f64::max)?,
        };
        if numbers.is_empty() {
            return None;
        }
        whole(result)
            .or_else(|| Number::from_f64(result))
            .map(Value::Number)
    }
}

/// A sum of whole numbers is shown as one, within 2^53, where doubles are exact.
fn whole(number: f64) -> Option<Number> {
    let exact = number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
    exact.then(|| Number::from(number as i64))
}
