//! Hearing of changes to the tree from the operating system, and looking now and then all the same.
//!
//! Every folder that reading the tree goes through is watched, whatever links lead there, and beside them the one that
//! the root is in, since the root itself may be a link that is replaced. Watches follow folders, not names: once
//! something changed they are made anew, before the tree is read, so that nothing falls in between.
//!
//! Nothing is lost where this does not work: then the tree is looked at more often.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use super::Hint;
use crate::{limits, telemetry};

/// Says when the tree should be looked at.
pub(in crate::runtime) struct Changes {
    /// The tree's root, or the files that are all there is.
    roots: Vec<PathBuf>,
    heard: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    /// Whether it was said that watching does not work.
    is_said: bool,
}

impl Changes {
    /// Hears of nothing yet.
    pub(super) fn new(roots: &[&PathBuf]) -> Self {
        // Without a folder to go from, which the system always has, the path must do as it is.
        let absolute = |root: &PathBuf| std::path::absolute(root).unwrap_or_else(|_| root.clone());
        let roots = roots.iter().map(|root| absolute(root)).collect();
        Self { roots, heard: Arc::default(), watcher: None, is_said: false }
    }

    /// Waits until the tree should be looked at.
    pub(super) async fn next(&self) -> Hint {
        let poll = if self.is_armed() { limits::CONFIG_POLL } else { limits::CONFIG_POLL_UNWATCHED };
        tokio::select! {
            () = self.heard.notified() => Hint::Changed,
            () = tokio::time::sleep(poll) => Hint::Time,
        }
    }

    /// Whether changes are heard of.
    pub(super) fn is_armed(&self) -> bool {
        self.watcher.is_some()
    }

    /// Watches the tree as it is now.
    pub(super) async fn arm(&mut self) {
        let (roots, heard) = (self.roots.clone(), Arc::clone(&self.heard));
        let before = self.watcher.take();
        let watching = spawn_blocking(move || {
            let watcher = watch(&roots, heard);
            // After the new one began, so that it was never unwatched.
            drop(before);
            watcher
        });
        match watching.await {
            Ok(Ok(watcher)) => {
                self.watcher = Some(watcher);
                self.is_said = false;
            }
            Ok(Err(error)) => self.say(&error.to_string()),
            Err(error) => self.say(&error.to_string()),
        }
    }

    fn say(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.is_said, true) {
            let roots: Vec<_> = self.roots.iter().map(|root| root.display().to_string()).collect();
            telemetry::config_unwatched(&roots.join(", "), reason);
        }
    }
}

fn watch(roots: &[PathBuf], heard: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let below = roots.to_vec();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.map_or(true, |event| below.iter().any(|root| is_change(&event, root))) {
            heard.notify_one();
        }
    })?;
    for root in roots {
        add(&mut watcher, root)?;
    }
    Ok(watcher)
}

fn add(watcher: &mut RecommendedWatcher, root: &Path) -> notify::Result<()> {
    if let Some(parent) = root.parent().filter(|_| root.file_name().is_some()) {
        // That the root itself is replaced is rare; if it cannot be heard of, it is noticed a little later.
        let _ = watcher.watch(parent, RecursiveMode::NonRecursive);
    }
    for folder in folders(root) {
        match watcher.watch(&folder, RecursiveMode::NonRecursive) {
            // Gone in the meantime: that is a change, of which its parent tells.
            Err(error) if is_gone(&error) && folder != *root => {}
            watched => watched?,
        }
    }
    Ok(())
}

/// Whether an event is about the tree and about more than a file being read, as it is when the tree is loaded.
fn is_change(event: &Event, root: &Path) -> bool {
    let is_change = match event.kind {
        EventKind::Access(how) => how == AccessKind::Close(AccessMode::Write),
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    };
    event.need_rescan() || (is_change && event.paths.iter().any(|path| path.starts_with(root)))
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
        notify::ErrorKind::Generic(_)
        | notify::ErrorKind::WatchNotFound
        | notify::ErrorKind::InvalidConfig(_)
        | notify::ErrorKind::MaxFilesWatch => false,
    }
}

/// The root and the folders below that reading the tree goes through. What cannot be looked into is passed over:
/// that it cannot is for the reading to say.
fn folders(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![(root.to_owned(), 0)];
    let mut next = 0;
    while let Some((folder, depth)) = found.get(next).cloned() {
        next += 1;
        if depth == limits::CONFIG_DEPTH {
            continue;
        }
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            let path = entry.path();
            if !is_hidden && path.is_dir() && found.len() < limits::CONFIG_FOLDERS {
                found.push((path, depth + 1));
            }
        }
    }
    found.into_iter().map(|(folder, _)| folder).collect()
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, Flag};

    use super::*;

    #[test]
    fn finds_what_reading_goes_through() {
        let root = tempfile::tempdir().unwrap();
        for path in ["scopes/global/subjects", "..data/x", ".git/objects", "..v1/linked/deep"] {
            std::fs::create_dir_all(root.path().join(path)).unwrap();
        }
        std::os::unix::fs::symlink("..v1/linked", root.path().join("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("dangling")).unwrap();
        let mut found = folders(root.path());
        found.sort();
        let below = ["", "link", "link/deep", "scopes", "scopes/global", "scopes/global/subjects"];
        assert_eq!(found, below.map(|path| root.path().join(path)));
    }

    #[test]
    fn a_link_in_a_circle_has_an_end() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(".", root.path().join("again")).unwrap();
        assert_eq!(folders(root.path()).len(), limits::CONFIG_DEPTH + 1);
    }

    #[test]
    fn reading_is_no_change() {
        let root = Path::new("/etc/mixer");
        let event = |kind, path: &str| Event::new(kind).add_path(PathBuf::from(path));
        let create = EventKind::Create(CreateKind::File);
        assert!(is_change(&event(create, "/etc/mixer/scopes/a.yml"), root));
        assert!(is_change(&event(create, "/etc/mixer"), root));
        assert!(!is_change(&event(create, "/etc/mixer2"), root));
        assert!(!is_change(&event(create, "/etc/passwd"), root));
        let open = EventKind::Access(AccessKind::Open(AccessMode::Any));
        assert!(!is_change(&event(open, "/etc/mixer/scopes/a.yml"), root));
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        assert!(is_change(&event(written, "/etc/mixer/scopes/a.yml"), root));
        assert!(is_change(&Event::new(EventKind::Other).set_flag(Flag::Rescan), root));
    }

    #[tokio::test]
    async fn a_root_that_is_nowhere_cannot_be_watched() {
        let folder = tempfile::tempdir().unwrap();
        let mut changes = Changes::new(&[&folder.path().join("gone")]);
        changes.arm().await;
        assert!(!changes.is_armed());
    }
}
