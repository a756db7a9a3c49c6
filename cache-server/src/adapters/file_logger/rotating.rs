//! A file that is put aside when it is large or old, as `NAME.1`; those put aside before move on to `NAME.2` and so on.
//!
//! Before each write the file is looked at by its name: one that somebody else moved or removed is made anew, and one
//! that two servers or two blocks write to is put aside once. Lines are never torn apart by a rotation; a line that a full
//! disk tore apart is ended before the next one.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::adapters::line_writer::Unwritten;

/// When a file is put aside, and how many such are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rotation {
    /// Its size, in bytes, that it goes beyond only if its one line does.
    pub(super) bytes_max: u64,
    /// Its age; `None` is any.
    pub(super) age_max: Option<Duration>,
    /// How many are kept.
    pub(super) kept: u32,
}

/// The file.
#[derive(Debug)]
pub(super) struct Rotating {
    path: PathBuf,
    rotation: Rotation,
    open: Option<Open>,
    /// The file ends in the middle of a line.
    is_torn: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// The device and the number on it.
    id: (u64, u64),
    bytes: u64,
    began: SystemTime,
}

impl Rotating {
    /// Nothing happens before something is written.
    pub(super) fn new(path: PathBuf, rotation: Rotation) -> Self {
        Self { path, rotation, open: None, is_torn: false }
    }

    /// Writes whole lines.
    pub(super) fn write(&mut self, lines: &[u8], now: SystemTime) -> Result<(), Unwritten> {
        let mut rest = lines;
        while !rest.is_empty() {
            if let Err(error) = self.write_some(&mut rest, now) {
                return Err(Unwritten::all_of(rest, error));
            }
        }
        Ok(())
    }

    /// Writes as many lines as the file has room for and takes them off.
    fn write_some(&mut self, lines: &mut &[u8], now: SystemTime) -> io::Result<()> {
        let mut open = self.opened(now)?;
        let first = lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1);
        let is_old = self.rotation.age_max.is_some_and(|max| age(&open, now) >= max);
        if open.bytes > 0 && (is_old || open.bytes + first as u64 > self.rotation.bytes_max) {
            drop(open);
            self.put_aside()?;
            self.is_torn = false;
            open = self.opened(now)?;
        }
        let room = usize::try_from(self.rotation.bytes_max.saturating_sub(open.bytes)).unwrap_or(usize::MAX);
        let end = if lines.len() <= room {
            lines.len()
        } else {
            // Up to the last line's end that there is room for; a first line that is too long all the same.
            whole_lines(&lines[..room]).max(first)
        };
        let (written, result) = self.append(&mut open.file, &lines[..end]);
        let done = if result.is_ok() { end } else { whole_lines(&lines[..written]) };
        self.is_torn = result.is_err() && (written > done || self.is_torn);
        open.bytes += done as u64;
        *lines = &lines[done..];
        self.open = Some(open);
        result
    }

    /// Writes after the end of a torn line, if there is one. Says how many of the bytes were written.
    fn append(&mut self, file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
        if self.is_torn {
            match file.write(b"\n") {
                Ok(1) => self.is_torn = false,
                Ok(_) => return (0, Err(io::ErrorKind::WriteZero.into())),
                Err(error) => return (0, Err(error)),
            }
        }
        let mut written = 0;
        while written < bytes.len() {
            match file.write(&bytes[written..]) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }

    /// The file under its name, opened if it is not the one that was.
    fn opened(&mut self, now: SystemTime) -> io::Result<Open> {
        let found = match fs::metadata(&self.path) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match (self.open.take(), found) {
            (Some(open), Some(found)) if open.id == id(&found) => Ok(Open { bytes: found.len(), ..open }),
            _ => self.open_anew(now),
        }
    }

    fn open_anew(&mut self, now: SystemTime) -> io::Result<Open> {
        self.is_torn = false;
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        let metadata = file.metadata()?;
        let began = if metadata.len() == 0 { now } else { metadata.created().unwrap_or(now) };
        Ok(Open { id: id(&metadata), bytes: metadata.len(), began, file })
    }

    fn put_aside(&self) -> io::Result<()> {
        let kept = self.rotation.kept;
        if kept == 0 {
            return fs::remove_file(&self.path);
        }
        for number in (1..kept).rev() {
            rename(&numbered(&self.path, number), &numbered(&self.path, number + 1))?;
        }
        rename(&self.path, &numbered(&self.path, 1))
    }
}

/// A clock that was set back makes nothing old.
fn age(open: &Open, now: SystemTime) -> Duration {
    now.duration_since(open.began).unwrap_or_default()
}

fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// What is not there needs no renaming.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// How many bytes are whole lines.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tempfile::TempDir;

    use super::*;

    const ROTATION: Rotation = Rotation { bytes_max: 8, age_max: None, kept: 2 };

    struct World {
        folder: TempDir,
        file: Rotating,
    }

    fn world(rotation: Rotation) -> World {
        let folder = tempfile::tempdir().unwrap();
        let file = Rotating::new(folder.path().join("logs/a.log"), rotation);
        World { folder, file }
    }

    impl World {
        fn write(&mut self, lines: &str) {
            self.file.write(lines.as_bytes(), SystemTime::now()).unwrap();
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join("logs").join(name)
        }

        /// What is in the folder, by name.
        fn files(&self) -> BTreeMap<String, String> {
            let files = fs::read_dir(self.folder.path().join("logs")).unwrap();
            let read = |entry: fs::DirEntry| {
                (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
            };
            files.map(|entry| read(entry.unwrap())).collect()
        }

        fn check<const N: usize>(&self, expected: [(&str, &str); N]) {
            let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
            assert_eq!(self.files(), BTreeMap::from(expected));
        }
    }

    #[test]
    fn a_large_file_is_put_aside_between_lines() {
        let mut world = world(ROTATION);
        world.write("aa\nbb\n");
        world.check([("a.log", "aa\nbb\n")]);
        // One write fills several files; only so many are kept.
        world.write("cc\ndd\nee\n");
        world.check([("a.log", "ee\n"), ("a.log.1", "cc\ndd\n"), ("a.log.2", "aa\nbb\n")]);
        world.write("a long line\nff\n");
        world.check([("a.log", "ff\n"), ("a.log.1", "a long line\n"), ("a.log.2", "ee\n")]);
    }

    #[test]
    fn without_old_files_the_file_begins_anew() {
        let mut world = world(Rotation { kept: 0, ..ROTATION });
        world.write("aa\nbb\ncc\n");
        world.check([("a.log", "cc\n")]);
    }

    #[test]
    fn an_old_file_is_put_aside() {
        let age = Duration::from_secs(60);
        let mut world = world(Rotation { age_max: Some(age), ..ROTATION });
        let start = SystemTime::now();
        world.file.write(b"a\n", start).unwrap();
        world.file.write(b"b\n", start + age - Duration::from_millis(1)).unwrap();
        // A clock that was set back.
        world.file.write(b"c\n", start - age).unwrap();
        world.file.write(b"d\n", start + age).unwrap();
        world.check([("a.log", "d\n"), ("a.log.1", "a\nb\nc\n")]);
    }

    #[test]
    fn a_file_that_somebody_else_took_away_is_made_anew() {
        let mut world = world(ROTATION);
        world.write("a\n");
        fs::rename(world.path("a.log"), world.path("old")).unwrap();
        world.write("b\n");
        world.check([("a.log", "b\n"), ("old", "a\n")]);
        fs::remove_dir_all(world.folder.path().join("logs")).unwrap();
        world.write("c\n");
        world.check([("a.log", "c\n")]);
        // Emptied in place.
        fs::write(world.path("a.log"), "").unwrap();
        world.write("1234567\n");
        world.check([("a.log", "1234567\n")]);
    }

    #[test]
    fn a_server_that_starts_again_goes_on() {
        let mut world = world(ROTATION);
        world.write("aa\n");
        world.file = Rotating::new(world.path("a.log"), ROTATION);
        world.write("bb\n");
        world.write("cc\n");
        world.check([("a.log", "cc\n"), ("a.log.1", "aa\nbb\n")]);
    }

    #[test]
    fn a_full_disk_is_an_error_and_not_the_end() {
        let mut world = world(ROTATION);
        world.write("a\n");
        fs::remove_file(world.path("a.log")).unwrap();
        std::os::unix::fs::symlink("/dev/full", world.path("a.log")).unwrap();
        let unwritten = world.file.write(b"b\nc\n", SystemTime::now()).unwrap_err();
        assert_eq!((unwritten.lines, unwritten.error.kind()), (2, io::ErrorKind::StorageFull));
        fs::remove_file(world.path("a.log")).unwrap();
        world.write("d\n");
        world.check([("a.log", "d\n")]);
    }

    #[test]
    fn a_torn_line_is_ended_before_the_next() {
        let mut world = world(Rotation { bytes_max: 100, ..ROTATION });
        world.write("aa\n");
        fs::write(world.path("a.log"), "aa\nb").unwrap();
        world.file.is_torn = true;
        world.write("cc\n");
        world.check([("a.log", "aa\nb\ncc\n")]);
    }
}
