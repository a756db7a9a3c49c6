//! The exports that go, the bytes that stay, and the promise that the filter does not miss them.

use super::{HEADER, UNUSED, without_unused};
use crate::workspace;

/// A section: its number, its length, its body.
fn section(id: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![id];
    super::write_number(&mut bytes, body.len());
    bytes.extend(body);
    bytes
}

/// A module with a section before and one behind its exports.
fn module(names: &[&str]) -> Vec<u8> {
    let mut exports = vec![names.len() as u8];
    for name in names {
        exports.push(name.len() as u8);
        exports.extend(name.as_bytes());
        exports.extend([0, 0x85, 0x01]); // A function with an index of two bytes.
    }
    [HEADER, &section(3, b"before"), &section(7, &exports), &section(10, &[7; 300])].concat()
}

#[test]
fn unused_callbacks_go_and_the_rest_stays_as_it_was() {
    let all =
        module(&["memory", "proxy_on_request_body", "proxy_on_request_headers", "proxy_on_queue_ready"]);
    let slim = without_unused(&all).expect("a module");
    assert_eq!(slim, module(&["memory", "proxy_on_request_headers"]));
    assert_eq!(without_unused(&slim).expect("a module"), slim, "nothing is left to take out");
}

#[test]
fn what_is_not_a_whole_module_is_refused() {
    let whole = module(&["memory", "proxy_on_request_body"]);
    assert!(without_unused(b"#!/bin/sh").is_err());
    assert!(without_unused(&whole[..whole.len() - 1]).is_err());
    assert!(without_unused(&[HEADER, &[7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]].concat()).is_err());
}

#[test]
fn the_filter_implements_no_callback_that_is_taken_out() {
    for (path, source) in workspace::filter_sources() {
        for (export, method) in UNUSED {
            let implemented = source.contains(&format!("fn {method}("));
            assert!(!implemented, "{} implements {method}: keep {export}", path.display());
        }
    }
}
