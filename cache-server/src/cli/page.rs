//! What commands print for people: titled lists, tables, and how long verdicts hold.

use std::fmt;

use checkcache::Validity;

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

/// How long, and how often, a verdict may be used again.
pub(super) fn validity(validity: Validity) -> String {
    match validity {
        Validity::Never => "not at all".to_owned(),
        Validity::For { ttl, uses: None } => format!("{ttl:?}"),
        Validity::For { ttl, uses: Some(uses) } => format!("{ttl:?}, {uses} times"),
        Validity::Revision => "as long as the configuration".to_owned(),
    }
}

/// Writes rows in columns that are as wide as they have to be, two spaces between them.
pub(super) fn write_table<const N: usize>(f: &mut impl fmt::Write, rows: &[[String; N]]) -> fmt::Result {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let rows = [["a", "long", ""], ["long", "b", "c"]].map(|row| row.map(str::to_owned));
        let mut page = String::new();
        write_table(&mut page, &rows).unwrap();
        assert_eq!(page, "a     long\nlong  b     c\n");
    }
}
