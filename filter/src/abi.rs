//! Every host call, in one file.
//!
//! The SDK has these too, but it panics when the host answers with a status that it does not expect, and on text
//! that is not UTF-8. Here each status is a value. What must go through the SDK, since it keeps the table that
//! leads the answer back, is the gRPC call: [`grpc_call`].
#![allow(unsafe_code, reason = "host calls are foreign functions that take and return memory")]

use std::ptr::{null, null_mut};
use std::time::Duration;

use client::{Headers, Path};

/// A host call failed with this status of the proxy-wasm ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed(pub(crate) u32);

/// There is no such thing.
pub(crate) const NOT_FOUND: Failed = Failed(1);

/// What the host handed out is not in the form that it should be.
const UNREADABLE: Failed = Failed(u32::MAX);

type Result<T> = std::result::Result<T, Failed>;

/// Levels of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Info = 2,
    Warn = 3,
    Critical = 5,
}

/// Maps of headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Map {
    RequestHeaders = 0,
    ResponseHeaders = 2,
    ResponseTrailers = 3,
}

/// Buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Buffer {
    GrpcReceive = 5,
    PluginConfiguration = 7,
}

/// A counter or gauge that the host keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metric(u32);

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_grpc_send(token: u32, message: *const u8, size: usize, end_stream: u32) -> u32;
    fn proxy_grpc_cancel(token: u32) -> u32;
    fn proxy_get_status(code: *mut u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_done() -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, metric: *mut u32) -> u32;
    fn proxy_increment_metric(metric: u32, offset: i64) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> u32;
}

const MONOTONIC: u32 = 1;
const COUNTER: u32 = 0;
const GAUGE: u32 = 1;
const HTTP_REQUEST: u32 = 0;
const DOWNSTREAM: u32 = 2;
const NO_GRPC_STATUS: i32 = -1;

fn check(status: u32) -> Result<()> {
    if status == 0 { Ok(()) } else { Err(Failed(status)) }
}

