#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use serde_json::json;

use super::*;

struct Sample;

impl Names for Sample {
    fn root(&self, name: &str) -> Option<Value> {
        match name {
            "level" => Some(json!("high")),
            "n" => Some(json!("7")),
            "$body" => Some(json!({
                "Wh": 1500, "ok": true, "none": null, "name": "Zähler 2",
                "phases": [{"V": 229.5}, {"V": 231}],
            })),
            _ => None,
        }
    }
}

#[track_caller]
fn check(text: &str, expected: Option<&Value>) {
    let value = Expression::parse(text).unwrap().value(&Sample);
    // 7 and 7.0 are one number.
    match (&value, expected) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => assert_eq!(a.as_f64(), b.as_f64(), "{text}"),
        _ => assert_eq!(value.as_ref(), expected, "{text}"),
    }
}

#[test]
fn what_conditions_are() {
    for (text, expected) in [
        ("true", true),
        ("FALSE", false),
        ("level = 'high'", true),
        ("level = \"high\" and $body.Wh > 1000", true),
        ("level IN ['low', 'high']", true),
        ("level in []", false),
        ("NOT level = 'high'", false),
        ("not not $body.ok", true),
        ("$body.ok", true),
        ("$body.ok AND missing OR true", true),
        ("missing OR level = 'high'", true),
        ("missing AND false", false),
        ("$body.phases[1].V >= 231 AND $body.phases[0].V < 230", true),
        ("$body.Wh / 3 + 2 * 10 = 520", true),
        ("-$body.Wh + 1500 = 0 and 7 % 4 = 3", true),
        ("as_number(n) = 7.0", true),
        ("n <> '8'", true),
        ("is_defined($body.Wh) AND NOT is_defined($body.Wh.x)", true),
        ("is_null($body.none) AND $body.none = null", true),
        (
            "STARTS_WITH($body.name, 'Z') AND contains($body.name, 'ähl')",
            true,
        ),
        ("length($body.name) = 8 AND index_of($body.name, '2') = 7", true),
        (
            "substring($body.name, 7) = '2' AND substring($body.name, 0, 1) = 'Z'",
            true,
        ),
        ("concat(upper(level), '-', lower('X')) = 'HIGH-x'", true),
        ("power(2, 3) = 8 AND sign(-5) = -1 AND abs(-1e2) = 100", true),
        ("'it''s' = \"it's\"", true),
        ("1 < 2 = true", true),
        (
            "is_primitive(1) AND is_string('') AND is_object($body) AND is_array($body.phases)",
            true,
        ),
    ] {
        check(text, Some(&expected.into()));
    }
}

/// What is undefined is neither true nor false, and NOT does not make it so.
#[test]
fn what_has_no_meaning_is_undefined() {
    for text in [
        "missing",
        "missing = 1",
        "NOT missing",
        "level > 1",
        "level = 7",
        "NOT (level = 7)",
        "1 / 0",
        "level AND true",
        "$body.phases[2].V",
        "$body.phases.V",
        "level.x",
        "sqrt(-1)",
        "abs('x')",
        "'a' + 'b'",
    ] {
        check(text, None);
        assert!(!Expression::parse(text).unwrap().holds(&Sample));
    }
    check("$body.Wh", Some(&json!(1500)));
    assert!(
        !Expression::parse("$body.Wh").unwrap().holds(&Sample),
        "1500 is not true"
    );
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, what, at) in [
        ("", "a value is missing", ""),
        ("level =", "a value is missing", ""),
        ("level = 'x", "closing quote", "'x"),
        ("level == 'x'", "a value is missing", "= 'x'"),
        ("a b", "more comes", "b"),
        ("(a", "a ) is missing", ""),
        ("a ! b", "means nothing", "! b"),
        ("a & b", "means nothing", "& b"),
        ("a[x]", "whole number", "x]"),
        ("a[1.5]", "whole number", "1.5]"),
        ("a.", "member's name", ""),
        ("1x", "a number that is none", "1x"),
        ("nope(1)", "nope is no function", "(1)"),
        ("abs(1, 2)", "takes 1 to 1 values, not 2", ""),
        ("a IN 'x'", "a [ is missing", "'x'"),
        ("a IN ['x'", "a , is missing", ""),
        ("and", "a value is missing", "and"),
    ] {
        let error = Expression::parse(text).unwrap_err();
        assert!(error.what.contains(what), "{text}: {error}");
        assert_eq!(error.at, at, "{text}: {error}");
    }
}

