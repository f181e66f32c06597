//! Codecs and levels.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::CodecError;

/// A compression format. Formats of this crate name it by one byte, which never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Codec {
    /// Byte 0: as it is.
    None,
    /// Byte 1: the LZ4 block format, by `lz4_flex`.
    Lz4,
    /// Byte 2: a Zstandard frame (RFC 8878), by `zstd`.
    Zstd,
    /// Byte 3: an S2 block, by `minlz`.
    S2,
    /// Byte 4: a Snappy block, by `minlz`.
    Snappy,
    /// Byte 5: Brotli (RFC 7932), by `brotli`.
    Brotli,
    /// Byte 6: deflate without a header (RFC 1951), by `flate2` on zlib-rs.
    Deflate,
    /// Byte 7: gzip (RFC 1952), by the same.
    Gzip,
}

impl Codec {
    /// Every codec, in the order of their bytes.
    pub const ALL: [Self; 8] =
        [Self::None, Self::Lz4, Self::Zstd, Self::S2, Self::Snappy, Self::Brotli, Self::Deflate, Self::Gzip];

    /// The byte that names it.
    pub const fn byte(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Lz4 => 1,
            Self::Zstd => 2,
            Self::S2 => 3,
            Self::Snappy => 4,
            Self::Brotli => 5,
            Self::Deflate => 6,
            Self::Gzip => 7,
        }
    }

    /// The codec that a byte names.
    ///
    /// # Errors
    ///
    /// [`CodecError::Unknown`].
    pub fn from_byte(byte: u8) -> Result<Self, CodecError> {
        Self::ALL.get(usize::from(byte)).copied().ok_or(CodecError::Unknown { found: byte })
    }

    /// Its name in lower case, as [`Method`] reads it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::S2 => "s2",
            Self::Snappy => "snappy",
            Self::Brotli => "brotli",
            Self::Deflate => "deflate",
            Self::Gzip => "gzip",
        }
    }

    /// The levels it has; higher ones take longer and usually make less. Codecs without levels have 0 alone.
    pub const fn levels(self) -> RangeInclusive<i32> {
        match self {
            Self::None | Self::Lz4 | Self::Snappy => 0..=0,
            Self::Zstd => -7..=22,
            // Standard, better, best.
            Self::S2 => 1..=3,
            Self::Brotli => 0..=11,
            Self::Deflate | Self::Gzip => 1..=9,
        }
    }

    /// The level that is taken when none is named: the fast end of those that still compress well.
    pub const fn default_level(self) -> i32 {
        match self {
            Self::None | Self::Lz4 | Self::Snappy => 0,
            Self::Zstd | Self::S2 => 1,
            Self::Brotli => 4,
            Self::Deflate | Self::Gzip => 6,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A codec with its level. Written and read as `zstd:3`, or `lz4` for the default level.
///
/// ```
/// use rustfs_rio_stream::codec::{Codec, Method};
///
/// # fn main() -> Result<(), rustfs_rio_stream::codec::CodecError> {
/// let method: Method = "zstd:3".parse()?;
/// assert_eq!(method, Method::with_level(Codec::Zstd, 3)?);
/// assert!("lz4:9".parse::<Method>().is_err());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Method {
    codec: Codec,
    level: i32,
}

impl Method {
    /// No compression.
    pub const NONE: Self = Self::new(Codec::None);

    /// The codec at its [default level](Codec::default_level).
    pub const fn new(codec: Codec) -> Self {
        Self { codec, level: codec.default_level() }
    }

    /// The codec at a level.
    ///
    /// # Errors
    ///
    /// [`CodecError::Level`].
    pub fn with_level(codec: Codec, level: i32) -> Result<Self, CodecError> {
        let levels = codec.levels();
        match levels.contains(&level) {
            true => Ok(Self { codec, level }),
            false => {
                let (least, most) = (*levels.start(), *levels.end());
                Err(CodecError::Level { codec, found: level, least, most })
            }
        }
    }

    /// The codec.
    pub const fn codec(self) -> Codec {
        self.codec
    }

    /// The level.
    pub const fn level(self) -> i32 {
        self.level
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.codec.levels() {
            levels if levels.start() == levels.end() => f.write_str(self.codec.name()),
            _ => write!(f, "{}:{}", self.codec, self.level),
        }
    }
}

impl FromStr for Method {
    type Err = CodecError;

    fn from_str(text: &str) -> Result<Self, CodecError> {
        let name_error = || CodecError::Name { found: text.to_owned() };
        let (name, level) = match text.split_once(':') {
            None => (text, None),
            Some((name, level)) => (name, Some(level.parse::<i32>().map_err(|_| name_error())?)),
        };
        let codec = Codec::ALL.into_iter().find(|codec| codec.name() == name).ok_or_else(name_error)?;
        level.map_or(Ok(Self::new(codec)), |level| Self::with_level(codec, level))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_names_are_unique_and_come_back() {
        for (index, codec) in Codec::ALL.into_iter().enumerate() {
            assert_eq!((usize::from(codec.byte()), Codec::from_byte(codec.byte())), (index, Ok(codec)));
            assert!(codec.levels().contains(&codec.default_level()));
            for level in codec.levels() {
                let method = Method::with_level(codec, level).unwrap();
                assert_eq!(method.to_string().parse(), Ok(method));
            }
        }
        assert_eq!(Codec::from_byte(8), Err(CodecError::Unknown { found: 8 }));
    }

    #[test]
    fn bad_texts_say_what_is_allowed() {
        for (text, part) in
            [("", "expected none"), ("zstd:", "zstd:3"), ("zstd:23", "-7 to 22"), ("lzo", "lz4")]
        {
            let message = text.parse::<Method>().unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
