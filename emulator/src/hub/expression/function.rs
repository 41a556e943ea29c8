//! Functions (Azure docs, "IoT Hub query language expressions", functions).

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde_json::Value;

use super::evaluate::number;

/// A function, by its place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) struct Function(usize);

/// What a function is of its values. All but `Is` are undefined where one of them is.
enum Call {
    Is(fn(Option<&Value>) -> bool),
    One(fn(&Value) -> Option<Value>),
    Two(fn(&Value, &Value) -> Option<Value>),
    Many(RangeInclusive<usize>, fn(&[&Value]) -> Option<Value>),
}

static ALL: [(&str, Call); 26] = [
    ("abs", Call::One(|v| number(v.as_f64()?.abs()))),
    ("exp", Call::One(|v| number(v.as_f64()?.exp()))),
    ("power", Call::Two(|a, b| number(a.as_f64()?.powf(b.as_f64()?)))),
    ("square", Call::One(|v| number(v.as_f64()?.powi(2)))),
    ("ceiling", Call::One(|v| number(v.as_f64()?.ceil()))),
    ("floor", Call::One(|v| number(v.as_f64()?.floor()))),
    ("sign", Call::One(sign)),
    ("sqrt", Call::One(|v| number(v.as_f64()?.sqrt()))),
    ("as_number", Call::One(as_number)),
    ("is_array", Call::Is(|v| v.is_some_and(Value::is_array))),
    ("is_bool", Call::Is(|v| v.is_some_and(Value::is_boolean))),
    ("is_defined", Call::Is(|v| v.is_some())),
    ("is_null", Call::Is(|v| v.is_some_and(Value::is_null))),
    ("is_number", Call::Is(|v| v.is_some_and(Value::is_number))),
    ("is_object", Call::Is(|v| v.is_some_and(Value::is_object))),
    (
        "is_primitive",
        Call::Is(|v| v.is_some_and(|v| !v.is_object() && !v.is_array())),
    ),
    ("is_string", Call::Is(|v| v.is_some_and(Value::is_string))),
    ("concat", Call::Many(2..=20, concat)),
    (
        "length",
        Call::One(|v| number(v.as_str()?.chars().count() as f64)),
    ),
    ("lower", Call::One(|v| Some(v.as_str()?.to_lowercase().into()))),
    ("upper", Call::One(|v| Some(v.as_str()?.to_uppercase().into()))),
    ("substring", Call::Many(2..=3, substring)),
    ("index_of", Call::Two(index_of)),
    (
        "starts_with",
        Call::Two(|a, b| Some(a.as_str()?.starts_with(b.as_str()?).into())),
    ),
    (
        "ends_with",
        Call::Two(|a, b| Some(a.as_str()?.ends_with(b.as_str()?).into())),
    ),
    (
        "contains",
        Call::Two(|a, b| Some(a.as_str()?.contains(b.as_str()?).into())),
    ),
];

impl Function {
    /// By its name, in any letter case.
    pub(super) fn of(name: &str) -> Option<Self> {
        ALL.iter()
            .position(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(Self)
    }

    pub(super) fn name(self) -> &'static str {
        ALL[self.0].0
    }

    /// How many values it takes.
    pub(super) fn takes(self) -> RangeInclusive<usize> {
        match &ALL[self.0].1 {
            Call::Is(_) | Call::One(_) => 1..=1,
            Call::Two(_) => 2..=2,
            Call::Many(takes, _) => takes.clone(),
        }
    }

    /// The same in words.
    pub(super) fn arguments(self) -> &'static str {
        match (*self.takes().start(), *self.takes().end()) {
            (1, 1) => "one argument",
            (2, 2) => "two arguments",
            (2, 3) => "two or three arguments",
            _ => "2 to 20 arguments",
        }
    }

    pub(super) fn call(self, values: &[Option<Cow<'_, Value>>]) -> Option<Value> {
        if let (Call::Is(is), [value]) = (&ALL[self.0].1, values) {
            return Some(Value::Bool(is(value.as_deref())));
        }
        let values: Option<Vec<&Value>> = values.iter().map(Option::as_deref).collect();
        match (&ALL[self.0].1, values?.as_slice()) {
            (Call::One(call), [value]) => call(value),
            (Call::Two(call), [a, b]) => call(a, b),
            (Call::Many(_, call), values) => call(values),
            _ => None,
        }
    }
}

fn sign(value: &Value) -> Option<Value> {
    let value = value.as_f64()?;
    number(if value == 0.0 { 0.0 } else { value.signum() })
}

fn as_number(value: &Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value.clone()),
        Value::String(text) => number(text.trim().parse().ok()?),
        _ => None,
    }
}

fn concat(values: &[&Value]) -> Option<Value> {
    let texts: Option<Vec<&str>> = values.iter().map(|value| value.as_str()).collect();
    Some(texts?.concat().into())
}

fn substring(values: &[&Value]) -> Option<Value> {
    let [text, from, length @ ..] = values else {
        return None;
    };
    let length = match length {
        [length] => length.as_f64()?,
        _ => f64::MAX,
    };
    // Negative numbers are cut to 0, and what is beyond the end is nothing.
    let cut = text
        .as_str()?
        .chars()
        .skip(from.as_f64()? as usize)
        .take(length as usize);
    Some(cut.collect::<String>().into())
}

/// Where a part begins, in characters; −1 if it is not in the text.
fn index_of(text: &Value, part: &Value) -> Option<Value> {
    let text = text.as_str()?;
    let at = text.find(part.as_str()?);
    number(at.map_or(-1.0, |at| text[..at].chars().count() as f64))
}
