//! Expressions: conditions of routes and of queries (Azure docs, "IoT Hub query language expressions"). Pure.
//!
//! `level = 'high' AND $body.meter.Wh > 1000 AND NOT is_defined($body.error)`. What is not there is undefined, and so is
//! what has no meaning, such as a text that is larger than a number; a condition holds when it is true and nothing else. So
//! `tags.a != 1` leaves out twins without that tag.
//!
//! # Layout
//!
//! - [`Expression`]: the tree, and how it is written. `token`, `grammar`: from text. [`Dialect`]: what routes and queries do
//!   not share. `evaluate`, `function`: what an expression is of given [`Names`].

mod dialect;
mod evaluate;
mod function;
mod grammar;
mod misread;
mod token;

use std::fmt;

use serde_json::Value;

pub(super) use dialect::Dialect;
pub(super) use evaluate::Names;
use function::Function;
pub(super) use grammar::condition;
pub(super) use misread::Misread;
pub(super) use token::{Input, expected, input, keyword, path, symbol, whole_number, word};

/// An expression. Chains are lists, so that a long one is no deep tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Literal(Value),
    /// Written `undefined`.
    Undefined,
    Path(Path),
    List(Vec<Self>),
    /// AND between all of them.
    All(Vec<Self>),
    /// OR between all of them.
    Any(Vec<Self>),
    Not(Box<Self>),
    Negative(Box<Self>),
    Compare(Box<Self>, Comparison, Box<Self>),
    In(Box<Self>, Vec<Self>),
    /// From left to right.
    Arithmetic(Box<Self>, Vec<(Operator, Self)>),
    Call(Function, Vec<Self>),
}

/// What a path names: `$body.meters[0].Wh`, `properties.reported.interval`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// `$body`, `$twin`, a system property such as `$contentType`, an application property, or the first member of a twin.
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
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Plus,
    Minus,
    Times,
    Over,
    Modulo,
}

impl Expression {
    /// Reads the condition of a route.
    pub(super) fn parse(text: &str) -> Result<Self, Misread> {
        Misread::explain(text, input(text, Dialect::Route), condition)
    }

    /// Whether it is true of these names.
    pub(super) fn holds(&self, names: &dyn Names) -> bool {
        self.truth(names) == Some(true)
    }
}

impl Path {
    /// The name of what it leads to: what a column is called.
    pub(super) fn last(&self) -> &str {
        let members = self.steps.iter().rev().find_map(|step| match step {
            Step::Member(name) => Some(name.as_str()),
            Step::Index(_) => None,
        });
        members.unwrap_or(&self.root)
    }
}

impl Comparison {
    fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        }
    }
}

impl Operator {
    fn text(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Times => "*",
            Self::Over => "/",
            Self::Modulo => "%",
        }
    }
}

/// With all its parentheses, so that it is read as it is.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(Value::String(text)) => {
                write!(f, "'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
            }
            Self::Literal(value) => write!(f, "{value}"),
            Self::Undefined => f.write_str("undefined"),
            Self::Path(path) => write!(f, "{path}"),
            Self::List(values) => {
                f.write_str("[")?;
                joined(f, values, ", ")?;
                f.write_str("]")
            }
            Self::All(terms) => {
                f.write_str("(")?;
                joined(f, terms, " AND ")?;
                f.write_str(")")
            }
            Self::Any(terms) => {
                f.write_str("(")?;
                joined(f, terms, " OR ")?;
                f.write_str(")")
            }
            Self::Not(inside) => write!(f, "(NOT {inside})"),
            Self::Negative(inside) => write!(f, "(-{inside})"),
            Self::Compare(left, comparison, right) => write!(f, "({left} {} {right})", comparison.text()),
            Self::In(inside, all) => {
                write!(f, "({inside} IN [")?;
                joined(f, all, ", ")?;
                f.write_str("])")
            }
            Self::Arithmetic(first, rest) => {
                write!(f, "({first}")?;
                rest.iter()
                    .try_for_each(|(operator, value)| write!(f, " {} {value}", operator.text()))?;
                f.write_str(")")
            }
            Self::Call(function, arguments) => {
                write!(f, "{}(", function.name())?;
                joined(f, arguments, ", ")?;
                f.write_str(")")
            }
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, all: &[Expression], between: &str) -> fmt::Result {
    all.iter().enumerate().try_for_each(|(at, one)| {
        let between = if at == 0 { "" } else { between };
        write!(f, "{between}{one}")
    })
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        self.steps.iter().try_for_each(|step| match step {
            Step::Member(name) => write!(f, ".{}", Name(name)),
            Step::Index(at) => write!(f, "[{at}]"),
        })
    }
}

/// A name that is no word stands in double brackets.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name) = self;
        let is_word =
            !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(token::is_inside_word);
        if is_word {
            f.write_str(name)
        } else {
            write!(f, "[[{name}]]")
        }
    }
}

#[cfg(test)]
mod tests;
