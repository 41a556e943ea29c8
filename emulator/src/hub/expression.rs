//! Expressions as conditions of routes write them (Azure docs, "IoT Hub query language expressions").
//!
//! `level = 'high' AND $body.meter.Wh > 1000 AND NOT is_defined($body.error)`. What is not there is undefined, and so is
//! what has no meaning, such as a text that is larger than a number; a condition holds when it is true and nothing else.
//!
//! # Layout
//!
//! - [`Expression`]: the tree, and how it is written. `lexer`, `parser`: from text. `evaluate`, `function`: what it is of given
//!   [`Names`].

mod evaluate;
mod function;
mod lexer;
mod parser;

use std::fmt;

use serde_json::Value;

pub(super) use evaluate::Names;
use function::Function;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Literal(Value),
    Path(Path),
    Not(Box<Self>),
    Negative(Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
    In(Box<Self>, Vec<Self>),
    Call(Function, Vec<Self>),
}

/// What a path names: `$body.meters[0].Wh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// `$body`, `$twin`, a system property such as `$contentType`, or an application property.
    pub(super) root: String,
    pub(super) steps: Vec<Step>,
}

/// From a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    Index(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// A text that is no expression: what is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at {at:?}")]
pub(super) struct BadExpression {
    pub(super) what: String,
    /// The rest of the text from the fault on.
    pub(super) at: String,
}

impl Expression {
    /// Reads a text.
    pub(super) fn parse(text: &str) -> Result<Self, BadExpression> {
        parser::parse(text)
    }

    /// Whether it is true of these names.
    pub(super) fn holds(&self, names: &dyn Names) -> bool {
        self.value(names) == Some(Value::Bool(true))
    }
}

impl Operator {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Or => "OR",
            Self::And => "AND",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

/// With all its parentheses, so that it is read as it is.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, all: &[Self]| {
            all.iter().enumerate().try_for_each(|(at, one)| {
                let comma = if at == 0 { "" } else { ", " };
                write!(f, "{comma}{one}")
            })
        };
        match self {
            Self::Literal(Value::String(text)) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::Literal(value) => write!(f, "{value}"),
            Self::Path(path) => write!(f, "{path}"),
            Self::Not(inside) => write!(f, "(NOT {inside})"),
            Self::Negative(inside) => write!(f, "(-{inside})"),
            Self::Binary(operator, left, right) => write!(f, "({left} {} {right})", operator.text()),
            Self::In(inside, all) => {
                write!(f, "({inside} IN [")?;
                list(f, all)?;
                f.write_str("])")
            }
            Self::Call(function, arguments) => {
                write!(f, "{}(", function.name())?;
                list(f, arguments)?;
                f.write_str(")")
            }
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        self.steps.iter().try_for_each(|step| match step {
            Step::Member(name) => write!(f, ".{name}"),
            Step::Index(at) => write!(f, "[{at}]"),
        })
    }
}

#[cfg(test)]
mod tests;
