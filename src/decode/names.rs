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
    /// The name as it stands in a compact text, quoted and with its colon, in words. A byte of
    /// zeros stands in front, for the comma or the brace there.
    words: [u64; WORDS],
    /// Ones where `words` counts.
    mask: [u64; WORDS],
    /// Bytes of the name in quotes and its colon.
    length: usize,
    /// All places below `object`: an earlier member of the same name must leave nothing there.
    pub(super) below: Vec<usize>,
    name: String,
    /// The name in quotes with its colon once more.
    written: String,
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

    /// Number of members that matter.
    pub(super) fn len(&self) -> usize {
        self.members.len()
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
            place: None,
            object: None,
            words: words_of(&words),
            mask: words_of(&mask),
            length: written.len(),
            below: Vec::new(),
            name: name.to_owned(),
            written,
        }
    }

    /// Length of this member's name in quotes and its colon if exactly those follow the first byte
    /// of `text`, whatever that is.
    #[inline]
    pub(super) fn follows(&self, text: &[u8]) -> Option<usize> {
        let Some(beginning) = text.first_chunk() else {
            return self.ends(text);
        };
        let mut difference = 0;
        for ((word, mask), expected) in words_of(beginning).iter().zip(self.mask).zip(self.words) {
            difference |= (word & mask) ^ expected;
        }
        (difference == 0).then_some(self.length)
    }

    /// The same in a text that is nearly at its end.
    fn ends(&self, text: &[u8]) -> Option<usize> {
        let (_, rest) = text.split_first()?;
        let follows = rest.starts_with(self.written.as_bytes());
        follows.then_some(self.length)
    }
}

/// Words of eight bytes that hold the names of members for comparison.
const WORDS: usize = 3;

#[inline]
fn words_of(bytes: &[u8; WORDS * 8]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    let (chunks, _) = bytes.as_chunks();
    for (word, chunk) in words.iter_mut().zip(chunks) {
        *word = u64::from_le_bytes(*chunk);
    }
    words
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
        for (name, fits) in [
            ("ab", true),
            ("twenty-bytes-of-name", true),
            ("twenty-one-byte-names", false),
        ] {
            let member = Member::new(name);
            let length = name.len() + 3;
            let found = fits.then_some(length);
            assert_eq!(
                member.follows(format!(",\"{name}\":12345678901234567890").as_bytes()),
                found
            );
            assert_eq!(member.follows(format!("{{\"{name}\":").as_bytes()), found);
            for other in [
                format!(",\"{name}\" :12345678901234567890"),
                format!(",\"{name}x\":12345678901234567890"),
                format!(", \"{name}\":12345678901234567890"),
                format!(",\"{name}"),
                "\0".repeat(40),
                "\u{1}".repeat(40),
                ",".to_owned(),
                String::new(),
            ] {
                assert_eq!(member.follows(other.as_bytes()), None, "{other:?}");
            }
        }
    }

    #[test]
    fn every_name_is_found_and_no_other() {
        let plan = Plan::new(&Settings::default());
        for member in 0..plan.names.len() {
            let name = plan.names.members[member].name.clone();
            assert_eq!(plan.names.find(0, name.as_bytes()), Some(member), "{name}");
            assert_eq!(plan.names.find(0, format!("{name}x").as_bytes()), None);
        }
        assert_eq!(plan.names.find(0, b""), None);
        assert_eq!(plan.names.find(9, b"type"), None);
    }
}
