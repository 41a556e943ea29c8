use std::borrow::Cow;

/// One value of a row, as the JSON text in which it is sent: `51000`, `12.50` keeps its zero, `"NAN"`, `null`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell(Cow<'static, str>);

impl Cell {
    /// Missing, as the text `"NAN"` (seen in a real reply).
    pub const NAN: Self = Self(Cow::Borrowed("\"NAN\""));
    /// Missing, as `null`.
    pub const NULL: Self = Self(Cow::Borrowed("null"));

    /// Any JSON text, taken as it is: a decimal with its digits, or what no backend should send.
    pub fn json(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }

    /// The JSON text.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self(number.to_string().into())
    }
}
