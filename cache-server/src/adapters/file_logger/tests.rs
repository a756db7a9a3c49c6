//! Tests of the handler; those of the file are with it.

use serde_json::json;

use super::*;
use crate::adapters;
use crate::adapters::fixture::{block, dropped, entry, surroundings};

#[tokio::test]
async fn entries_end_up_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let surroundings = Surroundings { log_root: Some(folder.path().to_owned()), ..surroundings() };
    for (params, file) in [(json!({ "file": "a/b.txt" }), "a/b.txt"), (json!({}), "test.log")] {
        let mut params = params;
        params["format"] = "TEXT".into();
        let handler = adapters::build(&block("fileLogger", params), &surroundings).unwrap();
        let path = folder.path().join(file);
        assert!(!path.exists(), "it is not in force");
        handler.in_force();
        handler.log(vec![entry("one"), entry("two")]).await.unwrap();
        handler.flush().await;
        assert_eq!(std::fs::read_to_string(path).unwrap(), "one\ntwo\n");
    }
}

#[tokio::test]
async fn what_cannot_be_written_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("test.log")).unwrap();
    let surroundings = Surroundings { log_root: Some(folder.path().to_owned()), ..surroundings() };
    let handler = adapters::build(&block("fileLogger", json!({})), &surroundings).unwrap();
    handler.in_force();
    handler.log(vec![entry("one"), entry("two")]).await.unwrap();
    handler.flush().await;
    assert_eq!(dropped(&surroundings, "write failed"), 2);
}

#[test]
fn without_a_folder_for_logs_there_is_no_handler() {
    let error = adapters::build(&block("fileLogger", json!({})), &surroundings()).err().unwrap();
    assert!(error.reason.contains("--log-root"), "{error}");
}

#[test]
fn parameters_are_checked() {
    let paths = |params: serde_json::Value| -> Vec<String> {
        validate(&params).err().unwrap_or_default().into_iter().map(|problem| problem.path).collect()
    };
    let all =
        json!({ "file": "a/b.log", "max_size_bytes": 1, "maxAge": "24h", "maxFiles": 0, "format": "TEXT" });
    assert_eq!(paths(all), Vec::<String>::new());
    for file in ["", "/etc/passwd", "../a", "a/../../b"] {
        assert_eq!(paths(json!({ "file": file })), ["file"], "{file}");
    }
    let wrong = json!({ "maxSizeBytes": 0, "maxAge": "0s", "maxFiles": 1001 });
    assert_eq!(paths(wrong), ["maxSizeBytes", "maxAge", "maxFiles"]);
}
