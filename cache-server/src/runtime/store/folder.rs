//! Reading a configuration tree from disk, within bounds.

use std::path::{Path, PathBuf};

use policy::SourceFile;
use thiserror::Error;

use crate::limits;

/// A configuration cannot be read, or not be written.
#[derive(Debug, Error)]
pub enum InvalidTree {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is not one file of configuration. Most likely the path is wrong, and to allow everything is not what it
    /// should mean.
    #[error("there is no .yml or .yaml file below {}", path.display())]
    Empty {
        /// The root.
        path: PathBuf,
    },
    /// A bound is passed.
    #[error("{}: {what}, at most {max} are allowed", path.display())]
    TooMuch {
        /// Where.
        path: PathBuf,
        /// What there is too much of.
        what: String,
        /// The bound.
        max: u64,
    },
    /// What is reached through a link is not written.
    #[error("{} is a link, and what it leads to is kept by somebody else", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// Two files are not written.
    #[error("the configuration comes from two files, which are changed where they are")]
    ReadOnly,
    /// Redis does not answer, or answers with an error.
    #[error("{place}: {source}")]
    Redis {
        /// Which, and where in it.
        place: String,
        /// What happened.
        source: Box<redis::RedisError>,
    },
    /// Redis takes too long.
    #[error("{store} gave no answer within {after:?}")]
    Late {
        /// Which.
        store: String,
        /// How long it was waited for.
        after: std::time::Duration,
    },
    /// There is not one key of configuration. Most likely it is the wrong Redis, and to allow everything is not what it
    /// should mean.
    #[error("there is no key {pattern} in {store}")]
    NoKeys {
        /// Which store.
        store: String,
        /// What keys of a configuration look like.
        pattern: &'static str,
    },
}

/// Reads every `.yml` and `.yaml` file below a folder, in the order of their paths. Hidden ones are passed over, and
/// symbolic links are followed: a mounted Kubernetes `ConfigMap` is made of both.
pub fn read_tree(root: &Path) -> Result<Vec<SourceFile>, InvalidTree> {
    let mut paths = Vec::new();
    collect(root, 0, &mut paths)?;
    paths.sort();
    let mut files = Vec::with_capacity(paths.len());
    let mut bytes = 0;
    for path in paths {
        let text = read_bounded(&path, limits::CONFIG_FILE_BYTES)?;
        bytes += text.len() as u64;
        if bytes > limits::CONFIG_BYTES {
            return Err(too_much(root, "more bytes in all files".to_owned(), limits::CONFIG_BYTES));
        }
        files.push(SourceFile { path: relative(root, &path), text });
    }
    if files.is_empty() {
        return Err(InvalidTree::Empty { path: root.to_owned() });
    }
    Ok(files)
}

/// Reads a text file that has at most so many bytes.
pub(crate) fn read_bounded(path: &Path, max: u64) -> Result<String, InvalidTree> {
    use std::io::Read as _;

    let io = |source| InvalidTree::Io { path: path.to_owned(), source };
    // What is no file, a pipe say, could be waited for without an end.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(io(std::io::Error::other("it is not a file")));
    }
    let file = std::fs::File::open(path).map_err(io)?;
    let mut text = String::new();
    // One byte more than allowed tells a file that is too large, also one that grows while it is read.
    file.take(max + 1).read_to_string(&mut text).map_err(io)?;
    if text.len() as u64 > max {
        return Err(too_much(path, "more bytes".to_owned(), max));
    }
    Ok(text)
}

fn collect(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<(), InvalidTree> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| InvalidTree::Io { path, source }
    };
    if depth > limits::CONFIG_DEPTH {
        return Err(too_much(
            folder,
            "more folders below each other".to_owned(),
            limits::CONFIG_DEPTH as u64,
        ));
    }
    for entry in std::fs::read_dir(folder).map_err(io(folder))? {
        let path = entry.map_err(io(folder))?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_hidden {
            continue;
        }
        if std::fs::metadata(&path).map_err(io(&path))?.is_dir() {
            collect(&path, depth + 1, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            paths.push(path);
        }
        if paths.len() > limits::CONFIG_FILES {
            return Err(too_much(folder, "more files".to_owned(), limits::CONFIG_FILES as u64));
        }
    }
    Ok(())
}

fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

fn too_much(path: &Path, what: String, max: u64) -> InvalidTree {
    InvalidTree::TooMuch { path: path.to_owned(), what, max }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn reads_what_is_configuration() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "scopes/global/subjects/global/rules.yml", "b");
        write(root.path(), "scopes/global/adapters.yaml", "a");
        write(root.path(), "scopes/global/list.txt", "no");
        write(root.path(), "scopes/.hidden/rules.yml", "no");
        let files = read_tree(root.path()).unwrap();
        let files: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
        assert_eq!(
            files,
            [("scopes/global/adapters.yaml", "a"), ("scopes/global/subjects/global/rules.yml", "b")]
        );
    }

    #[test]
    fn nothing_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(read_tree(root.path()), Err(InvalidTree::Empty { .. })));
        assert!(matches!(read_tree(&root.path().join("gone")), Err(InvalidTree::Io { .. })));
    }

    #[test]
    fn what_is_no_file_is_an_error_and_is_not_waited_for() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "a.yml", "fine");
        let pipe = root.path().join("b.yml");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let error = read_tree(root.path()).unwrap_err().to_string();
        assert!(error.contains("b.yml") && error.ends_with("it is not a file"), "{error}");
    }

    #[test]
    fn too_much_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let large = " ".repeat(usize::try_from(limits::CONFIG_FILE_BYTES).unwrap() + 1);
        write(root.path(), "a.yml", &large);
        assert!(matches!(read_tree(root.path()), Err(InvalidTree::TooMuch { .. })));
        write(root.path(), "a.yml", "fine");
        let deep = "x/".repeat(limits::CONFIG_DEPTH + 1);
        write(root.path(), &format!("{deep}a.yml"), "deep");
        assert!(matches!(read_tree(root.path()), Err(InvalidTree::TooMuch { .. })));
    }
}
