//! ROS 2's wire format: plain CDR (XCDR1) with a 4-byte encapsulation header, in either byte order.

use thiserror::Error;

use crate::Stamp;

const ENCAPSULATION_LEN: usize = 4;

/// Why bytes are not the message they were read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CdrError {
    /// The bytes end inside a field.
    #[error("truncated: {field} needs {need} bytes at offset {at}, {have} are there")]
    Truncated {
        /// The field being read.
        field: &'static str,
        /// Where it starts, from the first byte of the payload.
        at: usize,
        /// Bytes it needs.
        need: usize,
        /// Bytes that are left.
        have: usize,
    },
    /// The encapsulation header names another format than plain CDR.
    #[error("representation {0:#06x} is not plain CDR (0x0000 big-endian, 0x0001 little-endian)")]
    Representation(u16),
    /// A string is not UTF-8 or lacks its closing zero.
    #[error("{field} is not a zero-terminated UTF-8 string")]
    BadString {
        /// The field being read.
        field: &'static str,
    },
}

/// Reads fields one after the other from a payload, in place.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    little_endian: bool,
}

macro_rules! read_number {
    ($name:ident, $type:ty) => {
        #[doc = concat!("The next `", stringify!($type), "`.")]
        pub fn $name(&mut self, field: &'static str) -> Result<$type, CdrError> {
            self.align(size_of::<$type>());
            let bytes = self.take(field)?;
            Ok(if self.little_endian {
                <$type>::from_le_bytes(bytes)
            } else {
                <$type>::from_be_bytes(bytes)
            })
        }
    };
}

impl<'a> Reader<'a> {
    /// Reads the encapsulation header of `payload`.
    pub fn new(payload: &'a [u8]) -> Result<Self, CdrError> {
        let mut reader = Self {
            bytes: payload,
            at: 0,
            little_endian: false,
        };
        let [hi, lo, _, _] = reader.take::<ENCAPSULATION_LEN>("encapsulation header")?;
        match u16::from_be_bytes([hi, lo]) {
            0 => {}
            1 => reader.little_endian = true,
            other => return Err(CdrError::Representation(other)),
        }
        Ok(reader)
    }

    read_number!(u8, u8);
    read_number!(u32, u32);
    read_number!(i32, i32);
    read_number!(f64, f64);

    /// The next `N` numbers of a fixed-size array.
    pub fn f64s<const N: usize>(&mut self, field: &'static str) -> Result<[f64; N], CdrError> {
        let mut numbers = [0.0; N];
        for number in &mut numbers {
            *number = self.f64(field)?;
        }
        Ok(numbers)
    }

    /// The next string, without its closing zero.
    pub fn string(&mut self, field: &'static str) -> Result<&'a str, CdrError> {
        let len = self.u32(field)? as usize;
        let bytes = self.slice(len, field)?;
        match bytes {
            // Some writers leave the closing zero of an empty string out.
            [] => Ok(""),
            [text @ .., 0] => std::str::from_utf8(text).map_err(|_| CdrError::BadString { field }),
            _ => Err(CdrError::BadString { field }),
        }
    }

    /// The next `builtin_interfaces/Time`.
    pub fn stamp(&mut self, field: &'static str) -> Result<Stamp, CdrError> {
        Ok(Stamp {
            sec: self.i32(field)?,
            nanosec: self.u32(field)?,
        })
    }

    /// Passes over a sequence of `f64`.
    pub fn skip_f64_sequence(&mut self, field: &'static str) -> Result<(), CdrError> {
        let count = self.u32(field)? as usize;
        if count > 0 {
            self.align(size_of::<f64>());
            self.slice(count.saturating_mul(size_of::<f64>()), field)?;
        }
        Ok(())
    }

    /// Offset of the next byte from the first byte of the payload.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The next `len` bytes, borrowed.
    pub fn slice(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], CdrError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let slice = rest.get(..len).ok_or(CdrError::Truncated {
            field,
            at: self.at,
            need: len,
            have: rest.len(),
        })?;
        self.at += len;
        Ok(slice)
    }

    fn take<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], CdrError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.slice(N, field)?);
        Ok(bytes)
    }

    /// Alignment counts from the first byte after the encapsulation header.
    fn align(&mut self, size: usize) {
        self.at =
            ENCAPSULATION_LEN + (self.at - ENCAPSULATION_LEN.min(self.at)).next_multiple_of(size);
    }
}

/// Writes fields one after the other: for stand-in cameras in tests and measurements.
#[derive(Debug, Clone)]
pub struct Writer {
    bytes: Vec<u8>,
    little_endian: bool,
}

macro_rules! write_number {
    ($name:ident, $type:ty) => {
        #[doc = concat!("Appends a `", stringify!($type), "`.")]
        pub fn $name(&mut self, number: $type) -> &mut Self {
            let body = self.bytes.len() - ENCAPSULATION_LEN;
            self.bytes.resize(
                ENCAPSULATION_LEN + body.next_multiple_of(size_of::<$type>()),
                0,
            );
            let bytes = if self.little_endian {
                number.to_le_bytes()
            } else {
                number.to_be_bytes()
            };
            self.bytes.extend_from_slice(&bytes);
            self
        }
    };
}

impl Writer {
    /// An empty message in the given byte order.
    pub fn new(little_endian: bool) -> Self {
        Self {
            bytes: vec![0, u8::from(little_endian), 0, 0],
            little_endian,
        }
    }

    write_number!(u8, u8);
    write_number!(u32, u32);
    write_number!(i32, i32);
    write_number!(f64, f64);

    /// Appends a string and its closing zero.
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.u32(text.len() as u32 + 1);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        self
    }

    /// Appends a `builtin_interfaces/Time`.
    pub fn stamp(&mut self, stamp: Stamp) -> &mut Self {
        self.i32(stamp.sec).u32(stamp.nanosec)
    }

    /// Appends a sequence of bytes with its length.
    pub fn byte_sequence(&mut self, bytes: &[u8]) -> &mut Self {
        self.u32(bytes.len() as u32);
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The message.
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_in_both_byte_orders() {
        for little_endian in [true, false] {
            let bytes = Writer::new(little_endian)
                .u8(7)
                .u32(70_000)
                .string("map")
                .f64(-0.5)
                .i32(-3)
                .finish();
            let mut reader = Reader::new(&bytes).unwrap();
            assert_eq!(reader.u8("a"), Ok(7));
            assert_eq!(reader.u32("b"), Ok(70_000));
            assert_eq!(reader.string("c"), Ok("map"));
            assert_eq!(reader.f64("d"), Ok(-0.5));
            assert_eq!(reader.i32("e"), Ok(-3));
            assert_eq!(reader.position(), bytes.len());
        }
    }

    #[test]
    fn other_representations_are_named() {
        assert_eq!(
            Reader::new(&[0, 3, 0, 0]).err(),
            Some(CdrError::Representation(3))
        );
        assert!(matches!(
            Reader::new(&[0, 1]),
            Err(CdrError::Truncated { .. })
        ));
    }

    #[test]
    fn a_string_without_its_zero_is_refused() {
        let mut writer = Writer::new(true);
        let bytes = writer.u32(2).u8(b'a').u8(b'b').finish();
        assert_eq!(
            Reader::new(&bytes).unwrap().string("s"),
            Err(CdrError::BadString { field: "s" })
        );
    }
}
