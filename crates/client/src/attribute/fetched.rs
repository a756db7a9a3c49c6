//! What was fetched of a stream's attributes so far.
//!
//! A request has a few of the vocabulary looked at, and there is a stream for every request: so there is room for a few,
//! and a piece more where that is not enough. What was fetched stays where it is, since it is handed out borrowed.

use std::cell::OnceCell;

use attributes::Value;

/// A word of the vocabulary, by its place, and what the proxy says of it.
type Entry = (u8, Option<Value>);

/// Values by the places of their words, in the order in which they were fetched.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    entries: [OnceCell<Entry>; 6],
    more: OnceCell<Box<Self>>,
}

impl Fetched {
    /// The value of a word, fetched if it was not yet.
    pub(super) fn get_or_fetch(&self, place: u8, fetch: impl FnOnce() -> Option<Value>) -> Option<&Value> {
        let mut piece = self;
        loop {
            let Self { entries, more } = piece;
            for entry in entries {
                match entry.get() {
                    Some((other, value)) if *other == place => return value.as_ref(),
                    Some(_) => {}
                    None => return piece.add((place, fetch())),
                }
            }
            match more.get() {
                Some(more) => piece = more,
                None => return piece.add((place, fetch())),
            }
        }
    }

    /// Forgets the words whose places do not please.
    pub(super) fn retain(&mut self, keep: impl Fn(u8) -> bool) {
        let mut piece = Some(std::mem::take(self));
        while let Some(Self { entries, more }) = piece {
            for entry in
                entries.into_iter().filter_map(OnceCell::into_inner).filter(|(place, _)| keep(*place))
            {
                self.add(entry);
            }
            piece = more.into_inner().map(|more| *more);
        }
    }

    /// Puts an entry into the first place that is free, here or in a piece after this one.
    fn add(&self, entry: Entry) -> Option<&Value> {
        let mut piece = self;
        loop {
            if let Some(free) = piece.entries.iter().find(|place| place.get().is_none()) {
                let (_, value) = free.get_or_init(|| entry);
                return value.as_ref();
            }
            piece = piece.more.get_or_init(Box::default);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_fetched_once_however_many_there_are() {
        let fetched = Fetched::default();
        let number = |place: u8| (!place.is_multiple_of(5)).then_some(Value::Int64(place.into()));
        for place in 0..20 {
            assert_eq!(fetched.get_or_fetch(place, || number(place)), number(place).as_ref());
        }
        for place in 0..20 {
            let again = fetched.get_or_fetch(place, || panic!("{place} was fetched already"));
            assert_eq!(again, number(place).as_ref());
        }
    }

    #[test]
    fn what_is_forgotten_is_fetched_again_and_nothing_else() {
        let mut fetched = Fetched::default();
        for place in 0..20 {
            fetched.get_or_fetch(place, || Some(Value::Int64(1)));
        }
        fetched.retain(|place| place.is_multiple_of(2));
        for place in 0..20 {
            let now = fetched.get_or_fetch(place, || Some(Value::Int64(2)));
            assert_eq!(now, Some(&Value::Int64(if place.is_multiple_of(2) { 1 } else { 2 })));
        }
    }

    #[test]
    fn a_word_may_be_fetched_while_another_is() {
        let fetched = Fetched::default();
        let outer = fetched.get_or_fetch(1, || fetched.get_or_fetch(2, || Some(Value::Int64(2))).cloned());
        assert_eq!(outer, Some(&Value::Int64(2)));
        assert_eq!(fetched.get_or_fetch(1, || None), Some(&Value::Int64(2)));
        assert_eq!(fetched.get_or_fetch(2, || None), Some(&Value::Int64(2)));
    }
}