#[test]
fn whoever_nests_too_deep_is_told_and_nobody_falls() {
    let deep = |n: usize| ["(".repeat(n), "1".to_owned(), ")".repeat(n)].concat();
    assert!(Expression::parse(&deep(60)).is_ok());
    for text in [
        deep(100_000),
        "NOT ".repeat(100_000),
        "-".repeat(100_000),
        "abs(".repeat(100_000),
        "a IN [".repeat(100_000),
        vec!["1"; 100_000].join(" + "),
        vec!["a"; 100_000].join(" AND "),
    ] {
        assert!(Expression::parse(&text).unwrap_err().what.contains("deeper"));
    }
}

fn expressions() -> impl Strategy<Value = Expression> {
    let path = ("[a-z_$][a-z0-9_]{0,6}x", prop::collection::vec(step(), 0..3))
        .prop_map(|(root, steps)| Expression::Path(Path { root, steps }));
    let leaf = prop_oneof![
        any::<bool>().prop_map(|b| Expression::Literal(b.into())),
        (0_u32..10_000).prop_map(|n| Expression::Literal((f64::from(n) / 8.0).into())),
        "[ -~äß]{0,8}".prop_map(|text| Expression::Literal(text.into())),
        Just(Expression::Literal(Value::Null)),
        path,
    ];
    leaf.prop_recursive(4, 24, 3, |inside| {
        let pair = (operator(), inside.clone(), inside.clone());
        let list = (inside.clone(), prop::collection::vec(inside.clone(), 0..3));
        prop_oneof![
            pair.prop_map(|(o, a, b)| Expression::Binary(o, a.into(), b.into())),
            inside.clone().prop_map(|a| Expression::Not(a.into())),
            inside.clone().prop_map(|a| Expression::Negative(a.into())),
            list.prop_map(|(a, all)| Expression::In(a.into(), all)),
            inside.prop_map(|a| Expression::Call(Function::of("is_defined").unwrap(), vec![a])),
        ]
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        "[A-Za-z_]{1,5}".prop_map(Step::Member),
        (0_usize..100).prop_map(Step::Index)
    ]
}

fn operator() -> impl Strategy<Value = Operator> {
    prop::sample::select(vec![
        Operator::Or,
        Operator::And,
        Operator::Equal,
        Operator::NotEqual,
        Operator::Less,
        Operator::LessOrEqual,
        Operator::Greater,
        Operator::GreaterOrEqual,
        Operator::Add,
        Operator::Subtract,
        Operator::Multiply,
        Operator::Divide,
        Operator::Remainder,
    ])
}

proptest! {
    /// Written and read again, an expression is the same.
    #[test]
    fn what_is_written_is_read_as_it_was(expression in expressions()) {
        let text = expression.to_string();
        prop_assert_eq!(Expression::parse(&text), Ok(expression), "{}", text);
    }

    /// De Morgan's law, which holds for what is undefined, too.
    #[test]
    fn not_and_and_or_fit_together(a in expressions(), b in expressions()) {
        let (a, b) = (Box::new(a), Box::new(b));
        let not = |e: &Expression| Box::new(Expression::Not(Box::new(e.clone())));
        let one = Expression::Not(Expression::Binary(Operator::And, a.clone(), b.clone()).into());
        let other = Expression::Binary(Operator::Or, not(&a), not(&b));
        prop_assert_eq!(one.value(&Sample), other.value(&Sample));
    }

    #[test]
    fn no_text_makes_it_fall(text in any::<String>(), words in "([a-z$.\\[\\]()'\"0-9<>=!+*/ -]|AND|OR|NOT|IN){0,40}") {
        for text in [text, words] {
            if let Ok(expression) = Expression::parse(&text) {
                let _ = expression.value(&Sample);
            }
        }
    }
}
