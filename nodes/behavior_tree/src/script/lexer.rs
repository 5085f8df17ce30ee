//! Text to tokens.

/// The kinds of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Name,
    Int,
    Real,
    Text,
    True,
    False,
    Plus,
    Minus,
    Times,
    Divide,
    Concat,
    BitAnd,
    BitOr,
    BitXor,
    BitNot,
    And,
    Or,
    Not,
    Less,
    Greater,
    LessEqual,
    GreaterEqual,
    Equal,
    NotEqual,
    Assign,
    Create,
    AddAssign,
    SubtractAssign,
    MultiplyAssign,
    DivideAssign,
    Question,
    Colon,
    Open,
    Close,
    Semicolon,
    End,
    /// What no token begins with, an open string, a number with a tail.
    Wrong,
}

/// A token with its place in the script.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lexeme<'s> {
    pub token: Token,
    /// What it says; of a text without its quotes.
    pub text: &'s str,
    pub offset: usize,
}

pub(crate) struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    pub(crate) const fn new(source: &'s str) -> Self {
        Self { source, at: 0 }
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.source
            .as_bytes()
            .get(self.at + ahead)
            .copied()
            .unwrap_or(0)
    }

    fn skip(&mut self, wanted: impl Fn(u8) -> bool) {
        let rest = &self.source.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|&&byte| wanted(byte)).count();
    }

    pub(crate) fn next(&mut self) -> Lexeme<'s> {
        self.skip(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        let offset = self.at;
        if self.at >= self.source.len() {
            return Lexeme {
                token: Token::End,
                text: "",
                offset,
            };
        }
        let token = match self.byte(0) {
            b'\'' => return self.text(offset),
            b'0'..=b'9' => self.number(),
            byte if starts_name(byte) => {
                self.at += 1;
                self.skip(continues_name);
                match &self.source[offset..self.at] {
                    "true" => Token::True,
                    "false" => Token::False,
                    _ => Token::Name,
                }
            }
            _ => self.operator(),
        };
        Lexeme {
            token,
            text: &self.source[offset..self.at],
            offset,
        }
    }

    fn text(&mut self, offset: usize) -> Lexeme<'s> {
        let body = &self.source[offset + 1..];
        match body.find('\'') {
            Some(length) => {
                self.at = offset + length + 2;
                Lexeme {
                    token: Token::Text,
                    text: &body[..length],
                    offset,
                }
            }
            None => {
                self.at = self.source.len();
                Lexeme {
                    token: Token::Wrong,
                    text: &self.source[offset..],
                    offset,
                }
            }
        }
    }

    fn number(&mut self) -> Token {
        let token = if self.byte(0) == b'0' && matches!(self.byte(1), b'x' | b'X') {
            self.hexadecimal()
        } else {
            self.decimal()
        };
        if token == Token::Wrong {
            self.skip(|byte| continues_name(byte) || byte == b'.');
        }
        token
    }

    fn hexadecimal(&mut self) -> Token {
        self.at += 2;
        let digits = self.at;
        self.skip(|byte| byte.is_ascii_hexdigit());
        if self.at == digits || continues_name(self.byte(0)) || self.byte(0) == b'.' {
            Token::Wrong
        } else {
            Token::Int
        }
    }

    fn decimal(&mut self) -> Token {
        let mut token = Token::Int;
        self.skip(|byte| byte.is_ascii_digit());
        // Two dots are the operator that joins texts: `1..'x'`.
        if self.byte(0) == b'.' && self.byte(1) != b'.' {
            if !self.byte(1).is_ascii_digit() {
                self.at += 1;
                return Token::Wrong;
            }
            token = Token::Real;
            self.at += 1;
            self.skip(|byte| byte.is_ascii_digit());
        }
        if matches!(self.byte(0), b'e' | b'E') {
            token = Token::Real;
            self.at += 1;
            if matches!(self.byte(0), b'+' | b'-') {
                self.at += 1;
            }
            if !self.byte(0).is_ascii_digit() {
                return Token::Wrong;
            }
            self.skip(|byte| byte.is_ascii_digit());
        }
        if starts_name(self.byte(0)) {
            Token::Wrong
        } else {
            token
        }
    }

    fn operator(&mut self) -> Token {
        let pair = match (self.byte(0), self.byte(1)) {
            (b'.', b'.') => Token::Concat,
            (b'&', b'&') => Token::And,
            (b'|', b'|') => Token::Or,
            (b'=', b'=') => Token::Equal,
            (b'!', b'=') => Token::NotEqual,
            (b'<', b'=') => Token::LessEqual,
            (b'>', b'=') => Token::GreaterEqual,
            (b':', b'=') => Token::Create,
            (b'+', b'=') => Token::AddAssign,
            (b'-', b'=') => Token::SubtractAssign,
            (b'*', b'=') => Token::MultiplyAssign,
            (b'/', b'=') => Token::DivideAssign,
            _ => Token::Wrong,
        };
        if pair != Token::Wrong {
            self.at += 2;
            return pair;
        }
        let token = match self.byte(0) {
            b'+' => Token::Plus,
            b'-' => Token::Minus,
            b'*' => Token::Times,
            b'/' => Token::Divide,
            b'&' => Token::BitAnd,
            b'|' => Token::BitOr,
            b'^' => Token::BitXor,
            b'~' => Token::BitNot,
            b'!' => Token::Not,
            b'<' => Token::Less,
            b'>' => Token::Greater,
            b'=' => Token::Assign,
            b'?' => Token::Question,
            b':' => Token::Colon,
            b'(' => Token::Open,
            b')' => Token::Close,
            b';' => Token::Semicolon,
            _ => Token::Wrong,
        };
        // A whole character, so that the text of a wrong token is never half of one.
        self.at += self.source[self.at..]
            .chars()
            .next()
            .map_or(1, char::len_utf8);
        token
    }
}

const fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte == b'@'
}

const fn continues_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
