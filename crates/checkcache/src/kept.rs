//! Outcomes as nodes keep them: short text within the node itself, so that to compare it takes no look elsewhere.

use attributes::{Value, ValueRef};

use crate::{Outcome, OutcomeRef};

/// How much text a node has room for; most names of services have less. With it, a node of the filter's cache is as
/// large as what processors read at once.
const ROOM: usize = 38;

/// An outcome in a node.
#[derive(Debug, Clone)]
pub(crate) enum Kept {
    /// Text, and how much of the room it takes.
    Short { len: u8, room: [u8; ROOM] },
    /// Anything else.
    Other(Outcome),
}

const _: () = assert!(size_of::<Kept>() == ROOM + 2);

impl Kept {
    /// Whether it is an outcome, in full.
    #[inline]
    pub(crate) fn is(&self, outcome: &OutcomeRef<'_>) -> bool {
        match (self, outcome) {
            (Self::Short { .. }, OutcomeRef::Value(ValueRef::String(text))) => {
                self.short() == text.as_bytes()
            }
            (Self::Short { .. }, _) => false,
            (Self::Other(own), outcome) => own.as_ref() == *outcome,
        }
    }

    /// The outcome, borrowed.
    pub(crate) fn as_ref(&self) -> OutcomeRef<'_> {
        match self {
            // It was text when it came in.
            Self::Short { .. } => {
                OutcomeRef::Value(ValueRef::String(str::from_utf8(self.short()).unwrap_or_default()))
            }
            Self::Other(own) => own.as_ref(),
        }
    }

    /// The outcome, as a trace has it.
    pub(crate) fn to_outcome(&self) -> Outcome {
        match self {
            Self::Short { .. } => self.as_ref().to_outcome(),
            Self::Other(own) => own.clone(),
        }
    }

    /// About how many bytes are held elsewhere.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Other(own) => own.weight(),
        }
    }

    #[inline]
    fn short(&self) -> &[u8] {
        match self {
            Self::Short { len, room } => room.get(..usize::from(*len)).unwrap_or_default(),
            Self::Other(_) => &[],
        }
    }
}

impl From<Outcome> for Kept {
    fn from(outcome: Outcome) -> Self {
        let mut room = [0; ROOM];
        if let Outcome::Value(Value::String(text)) = &outcome
            && let Some(place) = room.get_mut(..text.len())
        {
            place.copy_from_slice(text.as_bytes());
            return Self::Short { len: text.len() as u8, room };
        }
        Self::Other(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_is_nothing_else() {
        let text = |len: usize| Outcome::Value("é".repeat(len / 2).as_str().into());
        let outcomes = [
            Outcome::Absent,
            Outcome::NoMap,
            Outcome::WrongKind,
            Outcome::Yes,
            Outcome::No,
            Outcome::Value(1.into()),
            Outcome::Value(Value::Bytes((*b"").into())),
            text(0),
            text(ROOM - 2),
            text(ROOM),
            text(ROOM + 2),
            text(1000),
        ];
        for (index, outcome) in outcomes.iter().enumerate() {
            let kept = Kept::from(outcome.clone());
            assert_eq!((kept.as_ref(), kept.to_outcome()), (outcome.as_ref(), outcome.clone()));
            for (other, outcome) in outcomes.iter().enumerate() {
                assert_eq!(kept.is(&outcome.as_ref()), index == other, "{outcome:?}");
            }
        }
    }
}
