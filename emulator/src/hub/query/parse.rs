//! From text to a query.
//!
//! Chains (`a AND b AND c`) are loops, and what does nest is counted, so that no text makes this overflow its stack.

use serde_json::Value;
use winnow::ascii::multispace0;
use winnow::combinator::{alt, cut_err, fail, opt, peek, preceded, separated, terminated};
use winnow::error::{ContextError, StrContext};
use winnow::{ModalParser, ModalResult, Parser};

use super::expression::{Comparison, Expression, Function, Operator};
use super::token::{Input, expected, keyword, number, path, symbol, text, whole_number, word};
use super::{Aggregate, Collection, Column, Query, Select};

/// How deep parentheses, lists and calls may nest.
const DEEPEST: usize = 32;

/// Why a query is not understood, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::hub) struct Misunderstood(String);

/// Understands a query.
pub(in crate::hub) fn parse(text: &str) -> Result<Query, Misunderstood> {
    let input = Input {
        input: text,
        state: 0,
    };
    let parsed = preceded(multispace0, query)
        .parse(input)
        .map_err(|error| Misunderstood::at(text, error.offset(), error.inner()))?;
    check(parsed)
}

impl Misunderstood {
    /// In the hub's words, which give line and column.
    fn at(text: &str, offset: usize, error: &ContextError) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        // The innermost is the most exact.
        let mut expected = error.context().filter_map(|context| match context {
            StrContext::Expected(what) => Some(what.to_string()),
            _ => None,
        });
        let expected = expected
            .next()
            .unwrap_or_else(|| "the end of the query, or a clause in its place".to_owned());
        let found: String = text.get(offset..).unwrap_or_default().chars().take(20).collect();
        let found = if found.is_empty() {
            "the end".to_owned()
        } else {
            format!("'{found}'")
        };
        Self(format!(
            "SQL query parse failed due to following errors: Line {line}:{column} expected {expected}, found {found}"
        ))
    }
}

