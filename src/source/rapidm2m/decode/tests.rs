#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;
use crate::reading::Channel;

const ALL: Limits = Limits {
    from: Millis::MIN,
    until: Millis::MAX,
    max_rows: usize::MAX,
};

fn channels(count: usize) -> Vec<Mapped> {
    (0..count)
        .map(|i| Mapped {
            channel: Channel::named(format!("ch{i}")),
            scale: None,
        })
        .collect()
}

fn decode(body: &[u8], channels: &[Mapped], limits: Limits) -> Result<Decoded, Fault> {
    in_pieces([body], channels, limits)
}

fn in_pieces<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    channels: &[Mapped],
    limits: Limits,
) -> Result<Decoded, Fault> {
    let mut decoder = Decoder::new(channels, limits);
    for piece in pieces {
        decoder.feed(piece)?;
    }
    decoder.finish()
}

/// Rows as `stamp:value,value`, stamps as the backend writes them.
fn shown(rows: &Rows) -> Vec<String> {
    let row = |r: usize| {
        let values: Vec<_> = (0..rows.channels().len())
            .map(|c| rows.value(r, c).unwrap_or("-"))
            .collect();
        let stamp = stamp::encode(rows.stamps()[r]);
        format!("{}:{}", stamp.trim_end_matches('0'), values.join(","))
    };
    (0..rows.len()).map(row).collect()
}

