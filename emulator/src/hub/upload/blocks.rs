//! The list that a blob is put together by (Put Block List).

use serde::Deserialize;

use super::shelf::From;

/// Blocks that a blob has at most [docs: Put Block List].
const MOST: usize = 50_000;

#[derive(Deserialize)]
#[serde(rename = "BlockList")]
struct List {
    #[serde(rename = "$value", default)]
    blocks: Vec<Listed>,
}

#[derive(Deserialize)]
enum Listed {
    Latest(String),
    Committed(String),
    Uncommitted(String),
}

/// Reads `<BlockList><Latest>id</Latest>…</BlockList>`; `None` if it is something else, or too long.
pub(super) fn parse(xml: &[u8]) -> Option<Vec<(From, String)>> {
    let text = std::str::from_utf8(xml).ok()?;
    let text = text.trim_start_matches('\u{feff}');
    let List { blocks } = quick_xml::de::from_str(text).ok()?;
    if blocks.len() > MOST {
        return None;
    }
    let blocks = blocks.into_iter().map(|listed| match listed {
        Listed::Latest(id) => (From::Latest, id),
        Listed::Committed(id) => (From::Committed, id),
        Listed::Uncommitted(id) => (From::Uncommitted, id),
    });
    Some(blocks.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_as_the_sdks_write_them() {
        let list = |text: &str| parse(text.as_bytes());
        let one = |from, id: &str| (from, id.to_owned());
        assert_eq!(
            list(
                "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList><Latest>AA==</Latest><Uncommitted>AB==</Uncommitted>\n<Latest>AA==</Latest><Committed>C</Committed></BlockList>"
            ),
            Some(vec![
                one(From::Latest, "AA=="),
                one(From::Uncommitted, "AB=="),
                one(From::Latest, "AA=="),
                one(From::Committed, "C"),
            ])
        );
        assert_eq!(list("<BlockList></BlockList>"), Some(Vec::new()));
        assert_eq!(list("<BlockList />"), Some(Vec::new()));
        for wrong in [
            "",
            "<BlockList>",
            "<BlockList><Oldest>A</Oldest></BlockList>",
            "{}",
            "\u{fffd}",
        ] {
            assert_eq!(list(wrong), None, "{wrong}");
        }
        assert_eq!(parse(b"\xff"), None);
    }
}
