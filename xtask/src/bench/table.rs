//! The figures: one table for people, one JSON document for machines.

use std::fmt;

use serde_json::{Value, json};

/// All figures of a run.
#[derive(Debug, Default)]
pub(super) struct Table {
    figures: Vec<Figure>,
    failures: Vec<String>,
}

/// One figure.
#[derive(Debug)]
pub(super) struct Figure {
    bench: &'static str,
    name: String,
    value: f64,
    unit: &'static str,
    target: Option<Target>,
    /// What a person should know of it: the same as in the JSON.
    note: String,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Table {
    /// Adds a figure, and shows it at once: a run takes minutes.
    pub(super) fn add(
        &mut self,
        bench: &'static str,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
    ) -> &mut Figure {
        let name = name.into();
        eprintln!("{bench}: {name}: {} {unit}", Number(value));
        self.figures.push(Figure {
            bench,
            name,
            value,
            unit,
            target: None,
            note: String::new(),
        });
        let last = self.figures.len() - 1;
        &mut self.figures[last]
    }

    /// Adds how many times as much ours is.
    pub(super) fn ratio(&mut self, bench: &'static str, peer: &str, ours: f64, theirs: f64) -> &mut Figure {
        self.add(bench, format!("ours / {peer}"), ours / theirs, "×")
    }

    /// A measurement did not come to its end.
    pub(super) fn failed(&mut self, name: impl fmt::Display, error: &dyn std::error::Error) {
        eprintln!("{name} was not measured: {error}");
        self.failures.push(format!("{name} was not measured: {error}"));
    }

    /// The figures as JSON.
    pub(super) fn json(&self) -> String {
        let figures: Vec<Value> = self.figures.iter().map(Figure::json).collect();
        let document = json!({ "figures": figures, "failures": self.failures });
        format!("{document:#}\n")
    }
}

impl Figure {
    pub(super) fn target(&mut self, target: Target) -> &mut Self {
        self.target = Some(target);
        self
    }

    pub(super) fn note(&mut self, note: impl Into<String>) -> &mut Self {
        self.note = note.into();
        self
    }

    fn reached(&self) -> Option<bool> {
        self.target.map(|target| match target {
            Target::AtLeast(least) => self.value >= least,
            Target::AtMost(most) => self.value <= most,
        })
    }

    fn json(&self) -> Value {
        let (least, most) = match self.target {
            Some(Target::AtLeast(least)) => (Some(least), None),
            Some(Target::AtMost(most)) => (None, Some(most)),
            None => (None, None),
        };
        json!({
            "bench": self.bench, "figure": self.name, "value": self.value, "unit": self.unit,
            "at_least": least, "at_most": most, "reached": self.reached(), "note": self.note,
        })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = self
            .figures
            .iter()
            .map(|figure| figure.name.chars().count())
            .max()
            .unwrap_or(6);
        writeln!(
            f,
            "{:<10}  {:<wide$}  {:>16}  {:>10}  {:<7}  note",
            "bench", "figure", "value", "target", "reached"
        )?;
        for figure in &self.figures {
            let value = format!("{} {}", Number(figure.value), figure.unit);
            let target = match figure.target {
                Some(Target::AtLeast(least)) => format!("≥ {}", Number(least)),
                Some(Target::AtMost(most)) => format!("≤ {}", Number(most)),
                None => String::new(),
            };
            let reached = match figure.reached() {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "",
            };
            let (bench, name, note) = (figure.bench, &figure.name, &figure.note);
            let line = format!("{bench:<10}  {name:<wide$}  {value:>16}  {target:>10}  {reached:<7}  {note}");
            writeln!(f, "{}", line.trim_end())?;
        }
        for failure in &self.failures {
            writeln!(f, "{failure}")?;
        }
        Ok(())
    }
}

/// A number as people read it: thousands apart, three digits that say something.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        if value.abs() < 100.0 {
            let digits = if value.abs() < 10.0 && value.fract() != 0.0 {
                2
            } else {
                1
            };
            let text = format!("{value:.digits$}");
            return f.pad(text.strip_suffix(".0").unwrap_or(&text));
        }
        let whole = format!("{value:.0}");
        let mut text = String::new();
        for (at, digit) in whole.chars().enumerate() {
            if at > 0 && (whole.len() - at) % 3 == 0 {
                text.push(' ');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let check = |value: f64, text: &str| assert_eq!(Number(value).to_string(), text);
        check(0.7, "0.70");
        check(25.0, "25");
        check(99.94, "99.9");
        check(1234.4, "1 234");
        check(1_000_000.0, "1 000 000");
        check(500_000.0, "500 000");
    }

    #[test]
    fn a_target_is_reached_or_not() {
        let mut table = Table::default();
        assert_eq!(
            table
                .add("b", "n", 2.0, "s")
                .target(Target::AtMost(2.0))
                .reached(),
            Some(true)
        );
        assert_eq!(
            table
                .add("b", "n", 1.9, "s")
                .target(Target::AtLeast(2.0))
                .reached(),
            Some(false)
        );
        assert_eq!(table.add("b", "n", 1.9, "s").reached(), None);
        assert!(table.to_string().contains("NO"));
    }
}
