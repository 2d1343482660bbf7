//! In which order the members of an object come, as far as one can know beforehand: as they came
//! before. Nothing here is relied upon; a guess that does not hold costs time and nothing else.

use super::names::{Beginning, Member, Written};

/// So many optional members may be left out in a row before the next one is looked up by its name.
const MAX_SKIPPED: usize = 4;

/// The members that matter of one object, in the order in which producers write them. A member that
/// is new is put where it stood, one that stands elsewhere is moved there, one that is left out stays:
/// so the order takes in what is optional, and follows a producer that changes its own. Grows to one
/// step a member.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    steps: Vec<Step>,
}

/// A member in its place.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The name as it stands in the text.
    pub(super) written: Written,
    /// Length of the value the last time that was a string, bytes.
    pub(super) text_bytes: u32,
    /// Where the value is kept; `None` where more is to be done with it than to keep it.
    pub(super) place: Option<u16>,
    /// Index of the member.
    member: u16,
}

impl Layout {
    /// The steps in order.
    #[inline]
    pub(super) fn steps(&mut self) -> &mut [Step] {
        &mut self.steps
    }

    /// The step after that of a member; the first where it has none.
    pub(super) fn after(&self, member: usize) -> usize {
        self.place_of(member).map_or(0, |at| at + 1)
    }

    fn place_of(&self, member: usize) -> Option<usize> {
        self.steps.iter().position(|step| step.member() == member)
    }

    /// Notes that a member came where step `at` was expected; returns the step after it.
    pub(super) fn came(&mut self, index: usize, member: &Member, at: usize) -> usize {
        let at = at.min(self.steps.len());
        let expected = self.steps.get(at);
        if expected.is_some_and(|step| step.member() == index) {
            return at + 1;
        }
        match self.place_of(index) {
            Some(ahead) if ahead >= at => return ahead + 1,
            Some(behind) => {
                if let Some(between) = self.steps.get_mut(behind..at) {
                    between.rotate_left(1);
                }
                return at;
            }
            None => {}
        }
        let Ok(narrow) = u16::try_from(index) else {
            return at;
        };
        let place = member.place.filter(|_| member.object.is_none());
        let step = Step {
            written: member.written.clone(),
            text_bytes: 0,
            place: place.and_then(|place| u16::try_from(place).ok()),
            member: narrow,
        };
        self.steps.insert(at, step);
        at + 1
    }
}

impl Step {
    /// Index of the member.
    pub(super) fn member(&self) -> usize {
        usize::from(self.member)
    }
}

/// The number of the step from step `step` on that stands in `text` behind the byte at `at`.
#[inline]
pub(super) fn find(steps: &[Step], step: usize, text: &[u8], at: usize) -> Option<usize> {
    let beginning = Beginning::of(text, at)?;
    if steps.get(step)?.written.follows_in(beginning) {
        return Some(step);
    }
    find_behind(steps, step, text, at)
}

/// The same when step `step` is left out. Not inlined: rare enough, and a loop within a loop. Takes
/// the text and not its words, which would have to be in memory to be handed over.
#[inline(never)]
fn find_behind(steps: &[Step], step: usize, text: &[u8], at: usize) -> Option<usize> {
    let beginning = Beginning::of(text, at)?;
    let mut behind = steps.iter().enumerate().skip(step + 1).take(MAX_SKIPPED);
    let found = behind.find(|(_, next)| next.written.follows_in(beginning));
    found.map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::super::names::Names;
    use super::*;

    const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

    /// Reads members in order as a pass does; returns how many had to be looked up by name.
    fn read(layout: &mut Layout, names: &Names, members: &str) -> usize {
        let mut at = 0;
        let mut looked_up = 0;
        for name in members.chars() {
            let text = format!(",\"{name}\":1,                    ");
            let text = text.as_bytes();
            if let Some(found) = find(layout.steps(), at, text, 0) {
                at = found + 1;
            } else {
                looked_up += 1;
                let index = names.find(0, name.to_string().as_bytes()).unwrap();
                at = layout.came(index, names.member(index).unwrap(), at);
            }
            let before = names.find(0, name.to_string().as_bytes()).unwrap();
            assert_eq!(layout.after(before), at);
        }
        let mut steps: Vec<_> = layout.steps().iter().map(Step::member).collect();
        steps.sort_unstable();
        steps.dedup();
        assert_eq!(steps.len(), layout.steps().len());
        looked_up
    }

    #[test]
    fn follows_the_order_of_the_members() {
        let mut names = Names::new();
        for name in NAMES {
            names.place(&[name.to_owned()]);
        }
        names.finish();
        let mut layout = Layout::default();
        for (members, looked_up) in [
            ("abcdefghi", 9),
            ("abcdefghi", 0),
            // What is left out stays in its place.
            ("aefghi", 0),
            ("abcdefghi", 0),
            // More than can be skipped.
            ("agh", 1),
            ("abcdefghi", 0),
            // One member earlier than before: it is jumped to, and those behind it are moved.
            ("abicdefgh", 7),
            ("abicdefgh", 0),
            // Twice the same.
            ("aab", 1),
            ("abicdefgh", 0),
            ("", 0),
        ] {
            assert_eq!(read(&mut layout, &names, members), looked_up, "{members}");
        }
        read(&mut layout, &names, "ihgfedcba");
        read(&mut layout, &names, "ihgfedcba");
        assert_eq!(read(&mut layout, &names, "ihgfedcba"), 0);
    }
}
