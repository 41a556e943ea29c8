//! A text in words.

use super::{BadExpression, Operator};

/// A word, and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub(super) kind: Kind,
    pub(super) at: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A name, or a word such as `AND` in any letter case.
    Name(String),
    Number(f64),
    Text(String),
    Operator(Operator),
    /// One of `( ) [ ] , .`
    Mark(char),
}

/// Cuts a text into words.
pub(super) fn words(text: &str) -> Result<Vec<Word>, BadExpression> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let rest = &text[at..];
        let (kind, length) = word(rest, first)?;
        words.push(Word { kind, at });
        at += length;
    }
    Ok(words)
}

fn word(rest: &str, first: char) -> Result<(Kind, usize), BadExpression> {
    let wrong = |what: &str| BadExpression {
        what: what.to_owned(),
        at: rest.chars().take(20).collect(),
    };
    if first == '\'' || first == '"' {
        return quoted(rest, first).ok_or_else(|| wrong("a text without its closing quote"));
    }
    if first.is_ascii_digit() {
        return number(rest).ok_or_else(|| wrong("a number that is none"));
    }
    if first.is_alphabetic() || matches!(first, '_' | '$') {
        let named = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
        let length = rest.find(|c: char| !named(c)).unwrap_or(rest.len());
        return Ok((Kind::Name(rest[..length].to_owned()), length));
    }
    let operators = [
        ("!=", Operator::NotEqual),
        ("<>", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("=", Operator::Equal),
        ("<", Operator::Less),
        (">", Operator::Greater),
        ("+", Operator::Add),
        ("-", Operator::Subtract),
        ("*", Operator::Multiply),
        ("/", Operator::Divide),
        ("%", Operator::Remainder),
    ];
    if let Some((sign, operator)) = operators.iter().find(|(sign, _)| rest.starts_with(sign)) {
        return Ok((Kind::Operator(*operator), sign.len()));
    }
    match first {
        '(' | ')' | '[' | ']' | ',' | '.' => Ok((Kind::Mark(first), 1)),
        _ => Err(wrong("a character that means nothing")),
    }
}

/// A text in quotes, where two quotes stand for one.
fn quoted(rest: &str, quote: char) -> Option<(Kind, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            text.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            text.push(quote);
        } else {
            return Some((Kind::Text(text), at + 1));
        }
    }
    None
}

fn number(rest: &str) -> Option<(Kind, usize)> {
    let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut length = digits(0);
    // A point without digits behind it would be a member.
    if rest[length..].starts_with('.') && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
    }
    if rest[length..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[length + 1..].starts_with(['+', '-']));
        if digits(length + 1 + sign) > 0 {
            length += 1 + sign + digits(length + 1 + sign);
        }
    }
    let follows = rest[length..].chars().next();
    if follows.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let number: f64 = rest[..length].parse().ok()?;
    number.is_finite().then_some((Kind::Number(number), length))
}
