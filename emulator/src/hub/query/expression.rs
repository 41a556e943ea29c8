//! Conditions, and what they come to for a document.
//!
//! A value that is not there is undefined, which is neither true nor false: a comparison with it is undefined, and a
//! condition that is undefined does not hold. So `tags.a != 1` leaves out documents without that tag.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Where something is in a document: `properties.reported.interval`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) struct Path(pub(in crate::hub) Vec<String>);

/// Something that has a value for a document. Chains are lists, so that a long query is no deep tree.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Expression {
    Constant(Value),
    /// Written `undefined`.
    Undefined,
    Member(Path),
    List(Vec<Expression>),
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Compare(Box<Expression>, Comparison, Box<Expression>),
    In(Box<Expression>, Box<Expression>),
    /// From left to right.
    Arithmetic(Box<Expression>, Vec<(Operator, Expression)>),
    Call(Function, Vec<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Operator {
    Plus,
    Minus,
    Times,
    Over,
    Modulo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Function {
    IsDefined,
    StartsWith,
    EndsWith,
    Contains,
}

impl Path {
    /// What is there. The names that the hub gives (those at the top) compare without regard to letter case, and `id` is
    /// the device id.
    pub(in crate::hub) fn of<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        let members = document.as_object()?;
        let first = if first == "id" { "deviceId" } else { first.as_str() };
        let top = members.get(first).or_else(|| {
            let mut named = members
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case(first));
            named.next().map(|(_, value)| value)
        })?;
        rest.iter().try_fold(top, |value, name| value.get(name))
    }
}

impl Expression {
    /// Whether it is true for a document.
    pub(in crate::hub) fn holds(&self, document: &Value) -> bool {
        self.truth(document) == Some(true)
    }

    fn truth(&self, document: &Value) -> Option<bool> {
        self.value(document)?.as_bool()
    }

    /// Its value; `None` is undefined.
    fn value<'a>(&'a self, document: &'a Value) -> Option<Cow<'a, Value>> {
        let owned = |value: bool| Some(Cow::Owned(Value::Bool(value)));
        match self {
            Self::Constant(value) => Some(Cow::Borrowed(value)),
            Self::Undefined => None,
            Self::Member(path) => path.of(document).map(Cow::Borrowed),
            Self::List(values) => {
                let values = values
                    .iter()
                    .filter_map(|value| Some(value.value(document)?.into_owned()));
                Some(Cow::Owned(values.collect()))
            }
            Self::All(terms) => owned(decided(terms, false, document)?),
            Self::Any(terms) => owned(decided(terms, true, document)?),
            Self::Not(term) => owned(!term.truth(document)?),
            Self::Compare(left, comparison, right) => {
                let (left, right) = (left.value(document)?, right.value(document)?);
                owned(comparison.of(&left, &right)?)
            }
            Self::In(value, list) => {
                let value = value.value(document)?;
                let list = list.value(document)?;
                owned(list.as_array()?.iter().any(|one| is_equal(&value, one)))
            }
            Self::Arithmetic(first, rest) => {
                let mut sum = first.value(document)?.as_f64()?;
                for (operator, value) in rest {
                    sum = operator.of(sum, value.value(document)?.as_f64()?);
                }
                Number::from_f64(sum).map(|number| Cow::Owned(Value::Number(number)))
            }
            Self::Call(function, arguments) => owned(function.of(arguments, document)?),
        }
    }
}

/// AND and OR: one term that is `decisive` decides, and else all must be known.
fn decided(terms: &[Expression], decisive: bool, document: &Value) -> Option<bool> {
    let mut known = true;
    for term in terms {
        match term.truth(document) {
            Some(truth) if truth == decisive => return Some(decisive),
            Some(_) => {}
            None => known = false,
        }
    }
    known.then_some(!decisive)
}

impl Comparison {
    /// Values of different kinds are neither equal nor unequal, and in no order.
    fn of(self, left: &Value, right: &Value) -> Option<bool> {
        let order = match (left, right) {
            (Value::Number(left), Value::Number(right)) => left.as_f64()?.partial_cmp(&right.as_f64()?)?,
            (Value::String(left), Value::String(right)) => left.cmp(right),
            (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
            (Value::Null, Value::Null) => Ordering::Equal,
            (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) => {
                return match self {
                    Self::Equal => Some(left == right),
                    Self::Unequal => Some(left != right),
                    _ => None,
                };
            }
            _ => return None,
        };
        Some(match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::More => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        })
    }
}

fn is_equal(left: &Value, right: &Value) -> bool {
    Comparison::Equal.of(left, right) == Some(true)
}

impl Operator {
    fn of(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Plus => left + right,
            Self::Minus => left - right,
            Self::Times => left * right,
            Self::Over => left / right,
            Self::Modulo => left % right,
        }
    }
}

impl Function {
    /// By its name in a query, with the number of its arguments.
    pub(in crate::hub) fn named(name: &str) -> Option<(Self, usize)> {
        match name.to_ascii_uppercase().as_str() {
            "IS_DEFINED" => Some((Self::IsDefined, 1)),
            "STARTSWITH" | "STARTS_WITH" => Some((Self::StartsWith, 2)),
            "ENDSWITH" | "ENDS_WITH" => Some((Self::EndsWith, 2)),
            "CONTAINS" => Some((Self::Contains, 2)),
            _ => None,
        }
    }

    fn of(self, arguments: &[Expression], document: &Value) -> Option<bool> {
        let value = |at: usize| arguments.get(at)?.value(document);
        if self == Self::IsDefined {
            return Some(value(0).is_some());
        }
        let (text, part) = (value(0)?, value(1)?);
        let (text, part) = (text.as_str()?, part.as_str()?);
        Some(match self {
            Self::IsDefined => true,
            Self::StartsWith => text.starts_with(part),
            Self::EndsWith => text.ends_with(part),
            Self::Contains => text.contains(part),
        })
    }
}
