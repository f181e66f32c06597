//! Tokens and login cookies.
//!
//! A cookie is an end and a MAC over it under the token: nothing is kept for it, it survives a restart with the same token, and it dies with
//! the token. Comparisons take the same time whatever differs.

use aws_lc_rs::{digest, hmac};
use std::time::Duration;

/// Characters of a token at least: 16 of an alphabet of 64 are 96 bits.
pub(super) const TOKEN_MIN: usize = 16;
/// And at most: it has to fit into a header.
pub(super) const TOKEN_MAX: usize = 256;
/// How long a login lasts.
pub(super) const SESSION: Duration = Duration::from_secs(12 * 3600);
/// Name of the cookie.
pub(super) const COOKIE: &str = "rio_session";

const CONTEXT: &str = "rio dashboard session until ";

/// A token of this length, or with blanks, is none.
#[derive(Debug)]
pub(super) struct TokenError {
    pub(super) len: usize,
}

/// What to demand of those who ask.
pub(super) struct Token {
    /// Of the token, so that comparing does not tell its length.
    digest: digest::Digest,
    key: hmac::Key,
}

impl Token {
    pub(super) fn new(token: &str) -> Result<Self, TokenError> {
        let len = token.chars().count();
        if !(TOKEN_MIN..=TOKEN_MAX).contains(&len) || !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(TokenError { len });
        }
        Ok(Self {
            digest: digest::digest(&digest::SHA256, token.as_bytes()),
            key: hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes()),
        })
    }

    /// Whether `given` is the token.
    pub(super) fn matches(&self, given: &str) -> bool {
        let given = digest::digest(&digest::SHA256, given.as_bytes());
        aws_lc_rs::constant_time::verify_slices_are_equal(given.as_ref(), self.digest.as_ref()).is_ok()
    }

    /// The value of a cookie that is good until `until`, in seconds since 1970.
    pub(super) fn cookie(&self, until: u64) -> String {
        let mac = hmac::sign(&self.key, format!("{CONTEXT}{until}").as_bytes());
        format!("{until}.{}", hex(mac.as_ref()))
    }

    /// Whether a cookie is one of these and still good.
    pub(super) fn admits(&self, cookie: &str, now: u64) -> bool {
        let Some((until, mac)) = cookie.split_once('.') else { return false };
        let (Ok(end), Some(mac)) = (until.parse::<u64>(), unhex(mac)) else { return false };
        // The text that was signed is the number's own, so that there is one cookie per end.
        let is_signed = hmac::verify(&self.key, format!("{CONTEXT}{end}").as_bytes(), &mac).is_ok();
        is_signed && now < end && end <= now.saturating_add(SESSION.as_secs())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.bytes().map(|digit| char::from(digit).to_digit(16).map(|value| value as u8)).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "correct-horse-battery";

    #[test]
    fn only_the_token_matches() {
        let token = Token::new(TEXT).unwrap();
        assert!(token.matches(TEXT));
        for wrong in ["", "correct-horse-batterz", "correct-horse-battery ", "correct-horse"] {
            assert!(!token.matches(wrong), "{wrong}");
        }
        assert!(Token::new("short").is_err() && Token::new("sixteen chars or more").is_err());
        assert!(Token::new(&"x".repeat(257)).is_err());
    }

    #[test]
    fn cookies_end_and_cannot_be_made() {
        let token = Token::new(TEXT).unwrap();
        let cookie = token.cookie(1000);
        assert!(token.admits(&cookie, 999) && !token.admits(&cookie, 1000));
        assert!(!Token::new("another-token-of-more").unwrap().admits(&cookie, 1));
        let (_, mac) = cookie.split_once('.').unwrap();
        for forged in [
            format!("1001.{mac}"),
            format!("01000.{mac}x"),
            "1000.".to_owned(),
            mac.to_owned(),
            "é.é".to_owned(),
        ] {
            assert!(!token.admits(&forged, 1), "{forged}");
        }
        assert!(!token.admits(&token.cookie(u64::MAX), 1), "an end beyond a session's length");
    }
}
