//! What an expression is, of given names. `None` is undefined.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Expression, Operator, Path, Step};

/// What paths name.
pub(in crate::hub) trait Names {
    /// The value that a root such as `$body` names.
    fn root(&self, name: &str) -> Option<Value>;
}

impl Expression {
    pub(in crate::hub) fn value(&self, names: &dyn Names) -> Option<Value> {
        match self {
            Self::Literal(value) => Some(value.clone()),
            Self::Path(path) => path.value(names),
            Self::Not(inside) => match inside.value(names)? {
                Value::Bool(value) => Some(Value::Bool(!value)),
                _ => None,
            },
            Self::Negative(inside) => number(-inside.value(names)?.as_f64()?),
            Self::Binary(operator @ (Operator::And | Operator::Or), left, right) => {
                // What decides alone decides, whatever the other side is.
                let decides = *operator == Operator::Or;
                let [left, right] = [left, right].map(|side| match side.value(names) {
                    Some(Value::Bool(value)) => Some(value),
                    _ => None,
                });
                if left == Some(decides) || right == Some(decides) {
                    return Some(Value::Bool(decides));
                }
                left.and(right).map(Value::Bool)
            }
            Self::Binary(operator, left, right) => {
                binary(*operator, &left.value(names)?, &right.value(names)?)
            }
            Self::In(inside, all) => {
                let value = inside.value(names)?;
                let found = all
                    .iter()
                    .filter_map(|one| one.value(names))
                    .any(|one| ordering(&value, &one) == Some(Ordering::Equal));
                Some(Value::Bool(found))
            }
            Self::Call(function, arguments) => {
                let values: Vec<Option<Value>> = arguments.iter().map(|one| one.value(names)).collect();
                function.call(&values)
            }
        }
    }
}

impl Path {
    fn value(&self, names: &dyn Names) -> Option<Value> {
        let mut value = names.root(&self.root)?;
        for step in &self.steps {
            value = match (step, &mut value) {
                (Step::Member(name), Value::Object(members)) => members.remove(name)?,
                (Step::Index(at), Value::Array(all)) if *at < all.len() => all.swap_remove(*at),
                _ => return None,
            };
        }
        Some(value)
    }
}

/// A number, unless it is none (1 divided by 0).
pub(super) fn number(value: f64) -> Option<Value> {
    serde_json::Number::from_f64(value).map(Value::Number)
}

fn binary(operator: Operator, left: &Value, right: &Value) -> Option<Value> {
    let compared = |fits: fn(Ordering) -> bool| ordering(left, right).map(|found| Value::Bool(fits(found)));
    let reckoned = |reckon: fn(f64, f64) -> f64| number(reckon(left.as_f64()?, right.as_f64()?));
    match operator {
        Operator::Equal => compared(Ordering::is_eq),
        Operator::NotEqual => compared(Ordering::is_ne),
        Operator::Less => compared(Ordering::is_lt),
        Operator::LessOrEqual => compared(Ordering::is_le),
        Operator::Greater => compared(Ordering::is_gt),
        Operator::GreaterOrEqual => compared(Ordering::is_ge),
        Operator::Add => reckoned(|a, b| a + b),
        Operator::Subtract => reckoned(|a, b| a - b),
        Operator::Multiply => reckoned(|a, b| a * b),
        Operator::Divide => reckoned(|a, b| a / b),
        Operator::Remainder => reckoned(|a, b| a % b),
        Operator::And | Operator::Or => None,
    }
}

/// How two values of one type stand to each other; those of different types do not.
fn ordering(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(_), Value::Number(_)) => left.as_f64()?.partial_cmp(&right.as_f64()?),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        _ => None,
    }
}