/// What the grammar alone does not say.
fn check(query: Query) -> Result<Query, Misunderstood> {
    let wrong = |text: String| Err(Misunderstood(text));
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
    let filter = opt(preceded(keyword("WHERE"), cut_err(any))).parse_next(input)?;
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
            Column::Member(path) => path.0.last().cloned(),
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

/// One or more conditions with OR between them.
fn any(input: &mut Input<'_>) -> ModalResult<Expression> {
    chain(all, "OR", Expression::Any, input)
}

fn all(input: &mut Input<'_>) -> ModalResult<Expression> {
    chain(not, "AND", Expression::All, input)
}

fn chain(
    mut term: fn(&mut Input<'_>) -> ModalResult<Expression>,
    between: &'static str,
    together: fn(Vec<Expression>) -> Expression,
    input: &mut Input<'_>,
) -> ModalResult<Expression> {
    let first = term(input)?;
    let mut terms = vec![first];
    while opt(keyword(between)).parse_next(input)?.is_some() {
        terms.push(cut_err(&mut term).parse_next(input)?);
    }
    Ok(match terms.len() {
        1 => terms.remove(0),
        _ => together(terms),
    })
}

fn not(input: &mut Input<'_>) -> ModalResult<Expression> {
    let mut negated = false;
    while opt(keyword("NOT")).parse_next(input)?.is_some() {
        negated = !negated;
    }
    let term = comparison(input)?;
    Ok(if negated {
        Expression::Not(Box::new(term))
    } else {
        term
    })
}

fn comparison(input: &mut Input<'_>) -> ModalResult<Expression> {
    let left = sum(input)?;
    let negated = opt(terminated(keyword("NOT"), peek(keyword("IN")))).parse_next(input)?;
    if opt(keyword("IN")).parse_next(input)?.is_some() {
        let list = cut_err(list.context(expected("a list, as in ['a', 'b']"))).parse_next(input)?;
        let within = Expression::In(Box::new(left), Box::new(list));
        return Ok(match negated {
            Some(()) => Expression::Not(Box::new(within)),
            None => within,
        });
    }
    let Some(comparison) = opt(compared).parse_next(input)? else {
        return Ok(left);
    };
    let right = cut_err(sum).parse_next(input)?;
    Ok(Expression::Compare(Box::new(left), comparison, Box::new(right)))
}

fn compared(input: &mut Input<'_>) -> ModalResult<Comparison> {
    alt((
        symbol("<=").value(Comparison::AtMost),
        symbol(">=").value(Comparison::AtLeast),
        symbol("<>").value(Comparison::Unequal),
        symbol("!=").value(Comparison::Unequal),
        symbol("=").value(Comparison::Equal),
        symbol("<").value(Comparison::Less),
        symbol(">").value(Comparison::More),
    ))
    .parse_next(input)
}

fn sum(input: &mut Input<'_>) -> ModalResult<Expression> {
    let signs = alt((
        symbol("+").value(Operator::Plus),
        symbol("-").value(Operator::Minus),
    ));
    arithmetic(product, signs, input)
}

fn product(input: &mut Input<'_>) -> ModalResult<Expression> {
    let signs = alt((
        symbol("*").value(Operator::Times),
        symbol("/").value(Operator::Over),
        symbol("%").value(Operator::Modulo),
    ));
    arithmetic(signed, signs, input)
}

fn arithmetic<'a>(
    mut term: fn(&mut Input<'a>) -> ModalResult<Expression>,
    mut signs: impl ModalParser<Input<'a>, Operator, ContextError>,
    input: &mut Input<'a>,
) -> ModalResult<Expression> {
    let first = term(input)?;
    let mut rest = Vec::new();
    while let Some(operator) = opt(signs.by_ref()).parse_next(input)? {
        rest.push((operator, cut_err(&mut term).parse_next(input)?));
    }
    Ok(if rest.is_empty() {
        first
    } else {
        Expression::Arithmetic(Box::new(first), rest)
    })
}

fn signed(input: &mut Input<'_>) -> ModalResult<Expression> {
    let mut negative = false;
    while opt(symbol("-")).parse_next(input)?.is_some() {
        negative = !negative;
    }
    let value = value(input)?;
    if !negative {
        return Ok(value);
    }
    let minus_one = Expression::Constant(Value::from(-1));
    Ok(Expression::Arithmetic(
        Box::new(minus_one),
        vec![(Operator::Times, value)],
    ))
}

fn value(input: &mut Input<'_>) -> ModalResult<Expression> {
    alt((
        nested,
        list,
        text.map(|text| Expression::Constant(text.into())),
        number.map(|number| Expression::Constant(Value::Number(number))),
        constant,
        call,
        path.map(Expression::Member),
    ))
    .context(expected("a value"))
    .parse_next(input)
}

fn nested(input: &mut Input<'_>) -> ModalResult<Expression> {
    ('(', multispace0).parse_next(input)?;
    deeper(terminated(any, symbol(")")), input)
}

fn list(input: &mut Input<'_>) -> ModalResult<Expression> {
    ('[', multispace0).parse_next(input)?;
    let values = separated(0.., any, symbol(","));
    deeper(terminated(values, symbol("]")), input).map(Expression::List)
}

fn call(input: &mut Input<'_>) -> ModalResult<Expression> {
    let name = terminated(word, (multispace0, '(', multispace0)).parse_next(input)?;
    let Some((function, count)) = Function::named(name) else {
        let known = "one of the functions IS_DEFINED, STARTSWITH, ENDSWITH, CONTAINS";
        return cut_err(fail.context(expected(known))).parse_next(input);
    };
    let arguments = separated(1.., any, symbol(","))
        .verify(move |arguments: &Vec<Expression>| arguments.len() == count)
        .context(expected(if count == 1 {
            "one argument"
        } else {
            "two arguments"
        }));
    deeper(terminated(arguments, symbol(")")), input)
        .map(|arguments: Vec<Expression>| Expression::Call(function, arguments))
}

/// What is inside of something: one level further down, and there is no other way to read it.
fn deeper<'a, O>(
    inside: impl ModalParser<Input<'a>, O, ContextError>,
    input: &mut Input<'a>,
) -> ModalResult<O> {
    if input.state >= DEEPEST {
        return cut_err(fail.context(expected("no more than 32 levels"))).parse_next(input);
    }
    input.state += 1;
    let outcome = cut_err(inside).parse_next(input);
    input.state -= 1;
    outcome
}

fn constant(input: &mut Input<'_>) -> ModalResult<Expression> {
    alt((
        keyword("true").value(Expression::Constant(Value::Bool(true))),
        keyword("false").value(Expression::Constant(Value::Bool(false))),
        keyword("null").value(Expression::Constant(Value::Null)),
        keyword("undefined").value(Expression::Undefined),
    ))
    .parse_next(input)
}
