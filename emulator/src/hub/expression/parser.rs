//! Words as a tree, by precedence: OR, AND, NOT, comparison and IN, sums, products, signs.

use serde_json::Value;

use super::lexer::{Kind, Word, words};
use super::{BadExpression, Expression, Function, Operator, Path, Step};

/// How deep expressions may be inside each other: whoever writes a route must not overflow the stack.
const DEPTH: usize = 64;

/// Binary operators by precedence, the loosest first; NOT stands between the second and the third.
const LEVELS: [&[Operator]; 5] = [
    &[Operator::Or],
    &[Operator::And],
    &[
        Operator::Equal,
        Operator::NotEqual,
        Operator::Less,
        Operator::LessOrEqual,
        Operator::Greater,
        Operator::GreaterOrEqual,
    ],
    &[Operator::Add, Operator::Subtract],
    &[Operator::Multiply, Operator::Divide, Operator::Remainder],
];
const NOT: usize = 2;

pub(super) fn parse(text: &str) -> Result<Expression, BadExpression> {
    let words = words(text)?;
    let mut parser = Parser {
        text,
        words: &words,
        depth: 0,
    };
    let expression = parser.level(0)?;
    match parser.words {
        [] => Ok(expression),
        _ => Err(parser.wrong("the expression ends, and more comes")),
    }
}

struct Parser<'a> {
    text: &'a str,
    words: &'a [Word],
    depth: usize,
}

impl Parser<'_> {
    fn level(&mut self, level: usize) -> Result<Expression, BadExpression> {
        if level == NOT && self.keyword("NOT") {
            return self.deeper(|parser| Ok(Expression::Not(Box::new(parser.level(NOT)?))));
        }
        let Some(operators) = LEVELS.get(level) else {
            return self.sign();
        };
        let mut left = self.level(level + 1)?;
        let before = self.depth;
        loop {
            if level == NOT && self.keyword("IN") {
                self.mark('[')?;
                let all = self.list(']')?;
                left = Expression::In(Box::new(left), all);
            } else if let Some(operator) = self.operator(operators) {
                let right = self.level(level + 1)?;
                left = Expression::Binary(operator, Box::new(left), Box::new(right));
            } else {
                self.depth = before;
                return Ok(left);
            }
            // A chain leans to the left, and is as deep as it is long.
            self.depth += 1;
            self.not_too_deep()?;
        }
    }

    fn sign(&mut self) -> Result<Expression, BadExpression> {
        if self.operator(&[Operator::Subtract]).is_some() {
            return self.deeper(|parser| Ok(Expression::Negative(Box::new(parser.sign()?))));
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expression, BadExpression> {
        let [word, rest @ ..] = self.words else {
            return Err(self.wrong("a value is missing"));
        };
        let number = |n: &f64| serde_json::Number::from_f64(*n).map(Value::Number);
        let literal = match &word.kind {
            Kind::Text(text) => Some(Value::String(text.clone())),
            Kind::Number(n) => number(n),
            Kind::Name(name) => match name.to_ascii_lowercase().as_str() {
                "true" => Some(Value::Bool(true)),
                "false" => Some(Value::Bool(false)),
                "null" => Some(Value::Null),
                "and" | "or" | "not" | "in" => None,
                _ => {
                    self.words = rest;
                    return self.named(name);
                }
            },
            Kind::Mark('(') => {
                self.words = rest;
                return self.deeper(|parser| {
                    let inside = parser.level(0)?;
                    parser.mark(')')?;
                    Ok(inside)
                });
            }
            Kind::Mark(_) | Kind::Operator(_) => None,
        };
        let literal = literal.ok_or_else(|| self.wrong("a value is missing"))?;
        self.words = rest;
        Ok(Expression::Literal(literal))
    }

    /// A function's call, or a path.
    fn named(&mut self, name: &str) -> Result<Expression, BadExpression> {
        if self.is_mark('(') {
            let function = Function::of(name)
                .ok_or_else(|| self.wrong(&format!("{name} is no function that is known")))?;
            self.mark('(')?;
            let arguments = self.list(')')?;
            if !function.takes().contains(&arguments.len()) {
                let (takes, got) = (function.takes(), arguments.len());
                let (least, most) = (takes.start(), takes.end());
                return Err(self.wrong(&format!("{name} takes {least} to {most} values, not {got}")));
            }
            return Ok(Expression::Call(function, arguments));
        }
        let mut steps = Vec::new();
        loop {
            if self.is_mark('.') {
                self.mark('.')?;
                let [
                    Word {
                        kind: Kind::Name(name),
                        ..
                    },
                    rest @ ..,
                ] = self.words
                else {
                    return Err(self.wrong("a member's name is missing"));
                };
                steps.push(Step::Member(name.clone()));
                self.words = rest;
            } else if self.is_mark('[') {
                self.mark('[')?;
                let index = match self.words {
                    [
                        Word {
                            kind: Kind::Number(n),
                            ..
                        },
                        rest @ ..,
                    ] if n.fract() == 0.0 && *n <= 1e6 => {
                        self.words = rest;
                        *n as usize
                    }
                    _ => return Err(self.wrong("an index is a whole number")),
                };
                self.mark(']')?;
                steps.push(Step::Index(index));
            } else {
                let root = name.to_owned();
                return Ok(Expression::Path(Path { root, steps }));
            }
        }
    }

    /// Values with commas, and the mark that closes them.
    fn list(&mut self, close: char) -> Result<Vec<Expression>, BadExpression> {
        self.deeper(|parser| {
            let mut all = Vec::new();
            while !parser.is_mark(close) {
                all.push(parser.level(0)?);
                if !parser.is_mark(close) {
                    parser.mark(',')?;
                }
            }
            parser.mark(close)?;
            Ok(all)
        })
    }

    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, BadExpression>,
    ) -> Result<T, BadExpression> {
        self.depth += 1;
        self.not_too_deep()?;
        let read = read(self)?;
        self.depth -= 1;
        Ok(read)
    }

    fn not_too_deep(&self) -> Result<(), BadExpression> {
        if self.depth > DEPTH {
            return Err(self.wrong(&format!("it is nested deeper than {DEPTH}")));
        }
        Ok(())
    }

    fn keyword(&mut self, word: &str) -> bool {
        match self.words {
            [
                Word {
                    kind: Kind::Name(name),
                    ..
                },
                rest @ ..,
            ] if name.eq_ignore_ascii_case(word) => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }

    fn operator(&mut self, any: &[Operator]) -> Option<Operator> {
        let word = match any {
            [Operator::Or] => return self.keyword("OR").then_some(Operator::Or),
            [Operator::And] => return self.keyword("AND").then_some(Operator::And),
            _ => self.words.first()?,
        };
        match &word.kind {
            Kind::Operator(operator) if any.contains(operator) => {
                self.words = self.words.get(1..)?;
                Some(*operator)
            }
            _ => None,
        }
    }

    fn is_mark(&self, mark: char) -> bool {
        self.words
            .first()
            .is_some_and(|word| word.kind == Kind::Mark(mark))
    }

    fn mark(&mut self, mark: char) -> Result<(), BadExpression> {
        if !self.is_mark(mark) {
            return Err(self.wrong(&format!("a {mark} is missing")));
        }
        self.words = self.words.get(1..).unwrap_or_default();
        Ok(())
    }

    fn wrong(&self, what: &str) -> BadExpression {
        let at = self.words.first().map_or(self.text.len(), |word| word.at);
        BadExpression {
            what: what.to_owned(),
            at: self.text[at..].chars().take(20).collect(),
        }
    }
}
