//! A small strict JSON reader. Numbers keep their text, members their order and their repetitions.

/// Deepest nesting that is still JSON to us; the event's own braces are the first level.
const STRICT_DEPTH: usize = 128;
/// Deepest nesting looked through when a message is cut into its events.
const LOOSE_DEPTH: usize = 1_000;

/// One JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The member of that name: the last of several counts, and `null` and `""` equal absent.
    pub(crate) fn member(&self, name: &str) -> Option<&Json> {
        let Json::Object(members) = self else {
            return None;
        };
        let (_, value) = members.iter().rev().find(|(member, _)| member == name)?;
        let absent = *value == Json::Null || *value == Json::Text(String::new());
        (!absent).then_some(value)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The decimal text of an integer.
    pub(crate) fn integer(&self) -> Option<&str> {
        self.number()
            .filter(|number| !number.contains(['.', 'e', 'E']))
    }

    pub(crate) fn number(&self) -> Option<&str> {
        if let Self::Number(number) = self {
            Some(number)
        } else {
            None
        }
    }
}

/// Parses one value strictly: UTF-8, no lone surrogates, nesting up to 128, nothing after it.
pub(crate) fn parse(text: &[u8]) -> Option<Json> {
    std::str::from_utf8(text).ok()?;
    let mut reader = Reader {
        text,
        at: 0,
        strict: true,
    };
    let value = reader.value(1)?;
    reader.space();
    (reader.at == text.len()).then_some(value)
}

/// The texts of the events in a payload that is grammatically one JSON value: the elements of an array, or the value itself.
/// `None` when it is not one value. Strings are not judged here, so that one bad element does not spoil its neighbours.
pub(crate) fn pieces(payload: &[u8]) -> Option<Vec<&[u8]>> {
    let mut reader = Reader {
        text: payload,
        at: 0,
        strict: false,
    };
    let mut found = Vec::new();
    reader.space();
    if reader.eat(b'[') {
        reader.space();
        if !reader.eat(b']') {
            loop {
                reader.space();
                let from = reader.at;
                reader.value(2)?;
                found.push(payload.get(from..reader.at)?);
                reader.space();
                if reader.eat(b']') {
                    break;
                }
                reader.expect(b',')?;
            }
        }
    } else {
        let from = reader.at;
        reader.value(1)?;
        found.push(payload.get(from..reader.at)?);
    }
    reader.space();
    (reader.at == payload.len()).then_some(found)
}

/// Whether a text follows the JSON number grammar.
pub(crate) fn is_number(text: &str) -> bool {
    let mut reader = Reader {
        text: text.as_bytes(),
        at: 0,
        strict: true,
    };
    reader.number().is_some() && reader.at == text.len()
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    strict: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.eat(byte).then_some(())
    }

    fn word(&mut self, word: &str, value: Json) -> Option<Json> {
        let here = self.text.get(self.at..)?;
        if !here.starts_with(word.as_bytes()) {
            return None;
        }
        self.at += word.len();
        Some(value)
    }

    /// Reads a value whose own brackets, if any, would be nesting level `depth`.
    fn value(&mut self, depth: usize) -> Option<Json> {
        self.space();
        match self.peek()? {
            b'n' => self.word("null", Json::Null),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'"' => self.string().map(Json::Text),
            b'[' | b'{' if depth > self.deepest() => None,
            b'[' => self.list(depth),
            b'{' => self.object(depth),
            _ => self.number().map(Json::Number),
        }
    }

    fn deepest(&self) -> usize {
        if self.strict {
            STRICT_DEPTH
        } else {
            LOOSE_DEPTH
        }
    }

    fn list(&mut self, depth: usize) -> Option<Json> {
        self.expect(b'[')?;
        let mut items = Vec::new();
        self.space();
        if self.eat(b']') {
            return Some(Json::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.eat(b']') {
                return Some(Json::List(items));
            }
            self.expect(b',')?;
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.expect(b'{')?;
        let mut members = Vec::new();
        self.space();
        if self.eat(b'}') {
            return Some(Json::Object(members));
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            self.expect(b':')?;
            members.push((name, self.value(depth + 1)?));
            self.space();
            if self.eat(b'}') {
                return Some(Json::Object(members));
            }
            self.expect(b',')?;
        }
    }

    fn string(&mut self) -> Option<String> {
        self.expect(b'"')?;
        let mut bytes = Vec::new();
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    let escaped = self.escape()?;
                    bytes.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
                }
                0..0x20 => return None,
                _ => bytes.push(byte),
            }
        }
        if self.strict {
            String::from_utf8(bytes).ok()
        } else {
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
    }

    fn escape(&mut self) -> Option<char> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b'"' => Some('"'),
            b'\\' => Some('\\'),
            b'/' => Some('/'),
            b'b' => Some('\u{8}'),
            b'f' => Some('\u{c}'),
            b'n' => Some('\n'),
            b'r' => Some('\r'),
            b't' => Some('\t'),
            b'u' => self.unicode(),
            _ => None,
        }
    }

    /// The four digits after `\u`, and the second half of a surrogate pair.
    fn unicode(&mut self) -> Option<char> {
        let first = self.four_digits()?;
        if !(0xD800..0xE000).contains(&first) {
            return char::from_u32(first);
        }
        let back = self.at;
        if first < 0xDC00 && self.eat(b'\\') && self.eat(b'u') {
            let second = self.four_digits()?;
            if (0xDC00..0xE000).contains(&second) {
                return char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00));
            }
        }
        self.at = back;
        (!self.strict).then_some('\u{fffd}')
    }

    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }

    fn number(&mut self) -> Option<String> {
        let from = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
        }
        let text = self.text.get(from..self.at)?;
        Some(std::str::from_utf8(text).ok()?.to_owned())
    }

    /// One digit or more.
    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }
}
