//! The words of the language: names, texts, numbers, keywords and signs.
//!
//! Each parser takes the blanks behind what it reads.

use serde_json::Number;
use winnow::ascii::{digit1, hex_digit1, multispace0};
use winnow::combinator::{alt, cut_err, delimited, opt, preceded, repeat, terminated};
use winnow::error::{ContextError, StrContext, StrContextValue};
use winnow::stream::Stateful;
use winnow::token::{any as character, literal, one_of, take_till, take_while};
use winnow::{ModalParser, ModalResult, Parser};

use super::{Dialect, Path, Step};

/// The rest of the text.
pub(in crate::hub) type Input<'a> = Stateful<&'a str, State>;

/// What a parser has to know besides.
#[derive(Debug, Clone, Copy)]
pub(in crate::hub) struct State {
    pub(super) dialect: Dialect,
    /// How deep it is nested.
    pub(super) depth: usize,
}

/// A text to be read.
pub(in crate::hub) fn input(text: &str, dialect: Dialect) -> Input<'_> {
    Input {
        input: text,
        state: State { dialect, depth: 0 },
    }
}

/// The whole of a text.
pub(super) fn all<'a, T>(
    parser: impl ModalParser<Input<'a>, T, ContextError>,
) -> impl ModalParser<Input<'a>, T, ContextError> {
    preceded(multispace0, parser)
}

/// `tags.building`, `$body.phases[0].V`; `tags.[[a-b]]` names what is no word.
pub(in crate::hub) fn path(input: &mut Input<'_>) -> ModalResult<Path> {
    let dialect = input.state.dialect;
    let steps = terminated(repeat(0.., step), multispace0);
    let (root, mut steps): (&str, Vec<Step>) = (word, steps)
        .verify(move |(root, steps): &(&str, Vec<Step>)| !steps.is_empty() || !dialect.reserves(root))
        .parse_next(input)?;
    let mut root = root.to_owned();
    // devices.jobs.jobId
    while dialect.is_collection(&root)
        && let Some(Step::Member(first)) = steps.first_mut()
    {
        root = std::mem::take(first);
        steps.remove(0);
    }
    Ok(Path { root, steps })
}

fn step(input: &mut Input<'_>) -> ModalResult<Step> {
    let member = preceded('.', cut_err(named.context(expected("a member's name"))));
    let whole = digit1
        .parse_to()
        .context(expected("an index, which is a whole number"));
    let index = delimited(
        literal("["),
        cut_err(whole),
        cut_err(literal("]").context(expected("]"))),
    );
    alt((member.map(Step::Member), index.map(Step::Index))).parse_next(input)
}

fn named(input: &mut Input<'_>) -> ModalResult<String> {
    alt((delimited("[[", take_till(1.., [']', '\n']), "]]"), word))
        .map(str::to_owned)
        .parse_next(input)
}

pub(super) fn is_inside_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

pub(in crate::hub) fn word<'a>(input: &mut Input<'a>) -> ModalResult<&'a str> {
    (
        one_of(|c: char| is_inside_word(c) && !c.is_ascii_digit()),
        take_while(0.., is_inside_word),
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

pub(in crate::hub) fn whole_number(input: &mut Input<'_>) -> ModalResult<usize> {
    terminated(digit1.parse_to(), multispace0)
        .context(expected("a number of rows"))
        .parse_next(input)
}

/// A word of the language, in any letter case.
pub(in crate::hub) fn keyword<'a>(wanted: &'static str) -> impl ModalParser<Input<'a>, (), ContextError> {
    terminated(
        word.verify(move |word: &str| word.eq_ignore_ascii_case(wanted)),
        multispace0,
    )
    .void()
    .context(expected(wanted))
}

pub(in crate::hub) fn symbol<'a>(wanted: &'static str) -> impl ModalParser<Input<'a>, (), ContextError> {
    terminated(literal(wanted), multispace0)
        .void()
        .context(expected(wanted))
}

pub(in crate::hub) fn expected(what: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::Description(what))
}
