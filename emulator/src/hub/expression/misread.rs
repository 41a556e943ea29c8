//! A text that is no expression or query.

use winnow::error::{ContextError, StrContext};
use winnow::{ModalParser, Parser};

use super::Input;

/// What was expected and what stands there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column} expected {expected}, found {found}")]
pub(in crate::hub) struct Misread {
    line: usize,
    /// In characters, from 1.
    column: usize,
    expected: String,
    /// The rest of the text from there on, shortened.
    found: String,
}

impl Misread {
    /// What a parser makes of a whole text.
    pub(in crate::hub) fn explain<'a, T>(
        text: &'a str,
        input: Input<'a>,
        parser: impl ModalParser<Input<'a>, T, ContextError>,
    ) -> Result<T, Self> {
        let mut parser = super::token::all(parser);
        parser
            .parse(input)
            .map_err(|error| Self::at(text, error.offset(), error.inner()))
    }

    fn at(text: &str, offset: usize, error: &ContextError) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        // The innermost is the most exact.
        let mut expected = error.context().filter_map(|context| match context {
            StrContext::Expected(what) => Some(what.to_string()),
            _ => None,
        });
        let expected = expected
            .next()
            .unwrap_or_else(|| "the end, or an operator or a clause in its place".to_owned());
        let found: String = text.get(offset..).unwrap_or_default().chars().take(20).collect();
        Self {
            line: before.matches('\n').count() + 1,
            column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
            expected,
            found: if found.is_empty() {
                "the end".to_owned()
            } else {
                format!("'{found}'")
            },
        }
    }
}