#[test]
fn rows_of_two_channels() {
    let check = |body: &str, expected: &[&str], tally: Tally| {
        let decoded = decode(body.as_bytes(), &channels(2), ALL).expect(body);
        assert_eq!(shown(&decoded.rows), expected, "{body}");
        assert_eq!(decoded.tally, tally, "{body}");
    };
    let none = Tally::default;
    let bad_stamp = |text: &str| Tally {
        bad_stamp: 1,
        first_bad_stamp: text.into(),
        ..none()
    };
    let junk = |text: &str| Tally {
        junk: 1,
        first_junk: ("ch1".into(), text.into()),
        ..none()
    };
    let missing = || Tally { missing: 1, ..none() };

    check("", &[], none());
    check(" \r\n", &[], none());
    check("[]", &[], none());
    check(" [ ] ", &[], none());
    check(r#"[["20170126133",51000,7]]"#, &["20170126133:51000,7"], none());
    check(
        "\n[\t[ \"20170126133\" , 1 ,\r\n2 ] , [\"20170126134\",3,4] ]\n",
        &["20170126133:1,2", "20170126134:3,4"],
        none(),
    );
    // Numbers keep their text.
    check(
        r#"[["20170126133",-0.50,1.20E+3]]"#,
        &["20170126133:-0.50,1.20E+3"],
        none(),
    );
    check(
        r#"[["20170126133",0,123456789012345678901234567890]]"#,
        &["20170126133:0,123456789012345678901234567890"],
        none(),
    );
    check(r#"[["20170126133","1.5","-2"]]"#, &["20170126133:1.5,-2"], none());
    // Missing.
    check(
        r#"[["20170126133",51000,"NAN"]]"#,
        &["20170126133:51000,-"],
        missing(),
    );
    check(r#"[["20170126133",1,null]]"#, &["20170126133:1,-"], missing());
    check(r#"[["20170126133",1,""]]"#, &["20170126133:1,-"], missing());
    check(r#"[["20170126133",1,NaN]]"#, &["20170126133:1,-"], missing());
    check(r#"[["20170126133",1]]"#, &["20170126133:1,-"], none());
    // No numbers.
    for text in [
        "true",
        "-",
        "01",
        "+1",
        ".5",
        "1.",
        "-Infinity",
        "1e",
        "0x1F",
        "-01",
    ] {
        check(
            &format!(r#"[["20170126133",1,{text}]]"#),
            &["20170126133:1,-"],
            junk(text),
        );
    }
    for text in [
        "off",
        "1,5",
        " 1",
        "a]b",
        r#"q\"]"#,
        "\\\\",
        r"\u0031",
        "tab\u{e4}",
    ] {
        check(
            &format!(r#"[["20170126133",1,"{text}"]]"#),
            &["20170126133:1,-"],
            junk(text),
        );
    }
    for text in [r#"{"a":"]}","b":[1,{}]}"#, "[]", "[[1],[2]]", r#"["]"]"#] {
        check(
            &format!(r#"[["20170126133",1,{text}]]"#),
            &["20170126133:1,-"],
            junk(text),
        );
    }
    // Rows without a stamp.
    let unstamped = || Tally {
        without_stamp: 1,
        ..none()
    };
    check(
        r#"[[null,1,2],["2017012614",3,4]]"#,
        &["2017012614:3,4"],
        unstamped(),
    );
    check(r#"[[],["2017012614",3,4]]"#, &["2017012614:3,4"], unstamped());
    for text in [
        "20171301",
        "202003",
        "",
        "null",
        "NAN",
        "2017-01-26",
        r"2017\u0030126",
    ] {
        let body = format!(r#"[["{text}",1,2],["2017012614",3,4]]"#);
        check(&body, &["2017012614:3,4"], bad_stamp(text));
    }
    check(
        r#"[[[1],1,2],["2017012614",3,4]]"#,
        &["2017012614:3,4"],
        bad_stamp("[1]"),
    );
    check("[[true,1,2]]", &[], bad_stamp("true"));
    check("[[20170126133,1,2]]", &["20170126133:1,2"], none());
    // Without a value.
    let hollow = |missing| Tally {
        hollow: 1,
        missing,
        ..none()
    };
    check(r#"[["20170126133","NAN",null]]"#, &[], hollow(2));
    check(r#"[["20170126133"]]"#, &[], hollow(0));
    // Surplus.
    check(
        r#"[["20170126133",1,2,3,"x",null]]"#,
        &["20170126133:1,2"],
        Tally { surplus: 3, ..none() },
    );
    // Order and repetition.
    check(
        r#"[["2017012615",5,6],["2017012614",3,4],["2017012615",7]]"#,
        &["2017012614:3,4", "2017012615:7,6"],
        Tally { merged: 1, ..none() },
    );
}

#[test]
fn bodies_that_are_no_rows() {
    let check = |body: &str, expected: Fault| {
        assert_eq!(
            decode(body.as_bytes(), &channels(2), ALL),
            Err(expected),
            "{body}"
        );
    };
    let syntax = |row, at, expected| Fault::Syntax { row, at, expected };
    check(r#"{"err":"E_SELECT"}"#, Fault::NotRows);
    check("<html>", Fault::NotRows);
    check("null", Fault::NotRows);
    check("[1,2]", Fault::NotRows);
    check(r#"["20170126133",1]"#, Fault::NotRows);
    check(r#"[{"stamp":"20170126133"}]"#, Fault::NotRows);
    check("[", Fault::CutShort { rows: 0 });
    check(r#"[["20170126133",1,2"#, Fault::CutShort { rows: 0 });
    check(r#"[["20170126133",1,2]"#, Fault::CutShort { rows: 1 });
    check(r#"[["20170126133",1,2],"#, Fault::CutShort { rows: 1 });
    check(r#"[["20170126133",1,2],["2017"#, Fault::CutShort { rows: 1 });
    check(r#"[["20170126133",1,2],]"#, syntax(2, 21, "the next row"));
    check(r#"[["20170126133",1,2],<br>"#, syntax(2, 21, "the next row"));
    check(r#"[["20170126133",1,2]["#, syntax(1, 20, "`,` or `]`"));
    check(r#"[["20170126133",1,2]]]"#, syntax(1, 21, "the end"));
    check(r#"[["20170126133",1,2]] x"#, syntax(1, 22, "the end"));
    check(r#"[["20170126133",,2]]"#, syntax(1, 16, "a value"));
    check(r#"[["20170126133",1,]]"#, syntax(1, 18, "a value"));
    check(r#"[["20170126133" 1]]"#, syntax(1, 16, "`,` or `]`"));
    check(r#"[["20170126133",1}]"#, syntax(1, 17, "`,` or `]`"));
    check(r#"[["20170126133",<b>]]"#, syntax(1, 16, "a value"));
    check(r#"[["20170126133",1,'x']]"#, syntax(1, 18, "a value"));
}

#[test]
fn rows_outside_the_window_are_left_out() {
    let body = br#"[["2017012613",1],["2017012614",2],["2017012615",3],["2017012616",4]]"#;
    let limits = Limits {
        from: stamp::decode(b"2017012614").unwrap(),
        until: stamp::decode(b"2017012615").unwrap(),
        // Rows outside the window do not count.
        max_rows: 2,
    };
    let decoded = decode(body, &channels(1), limits).unwrap();
    assert_eq!(shown(&decoded.rows), ["2017012614:2", "2017012615:3"]);
    assert_eq!(decoded.tally.outside, 2);
}

#[test]
fn one_row_too_many_is_told_before_the_body_ends() {
    let mut decoder = Decoder::new(&channels(1), Limits { max_rows: 2, ..ALL });
    decoder
        .feed(br#"[["2017012613",1],["2017012614",2],["2017012615",null]"#)
        .unwrap();
    assert_eq!(decoder.feed(br#",["2017012616",3]"#), Err(Fault::TooManyRows));
}

#[test]
fn scaled_values_are_exact() {
    let mut channels = channels(3);
    channels[0].scale = Some("0.001".parse().unwrap());
    channels[1].scale = Some("10".parse().unwrap());
    let body = format!(
        r#"[["2017012613",51001,"2.5",1.00],["2017012614",null,{},7],["2017012615","NAN",{0}]]"#,
        "9".repeat(30)
    );
    let decoded = decode(body.as_bytes(), &channels, ALL).unwrap();
    assert_eq!(
        shown(&decoded.rows),
        ["2017012613:51.001,25,1.00", "2017012614:-,-,7"]
    );
    assert_eq!(
        (
            decoded.tally.unscaled,
            decoded.tally.missing,
            decoded.tally.hollow
        ),
        (2, 2, 1)
    );
}

#[test]
fn a_row_has_a_bounded_length() {
    let row = |length: usize| {
        let frame = r#"["2017012613",1,""]"#.len();
        format!(r#"[["2017012613",1,"{}"]]"#, "x".repeat(length - frame))
    };
    for piece in [7, 1000, usize::MAX] {
        let decode = |body: &str| {
            let pieces = body.as_bytes().chunks(piece.min(body.len()));
            in_pieces(pieces, &channels(1), ALL).map(|d| d.rows.len())
        };
        assert_eq!(decode(&row(ROW_LIMIT)), Ok(1));
        assert_eq!(decode(&row(ROW_LIMIT + 1)), Err(Fault::LongRow { row: 1 }));
        assert_eq!(
            decode(&row(ROW_LIMIT * 3)[..ROW_LIMIT * 2]),
            Err(Fault::LongRow { row: 1 })
        );
    }
}

/// What the decoder should find, the slow way: a tree of the whole body.
fn reference(body: &str, count: usize, limits: Limits) -> Rows {
    let tree: Vec<Vec<Box<RawValue>>> = serde_json::from_str(body).unwrap();
    let mut rows = Rows::new(channels(count).into_iter().map(|c| c.channel).collect());
    for row in tree {
        let text = |cell: &RawValue| match serde_json::from_str(cell.get()).unwrap() {
            Value::String(text) => text,
            _ => cell.get().to_owned(),
        };
        let Some(stamp) = row.first().and_then(|cell| stamp::decode(text(cell).as_bytes())) else {
            continue;
        };
        let values: Vec<Option<String>> = (1..=count)
            .map(|i| Some(text(row.get(i)?)).filter(|text| wire::json::is_number(text)))
            .collect();
        if (limits.from..=limits.until).contains(&stamp) && values.iter().any(Option::is_some) {
            rows.push(stamp, |i| values[i].as_deref());
        }
    }
    rows.normalise();
    rows
}

fn stamp_text() -> impl Strategy<Value = String> {
    let near = 1_485_437_400_000..1_485_437_460_000_i64;
    prop_oneof![
        6 => near.prop_map(|at| format!("\"{}\"", stamp::encode(at).trim_end_matches('0'))),
        2 => (0..60_i64).prop_map(|s| format!("\"{}\"", stamp::encode(1_485_437_400_000 + s * 1000))),
        1 => Just("null".into()),
        1 => "[0-9]{5,19}".prop_map(|digits| format!("\"{digits}\"")),
        1 => value_text(),
    ]
}

fn value_text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => any::<i32>().prop_map(|n| n.to_string()),
        4 => "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?",
        2 => Just("\"NAN\"".into()),
        2 => Just("null".into()),
        1 => any::<bool>().prop_map(|b| b.to_string()),
        // No escapes that stand for digits: a number is never written with one.
        2 => "[ -!#-\\[\\]-~äß€😀]{0,6}".prop_map(|text| format!("\"{text}\"")),
        1 => "(\\\\[\"\\\\/nt]|\\\\u00e4|x){1,4}".prop_map(|text| format!("\"{text}\"")),
        1 => "-?[0-9]{1,4}".prop_map(|digits| format!("\"{digits}\"")),
        1 => Just(r#"{"a":[1,"]}\""],"b":{}}"#.into()),
        1 => Just(r"[[],[1,2]]".into()),
    ]
}

prop_compose! {
    fn body()(
        rows in prop::collection::vec((stamp_text(), prop::collection::vec(value_text(), 0..5)), 0..12),
        space in prop::sample::select(vec!["", " ", "\r\n\t"]),
    ) -> String {
        let rows: Vec<String> = rows
            .into_iter()
            .map(|(stamp, values)| {
                let cells: Vec<String> = std::iter::once(stamp).chain(values).collect();
                format!("{space}[{space}{}{space}]", cells.join(&format!("{space},{space}")))
            })
            .collect();
        format!("{space}[{space}{}{space}]{space}", rows.join(&format!("{space},")))
    }
}

/// Cuts `body` at these places, taken modulo its length.
fn cut<'a>(body: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|p| p % (body.len() + 1)).collect();
    places.extend([0, body.len()]);
    places.sort_unstable();
    places.windows(2).map(|w| &body[w[0]..w[1]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn as_the_slow_way_and_however_it_is_cut(
        body in body(),
        count in 1_usize..4,
        places in prop::collection::vec(any::<usize>(), 0..6),
        windowed in any::<bool>(),
    ) {
        let limits = if windowed {
            Limits { from: 1_485_437_410_000, until: 1_485_437_450_000, ..ALL }
        } else {
            ALL
        };
        let channels = channels(count);
        let whole = decode(body.as_bytes(), &channels, limits).unwrap();
        prop_assert_eq!(&whole.rows, &reference(&body, count, limits));
        let pieces = in_pieces(cut(body.as_bytes(), &places), &channels, limits);
        prop_assert_eq!(pieces.as_ref(), Ok(&whole));
        let bytes = in_pieces(body.as_bytes().chunks(1), &channels, limits);
        prop_assert_eq!(bytes.as_ref(), Ok(&whole));
    }

    #[test]
    fn a_body_that_breaks_off_is_never_whole(body in body(), end in any::<prop::sample::Index>()) {
        let body = body.trim();
        let part = &body[..body.floor_char_boundary(end.index(body.len()))];
        let result = decode(part.as_bytes(), &channels(2), ALL);
        prop_assert!(part.is_empty() || matches!(result, Err(Fault::CutShort { .. })), "{:?}", result);
    }

    #[test]
    fn damaged_bodies_give_the_same_however_they_are_cut(
        body in body(),
        damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4),
        places in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let mut body = body.into_bytes();
        for (place, byte) in damage {
            let place = place % body.len();
            // Half of the time a byte that means something.
            body[place] = if byte < 128 { b"[]{},\"\\ 0-"[usize::from(byte) % 10] } else { byte };
        }
        let channels = channels(2);
        let whole = decode(&body, &channels, ALL);
        prop_assert_eq!(&in_pieces(cut(&body, &places), &channels, ALL), &whole);
        prop_assert_eq!(&in_pieces(body.chunks(1), &channels, ALL), &whole);
    }
}
