//! Taking a template apart into text and actions.

use super::{InvalidTemplate, invalid};

/// Text between actions, and actions without their braces, comments left out.
pub(super) enum Segment<'t> {
    Text(&'t str),
    Action { text: &'t str, start: usize },
}

/// Takes a template apart.
pub(super) fn segments(text: &str) -> Result<Vec<Segment<'_>>, InvalidTemplate> {
    let mut segments = Vec::new();
    let mut at = 0;
    let mut trim_next = false;
    while let Some(open) = text.get(at..).and_then(|rest| rest.find("{{")).map(|open| at + open) {
        let mut start = open + 2;
        let trims_before = trim_marker(text.get(start..).unwrap_or_default().as_bytes());
        start += usize::from(trims_before);
        let end = action_end(text, start).ok_or_else(|| invalid("`{{` is not closed", open..open + 2))?;
        let body = text.get(start..end).unwrap_or_default();
        let (body, trims_after) = match body.strip_suffix('-') {
            Some(rest) if rest.ends_with(char::is_whitespace) => (rest, true),
            _ => (body, false),
        };
        push_text(&mut segments, text.get(at..open).unwrap_or_default(), trim_next, trims_before);
        let trimmed = body.trim();
        if !(trimmed.starts_with("/*") && trimmed.ends_with("*/")) {
            segments.push(Segment::Action { text: body, start });
        }
        trim_next = trims_after;
        at = end + 2;
    }
    push_text(&mut segments, text.get(at..).unwrap_or_default(), trim_next, false);
    Ok(segments)
}

/// `{{-` followed by a space trims the text before it.
fn trim_marker(rest: &[u8]) -> bool {
    matches!(rest, [b'-', next, ..] if next.is_ascii_whitespace())
}

/// Where the `}}` stands that ends an action; one inside of a string does not.
fn action_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quote = None;
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match (quote, byte) {
            (Some(b'"'), b'\\') => at += 1,
            (Some(open), close) if open == *close => quote = None,
            (None, b'"' | b'`') => quote = Some(*byte),
            (None, b'}') if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            (Some(_) | None, _) => {}
        }
        at += 1;
    }
    None
}

fn push_text<'t>(segments: &mut Vec<Segment<'t>>, text: &'t str, trim_start: bool, trim_end: bool) {
    let text = if trim_start { text.trim_start() } else { text };
    let text = if trim_end { text.trim_end() } else { text };
    if !text.is_empty() {
        segments.push(Segment::Text(text));
    }
}
