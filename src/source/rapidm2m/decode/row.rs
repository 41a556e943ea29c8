//! One row: `["20170126133", 51000, "NAN"]`. A function of its bytes, without side effects, so that a row that a chunk cut in
//! two can simply be read again.

use std::ops::Range;

use wire::json::is_number;

/// What stands in the place of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// The text of a JSON number, bare or in quotes, which are not part of it.
    Number(Range<usize>),
    /// `null`, `"NAN"`, `""`: the backend says that there is none.
    Missing,
    /// Anything else.
    Junk(Range<usize>),
    /// The row is shorter than the list of channels.
    Absent,
}

/// A row that was read; its values are in the cells.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Bytes from the opening to the closing bracket.
    pub(super) length: usize,
    /// The stamp's text; `None` where it is null or the row is empty.
    pub(super) stamp: Option<Range<usize>>,
    /// Values beyond the channels.
    pub(super) surplus: usize,
    /// Whether every channel has a number.
    pub(super) plain: bool,
}

/// Why a row could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes end before it does.
    Unfinished,
    /// At this byte something else should stand.
    Unexpected(usize, &'static str),
}

/// Reads the row at the start of `bytes`, one cell a channel.
pub(super) fn read(bytes: &[u8], cells: &mut [Cell]) -> Result<Found, Stop> {
    let mut reader = Reader { bytes, at: 1 };
    let mut found = Found {
        length: 0,
        stamp: None,
        surplus: 0,
        plain: true,
    };
    let mut filled = 0;
    if reader.peek()? == b']' {
        reader.at += 1;
    } else {
        found.stamp = reader.value()?.stamp(bytes);
        while reader.goes_on()? {
            let value = reader.value()?;
            if let Some(cell) = cells.get_mut(filled) {
                *cell = value.cell(bytes);
                found.plain &= matches!(cell, Cell::Number(_));
                filled += 1;
            } else {
                found.surplus += 1;
            }
        }
    }
    found.plain &= filled == cells.len();
    cells[filled..].fill(Cell::Absent);
    found.length = reader.at;
    Ok(found)
}

impl Cell {
    /// The number's text.
    pub(super) fn number<'a>(&self, bytes: &'a [u8]) -> Option<&'a str> {
        match self {
            Self::Number(text) => std::str::from_utf8(&bytes[text.clone()]).ok(),
            _ => None,
        }
    }
}

/// One value of any kind, by its place.
struct Value {
    kind: Kind,
    text: Range<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Digits, with or without a minus: a number, unless it starts with a needless zero.
    Digits,
    /// Any other word without quotes.
    Bare,
    /// A text; the place is between the quotes.
    Quoted,
    /// An array or object.
    Nested,
}

impl Value {
    fn stamp(self, bytes: &[u8]) -> Option<Range<usize>> {
        (self.kind != Kind::Bare || &bytes[self.text.clone()] != b"null").then_some(self.text)
    }

    fn cell(self, bytes: &[u8]) -> Cell {
        let text = &bytes[self.text.clone()];
        let is_number = match self.kind {
            Kind::Digits => text[0] != b'0' && text[0] != b'-' || number(text),
            // No number needs an escape: with one in it, a text is no number.
            Kind::Bare | Kind::Quoted => number(text),
            Kind::Nested => return Cell::Junk(self.text),
        };
        if is_number {
            Cell::Number(self.text)
        } else if text.is_empty() || text == b"null" || text.eq_ignore_ascii_case(b"nan") {
            Cell::Missing
        } else {
            Cell::Junk(self.text)
        }
    }
}

fn number(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(is_number)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// The next byte that is not white space, left in place.
    fn peek(&mut self) -> Result<u8, Stop> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.at += 1,
                Some(&byte) => return Ok(byte),
                None => return Err(Stop::Unfinished),
            }
        }
    }

    /// After a value: whether another follows.
    fn goes_on(&mut self) -> Result<bool, Stop> {
        let byte = self.peek()?;
        let more = match byte {
            b',' => true,
            b']' => false,
            _ => return Err(Stop::Unexpected(self.at, "`,` or `]`")),
        };
        self.at += 1;
        Ok(more)
    }

    fn value(&mut self) -> Result<Value, Stop> {
        match self.peek()? {
            b'"' => {
                let start = self.at + 1;
                self.skip_text()?;
                Ok(Value {
                    kind: Kind::Quoted,
                    text: start..self.at - 1,
                })
            }
            b'[' | b'{' => {
                let start = self.at;
                self.skip_nested()?;
                Ok(Value {
                    kind: Kind::Nested,
                    text: start..self.at,
                })
            }
            _ => self.word(),
        }
    }

    /// A number, `null`, `true`, `NaN`.
    fn word(&mut self) -> Result<Value, Stop> {
        let start = self.at;
        self.at += usize::from(self.bytes[start] == b'-');
        let digits = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        let mut kind = if self.at > digits {
            Kind::Digits
        } else {
            Kind::Bare
        };
        while let Some(&byte) = self.bytes.get(self.at) {
            if !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_')) {
                if self.at == start {
                    return Err(Stop::Unexpected(start, "a value"));
                }
                return Ok(Value {
                    kind,
                    text: start..self.at,
                });
            }
            kind = Kind::Bare;
            self.at += 1;
        }
        Err(Stop::Unfinished)
    }

    /// Goes behind the closing quote of the text that starts here. What is between them is not looked at.
    fn skip_text(&mut self) -> Result<(), Stop> {
        self.at += 1;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(Stop::Unfinished),
            }
        }
    }

    /// Goes behind the end of the array or object that starts here, by counting brackets.
    fn skip_nested(&mut self) -> Result<(), Stop> {
        let mut depth = 0_usize;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.skip_text()?;
                    continue;
                }
                Some(b'[' | b'{') => depth += 1,
                Some(b']' | b'}') => depth -= 1,
                Some(_) => {}
                None => return Err(Stop::Unfinished),
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }
}
