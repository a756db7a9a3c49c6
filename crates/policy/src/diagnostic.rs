//! Diagnostics: what is wrong with configuration, where, and what to do.

use std::fmt;

use crate::SourceFile;
use crate::limits::DIAGNOSTICS_MAX;

/// Whether a snapshot can be made all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// No snapshot.
    Error,
    /// A snapshot, though perhaps not the one that was meant.
    Warning,
}

/// One finding about a configuration tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file's path, below the root of the configuration.
    pub file: String,
    /// The line, from 1; 0 if the finding is about the file as a whole.
    pub line: usize,
    /// The column in characters, from 1; 0 if the finding is about the file as a whole.
    pub column: usize,
    /// How many characters of the line are meant, at least 1.
    pub width: usize,
    /// The line's text.
    pub source_line: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// A stretch of one of the files under validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct At {
    /// The file's position in the list of files.
    pub(crate) file: usize,
    /// The first byte; with `end` 0 too, the file as a whole.
    pub(crate) start: usize,
    /// The byte behind the last.
    pub(crate) end: usize,
}

/// Where the stages put their findings.
pub(crate) struct Findings<'f> {
    files: &'f [SourceFile],
    found: Vec<Diagnostic>,
    errors: usize,
    left_out: usize,
}

/// A finding that can still be given a help text.
pub(crate) struct Finding<'a>(Option<&'a mut Diagnostic>);

// === impl At ===

impl At {
    /// The file as a whole.
    pub(crate) fn file(file: usize) -> Self {
        Self { file, start: 0, end: 0 }
    }
}

// === impl Findings ===

impl<'f> Findings<'f> {
    pub(crate) fn new(files: &'f [SourceFile]) -> Self {
        Self { files, found: Vec::new(), errors: 0, left_out: 0 }
    }

    pub(crate) fn error(&mut self, at: At, message: impl Into<String>) -> Finding<'_> {
        self.errors += 1;
        self.add(Severity::Error, at, message.into())
    }

    pub(crate) fn warning(&mut self, at: At, message: impl Into<String>) -> Finding<'_> {
        self.add(Severity::Warning, at, message.into())
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How many errors were found so far.
    pub(crate) fn error_count(&self) -> usize {
        self.errors
    }

    /// The path of a file.
    pub(crate) fn path(&self, file: usize) -> &'f str {
        self.files.get(file).map_or("", |file| file.path.as_str())
    }

    /// The text of a stretch; empty if it is not one.
    pub(crate) fn text(&self, at: At) -> &'f str {
        self.files.get(at.file).and_then(|file| file.text.get(at.start..at.end)).unwrap_or("")
    }

    /// `file:line` of a stretch, for texts that point at a second place.
    pub(crate) fn place(&self, at: At) -> String {
        let (line, _, _) = self.position(at);
        format!("{}:{line}", self.path(at.file))
    }

    /// All findings, sorted by where they are.
    pub(crate) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.found.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        if let (Some(last), more @ 1..) = (self.found.last().cloned(), self.left_out) {
            let message = format!("{more} more findings are not shown");
            let severity = if self.errors > 0 { Severity::Error } else { Severity::Warning };
            self.found.push(Diagnostic { severity, message, help: None, ..last });
        }
        self.found
    }

    fn add(&mut self, severity: Severity, at: At, message: String) -> Finding<'_> {
        if self.found.len() >= DIAGNOSTICS_MAX {
            self.left_out += 1;
            return Finding(None);
        }
        let (line, column, source_line) = self.position(at);
        let rest = source_line.chars().count().saturating_sub(column.saturating_sub(1));
        let width = self.text(at).lines().next().map_or(1, |text| text.chars().count()).clamp(1, rest.max(1));
        self.found.push(Diagnostic {
            severity,
            file: self.path(at.file).to_owned(),
            line,
            column,
            width,
            source_line: source_line.to_owned(),
            message,
            help: None,
        });
        Finding(self.found.last_mut())
    }

    /// Line, column and text of the line that a stretch begins in.
    fn position(&self, at: At) -> (usize, usize, &'f str) {
        let text = self.files.get(at.file).map_or("", |file| file.text.as_str());
        let Some(before) = text.get(..at.start).filter(|_| at.end > 0) else { return (0, 0, "") };
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.get(line_start..).map_or(0, |text| text.chars().count()) + 1;
        let source_line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or("");
        (line, column, source_line)
    }
}

// === impl Finding ===

impl Finding<'_> {
    pub(crate) fn help(self, help: impl Into<String>) {
        self.maybe_help(Some(help.into()));
    }

    pub(crate) fn maybe_help(self, help: Option<String>) {
        if let Some(diagnostic) = self.0 {
            diagnostic.help = help;
        }
    }
}

// === impl Severity ===

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

// === impl Diagnostic ===

/// As compilers do it: the message, the place, the line with what is meant underlined, the help.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.message)?;
        if self.line == 0 {
            write!(f, "\n --> {}", self.file)?;
        } else {
            let gutter = self.line.to_string().len();
            // Tabs are kept, so that the marks stand under what they mean.
            let indent: String = self
                .source_line
                .chars()
                .take(self.column.saturating_sub(1))
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            write!(f, "\n{:gutter$}--> {}:{}:{}", "", self.file, self.line, self.column)?;
            write!(f, "\n{:gutter$} |\n{} | {}", "", self.line, self.source_line)?;
            write!(f, "\n{:gutter$} | {indent}{}", "", "^".repeat(self.width))?;
        }
        match &self.help {
            Some(help) => write!(f, "\n  = help: {help}"),
            None => Ok(()),
        }
    }
}