/// Takes over memory that the host allocated through the module's allocator.
fn take(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    check(call(&raw mut data, &raw mut size))?;
    if data.is_null() || size == 0 {
        return Ok(Vec::new());
    }
    #[allow(clippy::same_length_and_capacity, reason = "that is what the module's allocator promises")]
    // SAFETY: the host got the memory from the module's `proxy_on_memory_allocate`, which hands out a vector's of
    // exactly this capacity, and gives it away with the call.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// Writes a line to the proxy's log. There is nobody to tell if that fails.
pub(crate) fn log(level: Level, message: &str) {
    // SAFETY: the text outlives the call.
    unsafe { proxy_log(level as u32, message.as_ptr(), message.len()) };
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn unix_nanos() -> Result<u64> {
    let mut time = 0;
    // SAFETY: the host writes one number.
    check(unsafe { proxy_get_current_time_nanoseconds(&raw mut time) })?;
    Ok(time)
}

/// Nanoseconds on a clock that nobody sets.
pub(crate) fn monotonic_nanos() -> Result<u64> {
    let mut time = 0;
    // SAFETY: the host writes one number.
    check(unsafe { clock_time_get(MONOTONIC, 1, &raw mut time) })?;
    Ok(time)
}

/// Has the root context called every so often.
pub(crate) fn set_tick_period(period: Duration) -> Result<()> {
    // SAFETY: only numbers.
    check(unsafe { proxy_set_tick_period_milliseconds(period.as_millis() as u32) })
}

/// The first `max` bytes of a buffer.
pub(crate) fn buffer(buffer: Buffer, max: usize) -> Result<Vec<u8>> {
    // SAFETY: the host writes a pointer and a size.
    take(|data, size| unsafe { proxy_get_buffer_bytes(buffer as u32, 0, max, data, size) })
}

/// All lines of a map.
pub(crate) fn map(map: Map) -> Result<Headers> {
    // SAFETY: the host writes a pointer and a size.
    let bytes = take(|data, size| unsafe { proxy_get_header_map_pairs(map as u32, data, size) })?;
    Headers::decode(bytes).ok_or(UNREADABLE)
}

/// Replaces all lines of a name by one.
pub(crate) fn replace(map: Map, key: &str, value: &str) -> Result<()> {
    let (key, value) = (key.as_bytes(), value.as_bytes());
    // SAFETY: both texts outlive the call.
    check(unsafe {
        proxy_replace_header_map_value(map as u32, key.as_ptr(), key.len(), value.as_ptr(), value.len())
    })
}

/// Adds a line.
pub(crate) fn add(map: Map, key: &str, value: &str) -> Result<()> {
    let (key, value) = (key.as_bytes(), value.as_bytes());
    // SAFETY: both texts outlive the call.
    check(unsafe {
        proxy_add_header_map_value(map as u32, key.as_ptr(), key.len(), value.as_ptr(), value.len())
    })
}

/// Removes all lines of a name.
pub(crate) fn remove(map: Map, key: &str) -> Result<()> {
    // SAFETY: the text outlives the call.
    check(unsafe { proxy_remove_header_map_value(map as u32, key.as_ptr(), key.len()) })
}

/// A property of the effective context.
pub(crate) fn property(path: Path) -> Result<Vec<u8>> {
    let path = path.joined();
    // SAFETY: the path is a constant; the host writes a pointer and a size.
    take(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// Lets the effective context's paused request go on.
pub(crate) fn resume_request() -> Result<()> {
    // SAFETY: only numbers.
    check(unsafe { proxy_continue_stream(HTTP_REQUEST) })
}

/// Lets the effective context's paused connection go on.
pub(crate) fn resume_connection() -> Result<()> {
    // SAFETY: only numbers.
    check(unsafe { proxy_continue_stream(DOWNSTREAM) })
}

/// Closes the effective context's connection.
pub(crate) fn close_connection() -> Result<()> {
    // SAFETY: only numbers.
    check(unsafe { proxy_close_stream(DOWNSTREAM) })
}

/// Answers the effective context's request.
pub(crate) fn reply(reply: &client::LocalReply) -> Result<()> {
    let headers = client::encode_pairs(&reply.headers);
    // SAFETY: everything outlives the call.
    check(unsafe {
        proxy_send_local_response(
            reply.status.into(),
            reply.details.as_ptr(),
            reply.details.len(),
            reply.body.as_ptr(),
            reply.body.len(),
            if headers.is_empty() { null() } else { headers.as_ptr() },
            headers.len(),
            reply.grpc_status.unwrap_or(NO_GRPC_STATUS),
        )
    })
}

/// Calls the server. The answer comes back to the context that is active in the SDK.
///
/// The host takes a cluster's name here, or a serialized `envoy.config.core.v3.GrpcService`; and as a name may well
/// be read as a message – the bytes of `mixer` are one – it is always given the message.
pub(crate) fn grpc_call(cluster: &str, call: &client::Call) -> Result<u32> {
    let service = client::envoy_grpc_service(cluster).ok_or(UNREADABLE)?;
    // Envoy answers with success, "parse failure" for a cluster that it does not know, or "internal failure": the
    // three that the SDK takes.
    proxy_wasm::hostcalls::dispatch_grpc_call(
        &service,
        proto::path::SERVICE,
        call.method,
        Vec::new(),
        Some(&call.message),
        call.timeout,
    )
    .map_err(|status| Failed(status as u32))
}

/// Opens a stream. What comes back comes to the context that is active in the SDK.
pub(crate) fn grpc_open(cluster: &str, service: &str, method: &str) -> Result<u32> {
    let cluster = client::envoy_grpc_service(cluster).ok_or(UNREADABLE)?;
    // The same three statuses as for a call.
    proxy_wasm::hostcalls::open_grpc_stream(&cluster, service, method, Vec::new())
        .map_err(|status| Failed(status as u32))
}

/// Says something on a stream.
pub(crate) fn grpc_send(token: u32, message: &[u8], is_last: bool) -> Result<()> {
    // SAFETY: the message outlives the call.
    check(unsafe { proxy_grpc_send(token, message.as_ptr(), message.len(), is_last.into()) })
}

/// Opens a stream on which the server only answers, and says all that there is to say on it.
pub(crate) fn grpc_watch(cluster: &str, message: &[u8]) -> Result<u32> {
    let token = grpc_open(cluster, proto::path::FEED_SERVICE, proto::path::WATCH)?;
    if let Err(failed) = grpc_send(token, message, true) {
        let _ = grpc_cancel(token);
        return Err(failed);
    }
    Ok(token)
}

/// Gives a call or a stream up.
pub(crate) fn grpc_cancel(token: u32) -> Result<()> {
    // SAFETY: only numbers.
    check(unsafe { proxy_grpc_cancel(token) })
}

/// The message of the gRPC status that the current callback is about.
pub(crate) fn grpc_status_message() -> String {
    let mut code = 0;
    // SAFETY: the host writes a number, a pointer and a size.
    let message = take(|data, size| unsafe { proxy_get_status(&raw mut code, data, size) });
    String::from_utf8_lossy(&message.unwrap_or_default()).into_owned()
}

/// Makes the following host calls about a context.
pub(crate) fn set_effective_context(context: u32) -> Result<()> {
    // SAFETY: only numbers.
    check(unsafe { proxy_set_effective_context(context) })
}

/// Nothing is left to do for the effective context, which was not done when it was told to end.
pub(crate) fn done() -> Result<()> {
    // SAFETY: no arguments.
    check(unsafe { proxy_done() })
}

/// Defines a counter or a gauge.
pub(crate) fn define_metric(name: &str, is_gauge: bool) -> Result<Metric> {
    let mut metric = 0;
    let kind = if is_gauge { GAUGE } else { COUNTER };
    // SAFETY: the name outlives the call; the host writes one number.
    check(unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut metric) })?;
    Ok(Metric(metric))
}

/// Counts; only a gauge goes down.
pub(crate) fn increment(metric: Metric, by: i64) -> Result<()> {
    // SAFETY: only numbers.
    check(unsafe { proxy_increment_metric(metric.0, by) })
}
