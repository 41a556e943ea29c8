//! Words as a tree, by precedence: OR, AND, NOT, comparison and IN, sums, products, signs.
//!
//! Chains (`a AND b AND c`) are loops, and what does nest is counted, so that no text makes this overflow its stack.

use serde_json::Value;
use winnow::ascii::multispace0;
use winnow::combinator::{alt, cut_err, fail, opt, peek, separated, terminated};
use winnow::error::ContextError;
use winnow::{ModalParser, ModalResult, Parser};

use super::token::{Input, expected, keyword, number, path, symbol, text, word};
use super::{Comparison, Expression, Function, Operator};

/// How deep parentheses, lists and calls may nest.
const DEEPEST: usize = 32;

/// One or more conditions with OR between them.
pub(in crate::hub) fn condition(input: &mut Input<'_>) -> ModalResult<Expression> {
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
        let values = cut_err(values.context(expected("a list, as in ['a', 'b']"))).parse_next(input)?;
        let within = Expression::In(Box::new(left), values);
        return Ok(match negated {
            Some(()) => Expression::Not(Box::new(within)),
            None => within,
        });
    }
    // `1 < 2 = true` leans to the left, and is as deep as it is long.
    let (mut left, depth) = (left, input.state.depth);
    while let Some(comparison) = opt(compared).parse_next(input)? {
        if input.state.depth >= DEEPEST {
            return cut_err(fail.context(expected("no more than 32 levels"))).parse_next(input);
        }
        input.state.depth += 1;
        let right = cut_err(sum).parse_next(input)?;
        left = Expression::Compare(Box::new(left), comparison, Box::new(right));
    }
    input.state.depth = depth;
    Ok(left)
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
    Ok(if negative {
        Expression::Negative(Box::new(value))
    } else {
        value
    })
}

fn value(input: &mut Input<'_>) -> ModalResult<Expression> {
    alt((
        nested,
        values.map(Expression::List),
        text.map(|text| Expression::Literal(text.into())),
        number.map(|number| Expression::Literal(Value::Number(number))),
        constant,
        call,
        path.map(Expression::Path),
    ))
    .context(expected("a value"))
    .parse_next(input)
}

fn nested(input: &mut Input<'_>) -> ModalResult<Expression> {
    ('(', multispace0).parse_next(input)?;
    deeper(terminated(condition, symbol(")")), input)
}

fn values(input: &mut Input<'_>) -> ModalResult<Vec<Expression>> {
    ('[', multispace0).parse_next(input)?;
    let values = separated(0.., condition, symbol(","));
    deeper(terminated(values, symbol("]")), input)
}

fn call(input: &mut Input<'_>) -> ModalResult<Expression> {
    let name = terminated(word, (multispace0, '(', multispace0)).parse_next(input)?;
    let dialect = input.state.dialect;
    let Some(function) = dialect.function(name).and_then(|name| Function::of(&name)) else {
        return cut_err(fail.context(expected(dialect.functions()))).parse_next(input);
    };
    let arguments = separated(0.., condition, symbol(","))
        .verify(move |arguments: &Vec<Expression>| function.takes().contains(&arguments.len()))
        .context(expected(function.arguments()));
    deeper(terminated(arguments, symbol(")")), input)
        .map(|arguments: Vec<Expression>| Expression::Call(function, arguments))
}

/// What is inside of something: one level further down, and there is no other way to read it.
fn deeper<'a, O>(
    inside: impl ModalParser<Input<'a>, O, ContextError>,
    input: &mut Input<'a>,
) -> ModalResult<O> {
    if input.state.depth >= DEEPEST {
        return cut_err(fail.context(expected("no more than 32 levels"))).parse_next(input);
    }
    input.state.depth += 1;
    let outcome = cut_err(inside).parse_next(input);
    input.state.depth -= 1;
    outcome
}

fn constant(input: &mut Input<'_>) -> ModalResult<Expression> {
    alt((
        keyword("true").value(Expression::Literal(Value::Bool(true))),
        keyword("false").value(Expression::Literal(Value::Bool(false))),
        keyword("null").value(Expression::Literal(Value::Null)),
        keyword("undefined").value(Expression::Undefined),
    ))
    .parse_next(input)
}
