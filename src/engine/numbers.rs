//! Numbers of variable length, as rows are made of: seven bits a byte, signed ones in zigzag.

/// The next bytes, as many as are wanted; `None` where fewer are left.
#[inline]
pub(super) fn take<'b, const COUNT: usize>(bytes: &mut &'b [u8]) -> Option<&'b [u8; COUNT]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(taken)
}

/// A signed number as one that is small where it is near 0.
#[inline]
pub(super) fn zigzag(amount: i64) -> u64 {
    (amount << 1).cast_unsigned() ^ (amount >> 63).cast_unsigned()
}

/// The reverse.
#[inline]
pub(super) fn unzigzag(amount: u64) -> i64 {
    (amount >> 1).cast_signed() ^ -((amount & 1).cast_signed())
}

/// Appends a number, seven bits a byte.
#[inline]
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "seven bits at a time"
)]
pub(super) fn write_unsigned(bytes: &mut Vec<u8>, mut amount: u64) {
    while amount >= 0x80 {
        bytes.push((amount as u8 & 0x7f) | 0x80);
        amount >>= 7;
    }
    bytes.push(amount as u8);
}

/// The number that comes first; `None` where there is none.
#[inline]
pub(super) fn read_unsigned(bytes: &mut &[u8]) -> Option<u64> {
    if let [byte @ ..0x80, rest @ ..] = bytes {
        *bytes = rest;
        return Some(u64::from(*byte));
    }
    read_long(bytes)
}

fn read_long(bytes: &mut &[u8]) -> Option<u64> {
    if let Some((head, _)) = bytes.split_first_chunk() {
        let word = u64::from_le_bytes(*head);
        let last = (!word & TOP_BITS).trailing_zeros();
        if let Some(unused) = (u64::BITS - 1).checked_sub(last) {
            let (_, rest) = bytes.split_at_checked(usize::try_from(last / 8 + 1).ok()?)?;
            *bytes = rest;
            return Some(sevens_together(word << unused >> unused));
        }
    }
    let mut amount = 0_u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        let part = u64::from(byte & 0x7f);
        let shifted = part << (7 * at);
        if shifted >> (7 * at) != part {
            return None;
        }
        amount |= shifted;
        if byte & 0x80 == 0 {
            *bytes = &bytes[at + 1..];
            return Some(amount);
        }
    }
    None
}

/// The bit of each byte that says that another one follows.
const TOP_BITS: u64 = 0x8080_8080_8080_8080;

/// The lower seven bits of each byte side by side.
#[inline]
fn sevens_together(word: u64) -> u64 {
    let sevens = word & !TOP_BITS;
    let fourteens = (sevens & 0x007f_007f_007f_007f) | (sevens & 0x7f00_7f00_7f00_7f00) >> 1;
    let half = (fourteens & 0x0000_3fff_0000_3fff) | (fourteens & 0x3fff_0000_3fff_0000) >> 2;
    (half & 0x0fff_ffff) | (half & 0x0fff_ffff_0000_0000) >> 4
}

/// A number of 128 bits: its lower half in zigzag where that is all of it, else both.
pub(super) fn write_wide(bytes: &mut Vec<u8>, amount: i128) {
    match i64::try_from(amount) {
        // One more, since 0 says that both halves follow.
        Ok(short) if zigzag(short) < u64::MAX => write_unsigned(bytes, zigzag(short) + 1),
        Ok(_) | Err(_) => {
            bytes.push(0);
            bytes.extend_from_slice(&amount.to_le_bytes());
        }
    }
}

/// The reverse; `None` as [`read_unsigned`].
#[inline]
pub(super) fn read_wide(bytes: &mut &[u8]) -> Option<i128> {
    match read_unsigned(bytes)? {
        0 => Some(i128::from_le_bytes(*take(bytes)?)),
        more => Some(unzigzag(more - 1).into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_read_back(amount in any::<u64>(), unused in 0..64_u32, behind in vec(any::<u8>(), 0..9)) {
            let mut bytes = Vec::new();
            write_unsigned(&mut bytes, amount >> unused);
            bytes.extend_from_slice(&behind);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(read_unsigned(&mut rest), Some(amount >> unused));
            prop_assert_eq!(rest, behind);
        }
    }
}
