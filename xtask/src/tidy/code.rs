//! A Rust file without what a rule must not look at: comments, texts, tests.
//!
//! Everything left out becomes spaces, so that lines and places stay.

use std::ops::Range;

/// What stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Code alone.
    Code,
    /// Code and the texts in it.
    CodeAndTexts,
}

/// Blanks comments and, unless kept, the insides of texts and characters.
pub(super) fn blank(text: &str, keep: Keep) -> String {
    let bytes = text.as_bytes();
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (end, is_comment) = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => (find(bytes, at, b"\n"), true),
            b'/' if bytes.get(at + 1) == Some(&b'*') => (comment(bytes, at), true),
            b'"' => (quoted(bytes, at), false),
            b'r' if !is_word(bytes, at) || is_byte_prefix(bytes, at) => match raw(bytes, at) {
                Some(end) => (end, false),
                None => (at, false),
            },
            b'\'' => (character(text, at), false),
            _ => (at, false),
        };
        if end > at && (is_comment || keep == Keep::Code) {
            ranges.push(at..end);
        }
        at = end.max(at + 1);
    }
    without(text, &ranges)
}

/// Where tests stand: every item under `#[cfg(test)]`. Expects comments and texts to be blank.
pub(super) fn tests(code: &str) -> Vec<Range<usize>> {
    const MARK: &str = "#[cfg(test)]";
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (start, _) in code.match_indices(MARK) {
        if ranges.last().is_some_and(|last| last.end > start) {
            continue;
        }
        let bytes = code.as_bytes();
        let item = start + MARK.len();
        let end = match bytes[item..].iter().position(|b| matches!(b, b'{' | b';')) {
            Some(place) if bytes[item + place] == b'{' => closing(bytes, item + place),
            Some(place) => item + place + 1,
            None => bytes.len(),
        };
        ranges.push(start..end);
    }
    ranges
}

/// The text with these ranges blank.
pub(super) fn without(text: &str, ranges: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for byte in ranges.iter().flat_map(Clone::clone) {
        if bytes[byte] != b'\n' {
            bytes[byte] = b' ';
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Behind the brace that closes the one at `open`.
fn closing(bytes: &[u8], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    bytes.len()
}

/// The first place of `what` from `from` on, or the end.
fn find(bytes: &[u8], from: usize, what: &[u8]) -> usize {
    let found = bytes[from..]
        .windows(what.len())
        .position(|window| window == what);
    found.map_or(bytes.len(), |place| from + place)
}

/// Behind a `/* … */`, which may hold others.
fn comment(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Behind a `"…"`.
fn quoted(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Behind an `r#"…"#`, if that is what begins here.
fn raw(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..].iter().take_while(|b| **b == b'#').count();
    let quote = start + 1 + hashes;
    if bytes.get(quote) != Some(&b'"') {
        return None;
    }
    let mut end = vec![b'"'];
    end.resize(hashes + 1, b'#');
    Some((find(bytes, quote + 1, &end) + end.len()).min(bytes.len()))
}

/// Behind a `'c'`; a lifetime is no text.
fn character(text: &str, start: usize) -> usize {
    let mut inside = text[start + 1..].char_indices();
    match inside.next() {
        Some((_, '\\')) => {
            // The escaped character itself may be a quote.
            let from = (start + 3).min(text.len());
            (find(text.as_bytes(), from, b"'") + 1).min(text.len())
        }
        Some(_) => match inside.next() {
            Some((place, '\'')) => start + 1 + place + 1,
            _ => start,
        },
        None => start,
    }
}

/// Whether a name goes on at `at`.
fn is_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

/// Whether the `r` at `at` follows the `b` or `c` of a byte or C string.
fn is_byte_prefix(bytes: &[u8], at: usize) -> bool {
    at > 0 && matches!(bytes[at - 1], b'b' | b'c') && !is_word(bytes, at - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, code: &str, code_and_texts: &str) {
        let squeeze = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeeze(blank(text, Keep::Code)), code);
        assert_eq!(squeeze(blank(text, Keep::CodeAndTexts)), code_and_texts);
    }

    #[test]
    fn comments_and_texts_are_blanked() {
        check("a // b\nc", "a c", "a c");
        check("a /* b /* c */ d */ e", "a e", "a e");
        check(r#"a("b // c\" d") e"#, "a( ) e", r#"a("b // c\" d") e"#);
        check(r##"a(r#"b " c"#) d"##, "a( ) d", r##"a(r#"b " c"#) d"##);
        check(r#"a(br"\") b"#, "a(b ) b", r#"a(br"\") b"#);
        check("r#type a for", "r#type a for", "r#type a for");
        check("var\"x\" b", "var b", "var\"x\" b");
        check("'\"' a '\\'' b 'ü' c", "a b c", "'\"' a '\\'' b 'ü' c");
        check("&'a str, \"x\"", "&'a str,", "&'a str, \"x\"");
        check("a \"open", "a", "a \"open");
        check("a /* open", "a", "a");
    }

    #[test]
    fn lines_and_places_stay() {
        let text = "a // ü\n\"ü\n\" b\n";
        let blanked = blank(text, Keep::Code);
        assert_eq!((blanked.len(), blanked.matches('\n').count()), (text.len(), 3));
        assert_eq!(blanked.find('b'), text.find('b'));
    }

    #[test]
    fn items_under_cfg_test_are_tests() {
        let found = |code: &str| {
            let left = without(code, &tests(code));
            left.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found("a\n#[cfg(test)]\nmod tests;\nb"), "a b");
        assert_eq!(
            found("a\n#[cfg(test)]\nmod tests { fn c() { {} } #[cfg(test)] mod d {} }\nb"),
            "a b"
        );
        assert_eq!(found("#[cfg(test)]\n#[allow(x)]\npub fn e() {}\nb"), "b");
        assert_eq!(found("#[cfg(test)] mod open {"), "");
        assert_eq!(found("#[cfg(not(test))] mod a {}"), "#[cfg(not(test))] mod a {}");
    }
}
