//! Rules: which requests meet a fault, armed one by one or from a file.
//!
//! ```toml
//! [[rule]]
//! fault = "no_answer"           # every twentieth message, the same ones in each run
//! probability = 0.05
//! seed = 42
//!
//! [[rule]]
//! device = "meter-001"
//! fault = { status = { code = 503, retry_after = 5 } }
//! after_s = 60                  # from a minute on, for half a minute
//! for_s = 30
//! ```

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Fault;

/// A fault and the requests that meet it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// For requests of this device alone; of any if `None`.
    #[serde(default)]
    pub device: Option<String>,
    /// How many requests meet it at most; one, or with a probability or a window all.
    #[serde(default)]
    pub times: Option<u32>,
    /// How likely a request meets it, 0 to 1.
    #[serde(default = "surely")]
    pub probability: f64,
    /// What the draws begin with.
    #[serde(default)]
    pub seed: u64,
    /// It begins so many seconds after it was armed.
    #[serde(default)]
    pub after_s: f64,
    /// And lasts so many; for good if `None`.
    #[serde(default)]
    pub for_s: Option<f64>,
    /// What goes wrong.
    pub fault: Fault,
}

/// A rule that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRule(&'static str);

/// A file of rules that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct BadRules {
    path: String,
    what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    rule: Vec<Rule>,
}

impl Rule {
    /// A fault that every request meets, or the next so many.
    pub fn of(fault: Fault) -> Self {
        Self {
            device: None,
            times: None,
            probability: 1.0,
            seed: 0,
            after_s: 0.0,
            for_s: None,
            fault,
        }
    }

    /// Reads a file, TOML, or JSON by its name's end.
    ///
    /// # Errors
    /// [`BadRules`]: the file, and the line or the rule at fault.
    pub fn read(path: &Path) -> Result<Vec<Self>, BadRules> {
        let bad = |what: String| BadRules {
            path: path.display().to_string(),
            what,
        };
        let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        let document: Document = if path
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("json"))
        {
            serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?
        } else {
            toml::from_str(&text).map_err(|error| bad(error.to_string()))?
        };
        for (number, rule) in (1..).zip(&document.rule) {
            rule.check()
                .map_err(|error| bad(format!("rule {number}: {error}")))?;
        }
        Ok(document.rule)
    }

    /// Whether it makes sense.
    pub(crate) fn check(&self) -> Result<(), BadRule> {
        let is_time = |seconds: f64| (0.0..=1e9).contains(&seconds);
        let wrong = if matches!(self.fault, Fault::Status { code, .. } if !(200..=599).contains(&code)) {
            "a fault's status is 200 to 599"
        } else if !(0.0..=1.0).contains(&self.probability) {
            "a probability is 0 to 1"
        } else if !is_time(self.after_s) || !self.for_s.is_none_or(is_time) {
            "after_s and for_s are seconds from 0 on"
        } else if self.fault == Fault::ExpiredCertificate && self.device.is_some() {
            "a certificate is shown before a device has said who it is"
        } else {
            return Ok(());
        };
        Err(BadRule(wrong))
    }
}

fn surely() -> f64 {
    1.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rules_are_checked() {
        let rule = |json: &str| serde_json::from_str::<Rule>(json).unwrap().check();
        assert_eq!(
            rule(r#"{"fault":"no_answer","probability":0.5,"seed":1,"for_s":2}"#),
            Ok(())
        );
        for (json, word) in [
            (r#"{"fault":{"status":{"code":99}}}"#, "200 to 599"),
            (r#"{"fault":"reset","probability":1.5}"#, "0 to 1"),
            (r#"{"fault":"reset","after_s":-1}"#, "seconds"),
            (r#"{"fault":"reset","for_s":-1}"#, "seconds"),
            (r#"{"fault":"expired_certificate","device":"a"}"#, "certificate"),
        ] {
            assert!(rule(json).unwrap_err().to_string().contains(word), "{json}");
        }
    }

    #[test]
    fn a_file_is_read_and_its_faults_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let read = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            Rule::read(&path).map_err(|error| error.to_string())
        };
        let toml = "[[rule]]\nfault = \"reset\"\nprobability = 0.5\n[[rule]]\nfault = { status = { code = 503 } }\nafter_s = 60";
        let rules = read("rules.toml", toml).unwrap();
        assert_eq!(
            (rules[0].probability, &rules[1].fault),
            (0.5, &Fault::status(503))
        );
        let json = r#"{"rule":[{"fault":{"delay":5},"times":2}]}"#;
        assert_eq!(read("rules.json", json).unwrap()[0].times, Some(2));
        for (text, word) in [
            ("[[rule]]\nfault = \"nope\"", "line 2"),
            (
                "[[rule]]\nfault = \"reset\"\n[[rule]]\nfault = \"reset\"\nprobability = 2",
                "rule 2: a probability",
            ),
            ("[[rule]]\nfault = \"reset\"\nchance = 1", "chance"),
        ] {
            let error = read("bad.toml", text).unwrap_err();
            assert!(error.contains("bad.toml: ") && error.contains(word), "{error}");
        }
    }
}
