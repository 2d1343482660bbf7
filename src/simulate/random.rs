//! The generator behind all made-up traffic. Our own, so that a seed means the same traffic with
//! every version of every dependency.

/// xoshiro256++ by Blackman and Vigna, seeded through `SplitMix64`.
#[derive(Clone, Debug)]
pub(super) struct Random([u64; 4]);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(GOLDEN);
            mix(state)
        }))
    }

    /// A generator of its own for item `index` of a series: any item can be drawn alone.
    pub(super) fn for_item(seed: u64, index: u64) -> Self {
        Self::new(mix(seed ^ mix(index.wrapping_add(GOLDEN))))
    }

    pub(super) fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.0;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        let (a, b) = (a ^ d, b ^ c);
        self.0 = [a, b, c ^ (self.0[1] << 17), d.rotate_left(45)];
        result
    }

    /// Evenly from `0..bound`; 0 when `bound` is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        scale(self.next(), bound)
    }

    /// Evenly from `low..=high`; `low` when the range is empty.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u64::try_from(high.saturating_sub(low)).unwrap_or(0);
        low.saturating_add_unsigned(self.below(width.saturating_add(1)))
    }

    /// One of `choices`, which is not empty.
    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.index(choices.len())]
    }

    /// Evenly from `0..bound`, for indexing.
    pub(super) fn index(&mut self, bound: usize) -> usize {
        let wide = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.below(wide)).unwrap_or(0)
    }

    /// Evenly from 0 (included) to 1 (excluded).
    pub(super) fn unit(&mut self) -> f64 {
        // 52 random bits behind the exponent of 1.0 give 1.0..2.0.
        f64::from_bits(0x3FF0_0000_0000_0000 | (self.next() >> 12)) - 1.0
    }

    /// True with the given probability; never at 0 or below, always at 1 or above.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Close to normal with mean 0 and deviation 1, within -3.5..3.5: a sum of four even draws.
    pub(super) fn normal(&mut self) -> f64 {
        let sum = self.unit() + self.unit() + self.unit() + self.unit();
        (sum - 2.0) * 3.0_f64.sqrt()
    }

    /// Waiting time until the next of many independent happenings.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// A skewed duration around `median_ms`: two thirds lie between median / e^spread and
    /// median x e^spread.
    pub(super) fn duration_ms(&mut self, median_ms: f64, spread: f64) -> i64 {
        whole(median_ms * (self.normal() * spread).exp())
    }
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of `SplitMix64`: every input bit moves every output bit.
pub(super) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// Maps 64 even bits to `0..bound` (the high half of the product).
fn scale(bits: u64, bound: u64) -> u64 {
    let product = u128::from(bits) * u128::from(bound);
    u64::try_from(product >> 64).unwrap_or(u64::MAX)
}

/// The nearest whole number; ends of the range for what lies outside.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "a cast from float saturates, which is what is wanted"
)]
pub(super) fn whole(value: f64) -> i64 {
    value.round() as i64
}

/// A count as a float, for rates.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "counts and milliseconds here stay far below 2^53"
)]
pub(super) fn float(value: i64) -> f64 {
    value as f64
}

/// Draws `0..n` with probability proportional to 1 / (rank + 1): Zipf's law with exponent 1.
#[derive(Clone, Debug)]
pub(super) struct Zipf {
    /// Cumulated weights scaled to the range of `u64`, rising; the last is the greatest value.
    ends: Vec<u64>,
}

impl Zipf {
    pub(super) fn new(ranks: u32) -> Self {
        // Integer weights keep the table equal on every machine.
        let weights = (1..=u64::from(ranks.max(1))).map(|rank| (1_u64 << 40) / rank);
        let total: u64 = weights.clone().sum();
        let mut below = 0_u64;
        let ends = weights.map(|weight| {
            below += weight;
            let share = (u128::from(below) << 64) / u128::from(total);
            u64::try_from(share).unwrap_or(u64::MAX)
        });
        Self {
            ends: ends.collect(),
        }
    }

    pub(super) fn draw(&self, random: &mut Random) -> usize {
        let bits = random.next();
        let rank = self.ends.partition_point(|end| *end <= bits);
        rank.min(self.ends.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_published_generator() {
        // First outputs of xoshiro256++ from the state 1, 2, 3, 4 (reference implementation).
        let mut random = Random([1, 2, 3, 4]);
        let drawn: Vec<u64> = (0..4).map(|_| random.next()).collect();
        assert_eq!(
            drawn,
            [
                41_943_041,
                58_720_359,
                3_588_806_011_781_223,
                3_591_011_842_654_386
            ]
        );
    }

    #[test]
    fn stays_within_bounds_and_reaches_them() {
        let mut random = Random::new(7);
        let drawn: Vec<i64> = (0..1000).map(|_| random.between(-2, 2)).collect();
        assert_eq!(drawn.iter().min(), Some(&-2));
        assert_eq!(drawn.iter().max(), Some(&2));
        assert!((0..1000).all(|_| (0.0..1.0).contains(&random.unit())));
        assert!(!random.chance(0.0) && random.chance(1.0));
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn draws_have_the_mean_they_say() {
        let mut random = Random::new(3);
        let rounds = 200_000;
        let mean = |draw: &mut dyn FnMut() -> f64| {
            (0..rounds).map(|_| draw()).sum::<f64>() / f64::from(rounds)
        };
        assert!((mean(&mut || random.exponential(10.0)) - 10.0).abs() < 0.1);
        assert!(mean(&mut || random.normal()).abs() < 0.01);
        assert!((mean(&mut || random.normal().powi(2)) - 1.0).abs() < 0.02);
    }

    #[test]
    fn zipf_halves_with_the_rank() {
        let zipf = Zipf::new(200);
        let mut random = Random::new(11);
        let mut counts = [0_u32; 200];
        for _ in 0..400_000 {
            counts[zipf.draw(&mut random)] += 1;
        }
        let ratio = f64::from(counts[0]) / f64::from(counts[1]);
        assert!((ratio - 2.0).abs() < 0.06, "{ratio}");
        assert!(counts[199] > 0);
    }
}
