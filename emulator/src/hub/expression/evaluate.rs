//! What an expression is, of given names. `None` is undefined.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::{Comparison, Expression, Operator, Path, Step};

/// What paths name.
pub(in crate::hub) trait Names {
    /// The value that a root such as `$body` names.
    fn root(&self, name: &str) -> Option<Cow<'_, Value>>;
}

impl Expression {
    pub(super) fn truth(&self, names: &dyn Names) -> Option<bool> {
        self.value(names)?.as_bool()
    }

    pub(super) fn value<'a>(&'a self, names: &'a dyn Names) -> Option<Cow<'a, Value>> {
        let truth = |value: bool| Some(Cow::Owned(Value::Bool(value)));
        match self {
            Self::Literal(value) => Some(Cow::Borrowed(value)),
            Self::Undefined => None,
            Self::Path(path) => path.value(names),
            Self::List(values) => {
                let values = values.iter().filter_map(|one| one.value(names));
                Some(Cow::Owned(values.map(Cow::into_owned).collect()))
            }
            Self::All(terms) => truth(decided(terms, false, names)?),
            Self::Any(terms) => truth(decided(terms, true, names)?),
            Self::Not(inside) => truth(!inside.truth(names)?),
            Self::Negative(inside) => number(-inside.value(names)?.as_f64()?).map(Cow::Owned),
            Self::Compare(left, comparison, right) => {
                let (left, right) = (left.value(names)?, right.value(names)?);
                truth(comparison.of(&left, &right)?)
            }
            Self::In(inside, all) => {
                let value = inside.value(names)?;
                let mut all = all.iter().filter_map(|one| one.value(names));
                truth(all.any(|one| Comparison::Equal.of(&value, &one) == Some(true)))
            }
            Self::Arithmetic(first, rest) => {
                let mut sum = first.value(names)?.as_f64()?;
                for (operator, value) in rest {
                    sum = operator.of(sum, value.value(names)?.as_f64()?);
                }
                number(sum).map(Cow::Owned)
            }
            Self::Call(function, arguments) => {
                let values: Vec<_> = arguments.iter().map(|one| one.value(names)).collect();
                function.call(&values).map(Cow::Owned)
            }
        }
    }
}

impl Path {
    fn value<'a>(&self, names: &'a dyn Names) -> Option<Cow<'a, Value>> {
        match names.root(&self.root)? {
            Cow::Borrowed(root) => self.within(root).map(Cow::Borrowed),
            Cow::Owned(root) if self.steps.is_empty() => Some(Cow::Owned(root)),
            Cow::Owned(root) => self.within(&root).cloned().map(Cow::Owned),
        }
    }

    /// From the root's value on.
    pub(in crate::hub) fn within<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        self.steps.iter().try_fold(root, |value, step| match step {
            Step::Member(name) => value.as_object()?.get(name),
            Step::Index(at) => value.as_array()?.get(*at),
        })
    }
}

/// A number, unless it is none (1 divided by 0).
pub(super) fn number(value: f64) -> Option<Value> {
    serde_json::Number::from_f64(value).map(Value::Number)
}

/// AND and OR: one term that is `decisive` decides, and else all must be known.
fn decided(terms: &[Expression], decisive: bool, names: &dyn Names) -> Option<bool> {
    let mut known = true;
    for term in terms {
        match term.truth(names) {
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
