//! Short decimal numbers, all digits at once.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// A number without sign and exponent, as a whole number and the count of its digits after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) mantissa: u64,
    pub(super) decimals: usize,
}

impl Decimal {
    /// Reads the last `bytes` of `text`, which are a number in JSON grammar; `None` when that has a
    /// sign or an exponent.
    #[inline]
    pub(super) fn read(text: [u8; 8], bytes: usize) -> Option<Self> {
        let foreign = 8 * text.len().checked_sub(bytes)?;
        let own = u64::MAX.checked_shl(u32::try_from(foreign).ok()?)?;
        // Digits become their values, what stands before the number leading zeros.
        let digits = (u64::from_le_bytes(text) ^ (ONES * u64::from(b'0'))) & own;
        let others = ((digits.wrapping_add(ONES * 0x76)) | digits) & HIGHS;
        if others == 0 {
            return Some(Self {
                mantissa: eight_digits(digits),
                decimals: 0,
            });
        }
        let point_at = others.trailing_zeros() & !7;
        let is_point = (digits >> point_at) & 0xff == u64::from(b'.' ^ b'0');
        if !is_point || others & (others - 1) != 0 {
            return None;
        }
        let whole = digits & !(u64::MAX << point_at);
        let fraction = digits & (u64::MAX << point_at << 8);
        Some(Self {
            mantissa: eight_digits(fraction | whole << 8),
            decimals: usize::try_from(7 - point_at / 8).ok()?,
        })
    }

    /// The number in thousandths, where it is a whole number of them.
    #[inline]
    pub(super) fn thousandths(self) -> Option<u64> {
        let in_one = [1000, 100, 10, 1].get(self.decimals)?;
        Some(self.mantissa * in_one)
    }
}

/// The number that eight digits make, the first of which is in the lowest byte. Pairs are put
/// together, then pairs of pairs.
#[inline]
fn eight_digits(digits: u64) -> u64 {
    const HUNDREDS: u64 = 0x0000_00ff_0000_00ff;
    let pairs = digits * 10 + (digits >> 8);
    let high = (pairs & HUNDREDS).wrapping_mul(100 + (1_000_000 << 32));
    let low = ((pairs >> 16) & HUNDREDS).wrapping_mul(1 + (10_000 << 32));
    high.wrapping_add(low) >> 32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(before: &str, number: &str) -> Option<Decimal> {
        let text = format!("{before}{number}");
        let last = text.as_bytes().last_chunk()?;
        Decimal::read(*last, number.len())
    }

    proptest! {
        #[test]
        fn reads_every_short_number(number in "(0|[1-9][0-9]{0,7})(\\.[0-9]{1,6})?", before in "[0-9.,:]{8}") {
            let expected = (number.len() <= 8).then(|| Decimal {
                mantissa: number.replace('.', "").parse().unwrap(),
                decimals: number.split_once('.').map_or(0, |(_, fraction)| fraction.len()),
            });
            prop_assert_eq!(read(&before, &number), expected);
        }
    }

    #[test]
    fn leaves_signs_and_exponents_alone() {
        for number in ["-1", "1e3", "1E3", "1.5e3", "1e-3", "1e+3", "-0.5"] {
            assert_eq!(read("12345678", number), None, "{number}");
        }
    }
}
