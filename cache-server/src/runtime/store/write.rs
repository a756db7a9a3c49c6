//! Writing a file of the configuration's folder.
//!
//! A file is there as a whole or not at all: it is written beside its place, hidden, and then moved there. What is reached
//! through a link – a mounted `ConfigMap`, say – is kept by somebody else and not written.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::InvalidTree;
use super::folder::read_bounded;
use crate::limits;

/// Gives a file below a folder another text, or none, if it still has the one that is expected. Says whether it had. The
/// path is made of names, as that of a [`Key`](super::Key) is.
pub(super) fn replace(
    root: &Path,
    path: &str,
    expected: Option<&str>,
    text: Option<&str>,
) -> Result<bool, InvalidTree> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = enter(root, folder, text.is_some())?;
    let target = folder.join(name);
    refuse_link(&target)?;
    let now = match read_bounded(&target, limits::CONFIG_FILE_BYTES) {
        Ok(now) => Some(now),
        Err(InvalidTree::Io { source, .. }) if source.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if now.as_deref() != expected {
        return Ok(false);
    }
    let changed = match (text, now) {
        (Some(text), _) => put(&folder, name, &target, text),
        (None, Some(_)) => fs::remove_file(&target).and_then(|()| sync(&folder)),
        (None, None) => Ok(()),
    };
    changed.map_err(|source| InvalidTree::Write { path: target, source })?;
    Ok(true)
}

/// The folder at a path below the root, made if it is to be.
fn enter(root: &Path, path: &str, is_made: bool) -> Result<PathBuf, InvalidTree> {
    let mut folder = root.to_owned();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        folder.push(name);
        refuse_link(&folder)?;
        if is_made && !folder.is_dir() {
            fs::create_dir(&folder).map_err(|source| InvalidTree::Write { path: folder.clone(), source })?;
        }
    }
    Ok(folder)
}

fn refuse_link(path: &Path) -> Result<(), InvalidTree> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => Err(InvalidTree::Link { path: path.to_owned() }),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(InvalidTree::Io { path: path.to_owned(), source }),
    }
}

fn put(folder: &Path, name: &str, target: &Path, text: &str) -> io::Result<()> {
    let new = folder.join(format!(".{name}.{}.new", std::process::id()));
    // One that a process of the same number left when it died.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Err(_) | Ok(()) => {}
    }
    let mut file = File::create_new(&new)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let moved = written.and_then(|()| fs::rename(&new, target));
    if moved.is_err() {
        // It is hidden, so it does no harm if it stays.
        let _ = fs::remove_file(&new);
    }
    moved.and_then(|()| sync(folder))
}

/// Makes sure that what is in a folder is so after a loss of power.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const PATH: &str = "scopes/global/adapters.yml";

    #[test]
    fn files_come_change_and_go() {
        let root = tempfile::tempdir().unwrap();
        let text = || fs::read_to_string(root.path().join(PATH)).ok();
        assert!(replace(root.path(), PATH, None, Some("a")).unwrap());
        assert_eq!(text().as_deref(), Some("a"));
        assert!(!replace(root.path(), PATH, None, Some("b")).unwrap(), "it is there");
        assert!(!replace(root.path(), PATH, Some("x"), None).unwrap(), "it is another");
        assert!(replace(root.path(), PATH, Some("a"), Some("b")).unwrap());
        assert_eq!(text().as_deref(), Some("b"));
        assert!(replace(root.path(), PATH, Some("b"), None).unwrap());
        assert_eq!(text(), None);
        assert!(replace(root.path(), PATH, None, None).unwrap());
        let left = fs::read_dir(root.path().join("scopes/global")).unwrap().count();
        assert_eq!(left, 0, "nothing is left behind");
    }

    #[test]
    fn links_are_not_followed() {
        let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(elsewhere.path(), root.path().join("scopes")).unwrap();
        let written = replace(root.path(), PATH, None, Some("a"));
        assert!(matches!(written, Err(InvalidTree::Link { .. })), "{written:?}");
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);

        let root = tempfile::tempdir().unwrap();
        let outside = elsewhere.path().join("outside");
        fs::write(&outside, "a").unwrap();
        fs::create_dir_all(root.path().join("scopes/global")).unwrap();
        symlink(&outside, root.path().join(PATH)).unwrap();
        assert!(matches!(replace(root.path(), PATH, Some("a"), None), Err(InvalidTree::Link { .. })));
    }
}
