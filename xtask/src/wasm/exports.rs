//! Takes callbacks that the filter does not implement out of the module's exports.
//!
//! The SDK exports every callback of the ABI, and Envoy calls each one that it finds, at a few microseconds a call:
//! for each piece of a body, each set of trailers. A callback that is not exported is not called, and Envoy goes on as
//! the SDK's empty default would have told it to. Only the list of exports changes; no index moves.

use std::ops::Range;

use anyhow::{Context as _, Result, ensure};

/// Callbacks of the ABI, each with the method of the SDK that it would call. The filter implements none of them.
const UNUSED: [(&str, &str); 12] = [
    ("proxy_on_request_body", "on_http_request_body"),
    ("proxy_on_request_trailers", "on_http_request_trailers"),
    ("proxy_on_response_body", "on_http_response_body"),
    ("proxy_on_response_trailers", "on_http_response_trailers"),
    ("proxy_on_http_call_response", "on_http_call_response"),
    ("proxy_on_grpc_receive_initial_metadata", "on_grpc_stream_initial_metadata"),
    ("proxy_on_grpc_receive_trailing_metadata", "on_grpc_stream_trailing_metadata"),
    ("proxy_on_queue_ready", "on_queue_ready"),
    ("proxy_on_foreign_function", "on_foreign_function"),
    ("proxy_on_downstream_connection_close", "on_downstream_close"),
    ("proxy_on_upstream_data", "on_upstream_data"),
    ("proxy_on_upstream_connection_close", "on_upstream_close"),
];

/// Magic number and version of a module.
const HEADER: &[u8] = b"\0asm\x01\0\0\0";

/// The number of the section that lists the exports.
const EXPORT_SECTION: u8 = 7;

/// The module without the exports that nothing implements.
pub(super) fn without_unused(module: &[u8]) -> Result<Vec<u8>> {
    ensure!(module.starts_with(HEADER), "not a WebAssembly module");
    let mut slim = HEADER.to_vec();
    let mut reader = Reader { bytes: module, at: HEADER.len() };
    while reader.at < module.len() {
        let start = reader.at;
        let id = reader.byte()?;
        let body = reader.sized()?;
        if id == EXPORT_SECTION {
            let kept = kept_exports(&module[body])?;
            slim.push(id);
            write_number(&mut slim, kept.len());
            slim.extend(kept);
        } else {
            slim.extend(&module[start..body.end]);
        }
    }
    Ok(slim)
}

/// The body of the section with the exports, without the unused ones.
fn kept_exports(section: &[u8]) -> Result<Vec<u8>> {
    let mut reader = Reader { bytes: section, at: 0 };
    let mut kept: Vec<u8> = Vec::new();
    let mut count = 0;
    for _ in 0..reader.number()? {
        let start = reader.at;
        let name = reader.sized()?;
        reader.byte()?; // What kind of thing it is,
        reader.number()?; // and the index of it.
        if !UNUSED.iter().any(|(export, _)| export.as_bytes() == &section[name.clone()]) {
            kept.extend(&section[start..reader.at]);
            count += 1;
        }
    }
    let mut body = Vec::new();
    write_number(&mut body, count);
    body.extend(kept);
    Ok(body)
}

/// A place in some bytes.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.at).context("the module ends too early")?;
        self.at += 1;
        Ok(byte)
    }

    /// An unsigned number of up to 32 bits: seven of them in a byte, low ones first.
    fn number(&mut self) -> Result<usize> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        anyhow::bail!("a number is too long")
    }

    /// Where something lies that is preceded by its length.
    fn sized(&mut self) -> Result<Range<usize>> {
        let length = self.number()?;
        let range = self.at..self.at + length;
        ensure!(range.end <= self.bytes.len(), "the module ends too early");
        self.at = range.end;
        Ok(range)
    }
}

fn write_number(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[cfg(test)]
mod tests;
