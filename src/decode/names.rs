//! The names of members that matter, found fast.

/// The member names that matter, as a tree of objects: the outermost object and those that a
/// mapping looks into.
#[derive(Debug)]
pub(super) struct Names {
    objects: Vec<ObjectNames>,
    members: Vec<Member>,
    places: usize,
}

/// The members that matter of one object.
#[derive(Debug, Default)]
struct ObjectNames {
    /// Indices into `Names::members`.
    members: Vec<usize>,
    /// Hash table of the same with linear probing, a power of two long and at most a quarter full.
    table: Vec<Option<usize>>,
}

/// One member that matters.
#[derive(Debug)]
pub(super) struct Member {
    /// Where the value is kept, if anyone wants it as a whole.
    pub(super) place: Option<usize>,
    /// Which object to look into, if a mapping does.
    pub(super) object: Option<usize>,
    /// The name as it stands in a compact text.
    pub(super) written: Written,
    /// All places below `object`: an earlier member of the same name must leave nothing there.
    pub(super) below: Vec<usize>,
    name: String,
}

/// The name of a member as it stands in a compact text, quoted and with its colon, behind a comma or
/// a brace. In words, so that it is compared at once.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// The name, with a byte of zeros in front.
    words: [u64; WORDS],
    /// Ones where `words` counts.
    mask: [u64; WORDS],
    /// Bytes of all, with the one in front; meaningful for a name that can be found.
    bytes: u8,
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            objects: vec![ObjectNames::default()],
            members: Vec::new(),
            places: 0,
        }
    }

    /// Number of places.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// Number of objects that matter.
    pub(super) fn objects(&self) -> usize {
        self.objects.len()
    }

    /// The member of that index.
    #[inline]
    pub(super) fn member(&self, member: usize) -> Option<&Member> {
        self.members.get(member)
    }

    /// The member called `name` in object number `object`.
    #[inline]
    pub(super) fn find(&self, object: usize, name: &[u8]) -> Option<usize> {
        let table = &self.objects.get(object)?.table;
        let mask = table.len().wrapping_sub(1);
        let mut at = hash(name) & mask;
        while let Some(&Some(member)) = table.get(at) {
            if self.members.get(member)?.name.as_bytes() == name {
                return Some(member);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// The place at the end of `path`, made if it is new.
    pub(super) fn place(&mut self, path: &[String]) -> usize {
        let mut object = 0;
        let mut member = None;
        for name in path {
            if let Some(above) = member {
                object = self.object_of(above);
            }
            member = Some(self.member_of(object, name));
        }
        let next = self.places;
        match member.and_then(|member| self.members.get_mut(member)) {
            Some(Member {
                place: Some(place), ..
            }) => *place,
            Some(member) => {
                member.place = Some(next);
                self.places += 1;
                next
            }
            // An empty path leads nowhere: a place that is never filled.
            None => {
                self.places += 1;
                next
            }
        }
    }

    fn member_of(&mut self, object: usize, name: &str) -> usize {
        let known = self.objects.get(object).and_then(|object| {
            let mut members = object.members.iter().copied();
            members.find(|&member| self.members.get(member).is_some_and(|m| m.name == name))
        });
        known.unwrap_or_else(|| {
            let member = self.members.len();
            self.members.push(Member::new(name));
            if let Some(object) = self.objects.get_mut(object) {
                object.members.push(member);
            }
            member
        })
    }

    fn object_of(&mut self, member: usize) -> usize {
        let next = self.objects.len();
        match self.members.get_mut(member) {
            Some(member) if member.object.is_none() => {
                member.object = Some(next);
                self.objects.push(ObjectNames::default());
                next
            }
            Some(member) => member.object.unwrap_or(next),
            None => next,
        }
    }

    /// Fills the hash tables and lists what lies below each member.
    pub(super) fn finish(&mut self) {
        for member in 0..self.members.len() {
            let mut below = Vec::new();
            self.collect_below(member, &mut below);
            if let Some(member) = self.members.get_mut(member) {
                member.below = below;
            }
        }
        for object in &mut self.objects {
            let size = (object.members.len() * 4).next_power_of_two();
            let mut table = vec![None; size];
            for &member in &object.members {
                let name = self
                    .members
                    .get(member)
                    .map(|member| member.name.as_bytes());
                let mut at = hash(name.unwrap_or_default()) & (size - 1);
                while let Some(Some(_)) = table.get(at) {
                    at = (at + 1) & (size - 1);
                }
                if let Some(slot) = table.get_mut(at) {
                    *slot = Some(member);
                }
            }
            object.table = table;
        }
    }

    fn collect_below(&self, member: usize, below: &mut Vec<usize>) {
        let object = self.members.get(member).and_then(|member| member.object);
        let Some(object) = object.and_then(|object| self.objects.get(object)) else {
            return;
        };
        for &inner in &object.members {
            below.extend(self.members.get(inner).and_then(|inner| inner.place));
            self.collect_below(inner, below);
        }
    }
}

impl Member {
    fn new(name: &str) -> Self {
        Self {
            place: None,
            object: None,
            written: Written::new(name),
            below: Vec::new(),
            name: name.to_owned(),
        }
    }
}

impl Written {
    fn new(name: &str) -> Self {
        // As JSON writes it, so that an odd name cannot match what is not JSON.
        let written = format!("{}:", serde_json::Value::from(name));
        let mut words = [0; WORDS * 8];
        let mut mask = [0; WORDS * 8];
        if let Some(room) = words.get_mut(1..=written.len()) {
            room.copy_from_slice(written.as_bytes());
            mask.iter_mut()
                .skip(1)
                .take(written.len())
                .for_each(|byte| *byte = u8::MAX);
        } else {
            // Too long. Expects something where nothing is looked at, so that it is never found.
            words = [1; WORDS * 8];
        }
        Self {
            words: words_of(&words),
            mask: words_of(&mask),
            bytes: u8::try_from(1 + written.len()).unwrap_or(0),
        }
    }

    /// Bytes of the name in quotes, its colon and the comma or brace in front.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        usize::from(self.bytes)
    }

    /// The name stands in a text that begins so behind its first byte, whatever that is.
    #[inline]
    pub(super) fn follows_in(&self, Beginning(beginning): Beginning) -> bool {
        // Written out: a loop over the words would keep them in memory.
        let [first, second, third] = beginning;
        let [first_mask, second_mask, third_mask] = self.mask;
        let [first_word, second_word, third_word] = self.words;
        let difference = ((first & first_mask) ^ first_word)
            | ((second & second_mask) ^ second_word)
            | ((third & third_mask) ^ third_word);
        difference == 0
    }
}

/// The beginning of a text, as much of it as is looked at to tell which member comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning([u64; WORDS]);

impl Beginning {
    /// Of the end of `text` from `at` on. Zeros, which no name has, stand for what is behind it.
    #[inline]
    pub(super) fn of(text: &[u8], at: usize) -> Option<Self> {
        match text.get(at..)?.first_chunk() {
            Some(beginning) => Some(Self(words_of(beginning))),
            None => Self::of_end(text, at),
        }
    }

    /// The same of fewer bytes than are looked at. They are shifted into their places from the last
    /// words of the text: a copy into a buffer of zeros would be read back before it is written.
    #[inline(never)]
    fn of_end(text: &[u8], at: usize) -> Option<Self> {
        let last = words_of(text.last_chunk()?);
        let before = (WORDS * 8).checked_sub(text.len().checked_sub(at)?)?;
        let [first, second, third] = match (before / 8, last) {
            (0, all) => all,
            (1, [_, second, third]) => [second, third, 0],
            (_, [_, _, third]) => [third, 0, 0],
        };
        let bits = 8 * (before % 8);
        // In two steps, since all 64 bits may have to go.
        let joined = |low: u64, high: u64| low >> bits | high << 1 << (63 - bits);
        Some(Self([
            joined(first, second),
            joined(second, third),
            third >> bits,
        ]))
    }
}

/// Words of eight bytes that hold the names of members for comparison.
const WORDS: usize = 3;

#[inline]
fn words_of(bytes: &[u8; WORDS * 8]) -> [u64; WORDS] {
    let (chunks, _) = bytes.as_chunks();
    let word = |at: usize| chunks.get(at).map_or(0, |chunk| u64::from_le_bytes(*chunk));
    [word(0), word(1), word(2)]
}

/// A hash that tells short names apart by length and three of their bytes.
#[inline]
fn hash(name: &[u8]) -> usize {
    let byte = |at: usize| name.get(at).copied().map_or(0, usize::from);
    let length = name.len();
    byte(0)
        .wrapping_mul(31)
        .wrapping_add(byte(length / 2).wrapping_mul(7))
        .wrapping_add(byte(length.wrapping_sub(2)))
        .wrapping_add(length.wrapping_mul(13))
}

#[cfg(test)]
mod tests {
    use super::super::plan::Plan;
    use super::super::settings::Settings;
    use super::*;

    #[test]
    fn a_guess_holds_for_exactly_the_written_name() {
        let follows = |member: &Member, text: &str| {
            let beginning = Beginning::of(text.as_bytes(), 0)?;
            Some(member.written.follows_in(beginning))
        };
        for (name, fits) in [
            ("ab", true),
            ("twenty-bytes-of-name", true),
            ("twenty-one-byte-names", false),
        ] {
            let member = Member::new(name);
            let text = format!(",\"{name}\":12345678901234567890");
            assert_eq!(follows(&member, &text), Some(fits));
            assert_eq!(follows(&member, &text.replace(',', "{")), Some(fits));
            if fits {
                assert_eq!(member.written.bytes(), name.len() + 4);
            }
            for other in [
                format!(",\"{name}\" :12345678901234567890"),
                format!(",\"{name}x\":12345678901234567890"),
                format!(", \"{name}\":12345678901234567890"),
                "\0".repeat(40),
                "\u{1}".repeat(40),
            ] {
                assert_eq!(follows(&member, &other), Some(false), "{other:?}");
            }
            for short in [",", "", "12345678901234567890123"] {
                assert_eq!(follows(&member, short), None, "{short:?}");
            }
        }
    }

    #[test]
    fn the_end_of_a_text_is_looked_at_as_if_zeros_followed() {
        let text: Vec<u8> = (1..=60).collect();
        for at in 0..text.len() {
            let rest = &text[at..];
            let mut padded = rest.to_vec();
            padded.resize(rest.len().max(24), 0);
            let expected = words_of(padded.first_chunk().unwrap());
            assert_eq!(Beginning::of(&text, at).unwrap().0, expected, "{at}");
        }
    }

    #[test]
    fn every_name_is_found_and_no_other() {
        let plan = Plan::new(&Settings::default());
        for member in 0..plan.names.members.len() {
            let name = plan.names.members[member].name.clone();
            assert_eq!(plan.names.find(0, name.as_bytes()), Some(member), "{name}");
            assert_eq!(plan.names.find(0, format!("{name}x").as_bytes()), None);
        }
        assert_eq!(plan.names.find(0, b""), None);
        assert_eq!(plan.names.find(9, b"type"), None);
    }
}
