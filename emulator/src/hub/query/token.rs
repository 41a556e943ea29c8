//! The words of the language: names, texts, numbers, keywords and signs.
//!
//! Each parser takes the blanks behind what it reads.

use serde_json::Number;
use winnow::ascii::{digit1, hex_digit1, multispace0};
use winnow::combinator::{alt, cut_err, delimited, opt, preceded, separated, terminated};
use winnow::error::{ContextError, StrContext, StrContextValue};
use winnow::stream::Stateful;
use winnow::token::{any as character, literal, one_of, take_till, take_while};
use winnow::{ModalParser, ModalResult, Parser};

use super::expression::Path;

/// The rest of the text, and how deep it is nested.
pub(super) type Input<'a> = Stateful<&'a str, usize>;

/// Words that name nothing.
const RESERVED: [&str; 15] = [
    "select",
    "top",
    "from",
    "where",
    "group",
    "by",
    "as",
    "and",
    "or",
    "not",
    "in",
    "true",
    "false",
    "null",
    "undefined",
];

/// `tags.building`; `[[a-b]]` names what is no word.
pub(super) fn path(input: &mut Input<'_>) -> ModalResult<Path> {
    let name = alt((delimited("[[", take_till(1.., [']', '\n']), "]]"), word));
    let mut names: Vec<String> = terminated(separated(1.., name.map(str::to_owned), '.'), multispace0)
        .verify(|names: &Vec<String>| {
            let first = names.first().map(|name| name.to_ascii_lowercase());
            first.is_some_and(|first| names.len() > 1 || !RESERVED.contains(&first.as_str()))
        })
        .parse_next(input)?;
    // Microsoft's samples write devices.deviceId, too.
    for prefix in ["devices", "modules", "jobs"] {
        if names.len() > 1 && names[0].eq_ignore_ascii_case(prefix) {
            names.remove(0);
        }
    }
    Ok(Path(names))
}

pub(super) fn word<'a>(input: &mut Input<'a>) -> ModalResult<&'a str> {
    let inside = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    (
        one_of(move |c: char| inside(c) && !c.is_ascii_digit()),
        take_while(0.., inside),
    )
        .take()
        .parse_next(input)
}

/// In single or double quotes; inside, a backslash or a second quote lets a quote stand for itself.
pub(super) fn text(input: &mut Input<'_>) -> ModalResult<String> {
    let quote = one_of(['\'', '"']).parse_next(input)?;
    let mut text = String::new();
    loop {
        let next = cut_err(character.context(expected("a closing quote"))).parse_next(input)?;
        if next == quote && opt(quote).parse_next(input)?.is_none() {
            break;
        }
        let next = if next == '\\' {
            cut_err(character).parse_next(input)?
        } else {
            next
        };
        text.push(next);
    }
    multispace0.parse_next(input)?;
    Ok(text)
}

pub(super) fn number(input: &mut Input<'_>) -> ModalResult<Number> {
    let exponent = (one_of(['e', 'E']), opt(one_of(['+', '-'])), digit1);
    let decimal = (digit1, opt(('.', digit1)), opt(exponent)).take();
    let decimal = decimal.try_map(|text: &str| text.parse::<Number>());
    let hex = preceded("0x", hex_digit1).try_map(|text| u64::from_str_radix(text, 16).map(Number::from));
    terminated(alt((hex, decimal)), multispace0).parse_next(input)
}

pub(super) fn whole_number(input: &mut Input<'_>) -> ModalResult<usize> {
    terminated(digit1.parse_to(), multispace0)
        .context(expected("a number of rows"))
        .parse_next(input)
}

/// A word of the language, in any letter case.
pub(super) fn keyword<'a>(wanted: &'static str) -> impl ModalParser<Input<'a>, (), ContextError> {
    terminated(
        word.verify(move |word: &str| word.eq_ignore_ascii_case(wanted)),
        multispace0,
    )
    .void()
    .context(expected(wanted))
}

pub(super) fn symbol<'a>(wanted: &'static str) -> impl ModalParser<Input<'a>, (), ContextError> {
    terminated(literal(wanted), multispace0)
        .void()
        .context(expected(wanted))
}

pub(super) fn expected(what: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::Description(what))
}
