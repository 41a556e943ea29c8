//! A message for the terminal.

use crate::hub::Arrived;
use crate::hub::reply::rfc3339;

/// One message on one line: what fits a terminal of its body.
pub(super) fn line(message: &Arrived) -> String {
    let text = String::from_utf8_lossy(&message.body);
    let mut body: String = text.chars().take(100).filter(|c| !c.is_control()).collect();
    if text.len() > body.len() {
        body.push('…');
    }
    let properties: Vec<String> = message
        .properties
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    let sender = match &message.module {
        None => message.device.clone(),
        Some(module) => format!("{}/{module}", message.device),
    };
    format!(
        "{:>6}  {}  {}  {} B  {} u  {}  {}  {body}",
        message.number,
        rfc3339(message.at),
        sender,
        message.body.len(),
        message.units,
        message.message_id.as_deref().unwrap_or("-"),
        properties.join(" "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_it_holds() {
        let message = Arrived {
            number: 7,
            device: "m".to_owned(),
            module: None,
            at: 0,
            message_id: None,
            content_type: None,
            content_encoding: None,
            creation_time: None,
            properties: [("a".to_owned(), "b".to_owned())].into(),
            system: Default::default(),
            body: "{\n\u{1b}[2J}".repeat(60).into(),
            units: 1,
        };
        let line = line(&message);
        assert!(
            line.starts_with("     7  1970-01-01T00:00:00.000Z  m  420 B  1 u  -  a=b  {[2J}"),
            "{line}"
        );
        assert!(line.ends_with('…') && !line.contains(char::is_control), "{line}");
    }
}
