#![allow(clippy::unwrap_used)]
use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::json;

use super::*;

struct Sample;

impl Names for Sample {
    fn root(&self, name: &str) -> Option<Cow<'_, Value>> {
        let value = match name {
            "level" => Some(json!("high")),
            "n" => Some(json!("7")),
            "$body" => Some(json!({
                "Wh": 1500, "ok": true, "none": null, "name": "Zähler 2",
                "phases": [{"V": 229.5}, {"V": 231}],
            })),
            _ => None,
        };
        value.map(Cow::Owned)
    }
}

#[track_caller]
fn check(text: &str, expected: Option<&Value>) {
    let expression = Expression::parse(text).unwrap();
    let value = expression.value(&Sample).map(Cow::into_owned);
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
        ("1 < 2 = (2 < 1) = false", true),
        ("level NOT IN ['low'] AND $body.[[Wh]] = 0x5dc", true),
        ("$body.phases[0] = $body.phases[0] AND $body.phases != []", true),
        (r"'it\'s' = 'it''s' AND 'a\\b' != 'ab'", true),
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
    for (text, expected) in [
        ("", "1:1 expected a value, found the end"),
        ("level =", "1:8 expected a value, found the end"),
        ("level = 'x", "1:11 expected a closing quote, found the end"),
        ("level == 'x'", "1:8 expected a value, found '= 'x''"),
        ("a b", "1:3 expected the end, or an operator"),
        ("(a", "1:3 expected ), found the end"),
        ("a\n! b", "2:1 expected the end"),
        ("a & b", "1:3 expected the end"),
        ("a[x]", "1:3 expected an index"),
        ("a[1.5]", "1:4 expected ], found '.5]'"),
        ("a.", "1:3 expected a member's name"),
        ("1x", "1:2 expected the end"),
        ("nope(1)", "expected a function of routes"),
        ("abs(1, 2)", "expected one argument"),
        ("concat('a')", "expected 2 to 20 arguments"),
        ("a IN 'x'", "1:6 expected a list"),
        ("a IN ['x'", "1:10 expected ]"),
        ("and", "1:1 expected a value, found 'and'"),
    ] {
        let error = Expression::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// Long chains are no deep trees, so they hold; but for those of comparisons.
#[test]
fn whoever_nests_too_deep_is_told_and_nobody_falls() {
    let deep = |n: usize| ["(".repeat(n), "1".to_owned(), ")".repeat(n)].concat();
    assert!(Expression::parse(&deep(32)).is_ok());
    for text in [
        deep(100_000),
        "abs(".repeat(100_000),
        "a IN [".repeat(100_000),
        vec!["1"; 100_000].join(" = "),
    ] {
        let error = Expression::parse(&text).unwrap_err().to_string();
        assert!(error.contains("no more than 32 levels"), "{error}");
    }
    for text in [
        "NOT ".repeat(100_000) + "true",
        "-".repeat(100_000) + "1",
        vec!["1"; 100_000].join(" + "),
        vec!["true"; 100_000].join(" AND "),
    ] {
        Expression::parse(&text).unwrap().holds(&Sample);
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
        let some = prop::collection::vec(inside.clone(), 2..4);
        let compared = (inside.clone(), comparison(), inside.clone());
        let list = (inside.clone(), prop::collection::vec(inside.clone(), 0..3));
        let sum = |operators: &'static [Operator]| {
            let rest = prop::collection::vec((prop::sample::select(operators), inside.clone()), 1..3);
            let sum = (inside.clone(), rest);
            sum.prop_map(|(first, rest)| Expression::Arithmetic(first.into(), rest))
        };
        prop_oneof![
            some.clone().prop_map(Expression::All),
            some.clone().prop_map(Expression::Any),
            some.prop_map(Expression::List),
            compared.prop_map(|(a, c, b)| Expression::Compare(a.into(), c, b.into())),
            inside.clone().prop_map(|a| Expression::Not(a.into())),
            inside.clone().prop_map(|a| Expression::Negative(a.into())),
            list.prop_map(|(a, all)| Expression::In(a.into(), all)),
            sum(&[Operator::Plus, Operator::Minus]),
            sum(&[Operator::Times, Operator::Over, Operator::Modulo]),
            inside.prop_map(|a| Expression::Call(Function::of("is_defined").unwrap(), vec![a])),
        ]
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        "[A-Za-z_]{1,5}".prop_map(Step::Member),
        "[a-z0-9 .-]{1,5}".prop_map(Step::Member),
        (0_usize..100).prop_map(Step::Index)
    ]
}

fn comparison() -> impl Strategy<Value = Comparison> {
    prop::sample::select(vec![
        Comparison::Equal,
        Comparison::Unequal,
        Comparison::Less,
        Comparison::AtMost,
        Comparison::More,
        Comparison::AtLeast,
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
        let not = |e: &Expression| Expression::Not(Box::new(e.clone()));
        let one = not(&Expression::All(vec![a.clone(), b.clone()]));
        let other = Expression::Any(vec![not(&a), not(&b)]);
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
