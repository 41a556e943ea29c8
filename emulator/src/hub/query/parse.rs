//! From text to a query.

use winnow::ascii::multispace0;
use winnow::combinator::{alt, cut_err, fail, opt, preceded, separated, terminated};
use winnow::{ModalResult, Parser};

use super::{Aggregate, Collection, Column, Query, Select};
use crate::hub::expression::{
    Dialect, Input, Misread, condition, expected, input, keyword, path, symbol, whole_number, word,
};

/// Why a query is not understood, and where, in the hub's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::hub) enum Misunderstood {
    #[error("SQL query parse failed due to following errors: Line {0}")]
    Text(#[from] Misread),
    /// What the grammar alone does not say.
    #[error("{0}")]
    Meaning(String),
}

/// Understands a query.
pub(in crate::hub) fn parse(text: &str) -> Result<Query, Misunderstood> {
    check(Misread::explain(text, input(text, Dialect::Query), query)?)
}

fn check(query: Query) -> Result<Query, Misunderstood> {
    let wrong = |text: String| Err(Misunderstood::Meaning(text));
    match &query.select {
        Select::All if query.is_grouped() => wrong("SELECT * cannot have a GROUP BY".to_owned()),
        Select::Columns(columns) if query.is_grouped() => {
            for (name, column) in columns {
                if matches!(column, Column::Member(path) if !query.group_by.contains(path)) {
                    return wrong(format!(
                        "The column {name} is neither an aggregate nor in GROUP BY"
                    ));
                }
            }
            Ok(query)
        }
        _ => Ok(query),
    }
}

fn query(input: &mut Input<'_>) -> ModalResult<Query> {
    keyword("SELECT").parse_next(input)?;
    let top = opt(preceded(keyword("TOP"), cut_err(whole_number))).parse_next(input)?;
    let select = cut_err(select).parse_next(input)?;
    cut_err(keyword("FROM")).parse_next(input)?;
    let from = cut_err(from).parse_next(input)?;
    let filter = opt(preceded(keyword("WHERE"), cut_err(condition))).parse_next(input)?;
    let group_by = opt(preceded(
        (keyword("GROUP"), cut_err(keyword("BY"))),
        cut_err(separated(1.., path.context(expected("a name")), symbol(","))),
    ))
    .parse_next(input)?;
    Ok(Query {
        top,
        select,
        from,
        filter,
        group_by: group_by.unwrap_or_default(),
    })
}

fn select(input: &mut Input<'_>) -> ModalResult<Select> {
    if opt(symbol("*")).parse_next(input)?.is_some() {
        return Ok(Select::All);
    }
    let columns: Vec<(Option<String>, Column)> = separated(1.., column, symbol(",")).parse_next(input)?;
    let named = columns.into_iter().enumerate().map(|(at, (alias, column))| {
        let own = match &column {
            Column::Member(path) => Some(path.last().to_owned()),
            Column::Count | Column::Of(..) => None,
        };
        let name = alias.or(own).unwrap_or_else(|| format!("${}", at + 1));
        (name, column)
    });
    Ok(Select::Columns(named.collect()))
}

fn column(input: &mut Input<'_>) -> ModalResult<(Option<String>, Column)> {
    let shown = alt((aggregate, path.map(Column::Member)))
        .context(expected("a column"))
        .parse_next(input)?;
    let alias = opt(preceded(keyword("AS"), cut_err(terminated(word, multispace0)))).parse_next(input)?;
    Ok((alias.map(str::to_owned), shown))
}

fn aggregate(input: &mut Input<'_>) -> ModalResult<Column> {
    let name = terminated(word, (multispace0, '(', multispace0)).parse_next(input)?;
    let aggregate = match name.to_ascii_uppercase().as_str() {
        "COUNT" => {
            cut_err(symbol(")")).parse_next(input)?;
            return Ok(Column::Count);
        }
        "SUM" => Aggregate::Sum,
        "AVG" => Aggregate::Average,
        "MIN" => Aggregate::Least,
        "MAX" => Aggregate::Most,
        _ => {
            return cut_err(fail.context(expected("COUNT, SUM, AVG, MIN or MAX"))).parse_next(input);
        }
    };
    let path = cut_err(terminated(path.context(expected("a name")), symbol(")"))).parse_next(input)?;
    Ok(Column::Of(aggregate, path))
}

fn from(input: &mut Input<'_>) -> ModalResult<Collection> {
    // As written: `path` leaves this word out.
    let words: Vec<&str> = terminated(separated(1.., word, '.'), multispace0)
        .verify(|words: &Vec<&str>| collection(words).is_some())
        .context(expected("devices, devices.modules or devices.jobs"))
        .parse_next(input)?;
    Ok(collection(&words).unwrap_or(Collection::Devices))
}

fn collection(words: &[&str]) -> Option<Collection> {
    match words.join(".").to_ascii_lowercase().as_str() {
        "devices" => Some(Collection::Devices),
        "devices.modules" => Some(Collection::Modules),
        "devices.jobs" => Some(Collection::Jobs),
        _ => None,
    }
}
