//! What commands print for people: titled lists.

use std::fmt;

/// Writes lines under a title, after an empty line; "nothing" if there are none.
pub(super) fn write_list<L: fmt::Display>(
    f: &mut impl fmt::Write,
    title: &str,
    lines: impl IntoIterator<Item = L>,
) -> fmt::Result {
    writeln!(f, "\n{title}:")?;
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_none() {
        return writeln!(f, "  nothing");
    }
    lines.try_for_each(|line| writeln!(f, "  {line}"))
}
