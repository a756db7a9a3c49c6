//! The host calls that the filter needs, over the world.

use wasmtime::{Caller, Extern, Linker, Result};

use super::world::{Call, Feed, Lines, LocalReply};
use super::{Status, World};

/// Why a host call did not succeed.
enum Failure {
    /// It says so.
    Status(Status),
    /// The module itself broke while it was called back.
    Trap(wasmtime::Error),
}

type Outcome<T = ()> = std::result::Result<T, Failure>;

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// The module while it calls.
struct Guest<'a>(Caller<'a, World>);

impl Guest<'_> {
    fn world(&mut self) -> &mut World {
        self.0.data_mut()
    }

    fn memory(&mut self) -> Outcome<wasmtime::Memory> {
        let memory = self.0.get_export("memory").and_then(Extern::into_memory);
        memory.ok_or(Failure::Status(Status::InvalidMemoryAccess))
    }

    fn read(&mut self, at: u32, size: u32) -> Outcome<Vec<u8>> {
        let (at, size) = (at as usize, size as usize);
        let memory = self.memory()?;
        let bytes = memory.data(&self.0).get(at..at.saturating_add(size));
        bytes.map(<[u8]>::to_vec).ok_or(Failure::Status(Status::InvalidMemoryAccess))
    }

    fn text(&mut self, at: u32, size: u32) -> Outcome<String> {
        String::from_utf8(self.read(at, size)?).map_err(|_| Failure::Status(Status::BadArgument))
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Outcome {
        let memory = self.memory()?;
        memory.write(&mut self.0, at as usize, bytes).map_err(|_| Status::InvalidMemoryAccess.into())
    }

    /// Puts bytes into memory that the module allocates, and tells it where.
    fn give(&mut self, bytes: &[u8], data: u32, size: u32) -> Outcome {
        let at = if bytes.is_empty() { 0 } else { self.allocate(bytes.len())? };
        self.write(at, bytes)?;
        self.write(data, &at.to_le_bytes())?;
        self.write(size, &(bytes.len() as u32).to_le_bytes())
    }

    fn allocate(&mut self, size: usize) -> Outcome<u32> {
        let export = ["proxy_on_memory_allocate", "malloc"]
            .iter()
            .find_map(|name| self.0.get_export(name))
            .and_then(Extern::into_func)
            .ok_or(Failure::Status(Status::InternalFailure))?;
        let allocate = export.typed::<u32, u32>(&self.0).map_err(Failure::Trap)?;
        allocate.call(&mut self.0, size as u32).map_err(Failure::Trap)
    }
}

/// One host call: noted, failed if a fault says so, done otherwise.
fn host_call(
    caller: Caller<'_, World>,
    import: &'static str,
    act: impl FnOnce(&mut Guest<'_>) -> Outcome,
) -> Result<u32> {
    let mut guest = Guest(caller);
    if let Err(status) = guest.world().enter(import) {
        if ["proxy_continue_stream", "proxy_close_stream", "proxy_send_local_response"].contains(&import) {
            let context = guest.world().effective;
            guest.world().refuse(context);
        }
        return Ok(status as u32);
    }
    match act(&mut guest) {
        Ok(()) => Ok(0),
        Err(Failure::Status(status)) => Ok(status as u32),
        Err(Failure::Trap(error)) => Err(error),
    }
}

type At<'a> = Caller<'a, World>;

/// Defines them all.
pub(super) fn define(linker: &mut Linker<World>) -> Result<()> {
    define_surroundings(linker)?;
    define_stream(linker)?;
    define_maps(linker)?;
    define_calls(linker)?;
    define_feeds(linker)
}

/// Log, clocks, timer, counters, buffers.
fn define_surroundings(linker: &mut Linker<World>) -> Result<()> {
    linker.func_wrap("env", "proxy_log", |c: At<'_>, _level: u32, at: u32, size: u32| {
        host_call(c, "proxy_log", |guest| {
            let line = guest.text(at, size)?;
            guest.world().log.push(line);
            Ok(())
        })
    })?;
    linker.func_wrap("env", "proxy_get_current_time_nanoseconds", |c: At<'_>, at: u32| {
        host_call(c, "proxy_get_current_time_nanoseconds", |guest| {
            let time = guest.world().wall.to_le_bytes();
            guest.write(at, &time)
        })
    })?;
    linker.func_wrap(
        "wasi_snapshot_preview1",
        "clock_time_get",
        |c: At<'_>, clock: u32, _precision: u64, at: u32| {
            host_call(c, "clock_time_get", |guest| {
                let world = guest.world();
                let time = if clock == 0 { world.wall } else { world.monotonic };
                guest.write(at, &time.to_le_bytes())
            })
        },
    )?;
    linker.func_wrap("env", "proxy_set_tick_period_milliseconds", |c: At<'_>, period: u32| {
        host_call(c, "proxy_set_tick_period_milliseconds", |guest| {
            guest.world().tick_period = Some(period);
            Ok(())
        })
    })?;
    linker.func_wrap(
        "env",
        "proxy_define_metric",
        |c: At<'_>, _kind: u32, name: u32, name_size: u32, at: u32| {
            host_call(c, "proxy_define_metric", |guest| {
                let name = guest.text(name, name_size)?;
                let names = &mut guest.world().metric_names;
                names.push(name);
                let number = names.len() as u32;
                guest.write(at, &number.to_le_bytes())
            })
        },
    )?;
    linker.func_wrap("env", "proxy_increment_metric", |c: At<'_>, number: u32, by: i64| {
        host_call(c, "proxy_increment_metric", |guest| {
            let world = guest.world();
            let name = world.metric_names.get((number as usize).wrapping_sub(1)).ok_or(Status::NotFound)?;
            *world.metrics.entry(name.clone()).or_default() += by;
            Ok(())
        })
    })?;
    linker.func_wrap(
        "env",
        "proxy_get_buffer_bytes",
        |c: At<'_>, buffer: u32, start: u32, max: u32, data: u32, size: u32| {
            host_call(c, "proxy_get_buffer_bytes", |guest| {
                let world = guest.world();
                let bytes = match buffer {
                    5 => &world.answer,
                    7 => &world.configuration,
                    _ => return Err(Status::NotFound.into()),
                };
                let rest = bytes.get(start as usize..).ok_or(Status::BadArgument)?;
                let bytes = rest[..rest.len().min(max as usize)].to_vec();
                guest.give(&bytes, data, size)
            })
        },
    )?;
    Ok(())
}

/// What is done to streams.
fn define_stream(linker: &mut Linker<World>) -> Result<()> {
    linker.func_wrap("env", "proxy_set_effective_context", |mut c: At<'_>, context: u32| {
        if c.data().is_faulty("proxy_set_effective_context") {
            c.data_mut().refuse(context);
        }
        host_call(c, "proxy_set_effective_context", |guest| {
            let world = guest.world();
            let is_known = context == super::vm::ROOT || world.streams.contains_key(&context);
            if !is_known {
                return Err(Status::BadArgument.into());
            }
            world.effective = context;
            Ok(())
        })
    })?;
    linker.func_wrap("env", "proxy_continue_stream", |c: At<'_>, _stream: u32| {
        host_call(c, "proxy_continue_stream", |guest| Ok(guest.world().resume()?))
    })?;
    linker.func_wrap("env", "proxy_close_stream", |c: At<'_>, _stream: u32| {
        host_call(c, "proxy_close_stream", |guest| Ok(guest.world().close()?))
    })?;
    linker.func_wrap(
        "env",
        "proxy_send_local_response",
        |c: At<'_>,
         status: u32,
         details: u32,
         details_size: u32,
         body: u32,
         body_size: u32,
         headers: u32,
         headers_size: u32,
         grpc_status: i32| {
            host_call(c, "proxy_send_local_response", |guest| {
                let reply = LocalReply {
                    status,
                    grpc_status,
                    body: guest.text(body, body_size)?,
                    headers: guest.read(headers, headers_size)?,
                    details: guest.text(details, details_size)?,
                };
                Ok(guest.world().reply(reply)?)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_property",
        |c: At<'_>, path: u32, path_size: u32, data: u32, size: u32| {
            host_call(c, "proxy_get_property", |guest| {
                let path = guest.text(path, path_size)?.replace('\0', ".");
                let value = guest.world().stream()?.properties.get(&path).cloned();
                guest.give(&value.ok_or(Status::NotFound)?, data, size)
            })
        },
    )?;
    Ok(())
}

fn lines(world: &mut World, map: u32) -> std::result::Result<&mut Lines, Status> {
    let stream = world.stream()?;
    match map {
        0 => Ok(&mut stream.request),
        2 => Ok(&mut stream.response),
        3 => Ok(&mut stream.trailers),
        _ => Err(Status::BadArgument),
    }
}

/// Header maps.
fn define_maps(linker: &mut Linker<World>) -> Result<()> {
    linker.func_wrap("env", "proxy_get_header_map_pairs", |c: At<'_>, map: u32, data: u32, size: u32| {
        host_call(c, "proxy_get_header_map_pairs", |guest| {
            let bytes = lines(guest.world(), map)?.encode();
            guest.give(&bytes, data, size)
        })
    })?;
    linker.func_wrap(
        "env",
        "proxy_replace_header_map_value",
        |c: At<'_>, map: u32, name: u32, name_size: u32, value: u32, value_size: u32| {
            host_call(c, "proxy_replace_header_map_value", |guest| {
                let (name, value) = (guest.text(name, name_size)?, guest.read(value, value_size)?);
                let lines = lines(guest.world(), map)?;
                lines.remove(name.as_bytes());
                lines.push(&name, value);
                Ok(())
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_add_header_map_value",
        |c: At<'_>, map: u32, name: u32, name_size: u32, value: u32, value_size: u32| {
            host_call(c, "proxy_add_header_map_value", |guest| {
                let (name, value) = (guest.text(name, name_size)?, guest.read(value, value_size)?);
                lines(guest.world(), map)?.push(&name, value);
                Ok(())
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_remove_header_map_value",
        |c: At<'_>, map: u32, name: u32, name_size: u32| {
            host_call(c, "proxy_remove_header_map_value", |guest| {
                let name = guest.read(name, name_size)?;
                lines(guest.world(), map)?.remove(&name);
                Ok(())
            })
        },
    )?;
    Ok(())
}

/// Calls to the server.
fn define_calls(linker: &mut Linker<World>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_grpc_call",
        |c: At<'_>,
         upstream: u32,
         upstream_size: u32,
         _service: u32,
         _service_size: u32,
         method: u32,
         method_size: u32,
         _metadata: u32,
         _metadata_size: u32,
         message: u32,
         message_size: u32,
         timeout_ms: u32,
         token_at: u32| {
            host_call(c, "proxy_grpc_call", |guest| {
                let token = guest.world().next_token();
                let call = Call {
                    token,
                    upstream: guest.read(upstream, upstream_size)?,
                    method: guest.text(method, method_size)?,
                    message: guest.read(message, message_size)?,
                    timeout_ms,
                    cancelled: false,
                };
                guest.world().calls.push(call);
                guest.write(token_at, &token.to_le_bytes())?;
                fail_inline(guest, "proxy_grpc_call", token)
            })
        },
    )?;
    linker.func_wrap("env", "proxy_grpc_cancel", |c: At<'_>, token: u32| {
        host_call(c, "proxy_grpc_cancel", |guest| {
            let world = guest.world();
            let call =
                world.calls.iter_mut().find(|call| call.token == token).map(|call| &mut call.cancelled);
            let feed = world.feeds.iter_mut().find(|feed| feed.token == token).map(|feed| &mut feed.ended);
            *call.or(feed).ok_or(Status::NotFound)? = true;
            Ok(())
        })
    })?;
    linker.func_wrap("env", "proxy_get_status", |c: At<'_>, code: u32, data: u32, size: u32| {
        host_call(c, "proxy_get_status", |guest| {
            let (number, message) = guest.world().status.clone();
            guest.write(code, &number.to_le_bytes())?;
            guest.give(&message, data, size)
        })
    })?;
    Ok(())
}

/// Streams of the server's.
fn define_feeds(linker: &mut Linker<World>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_grpc_stream",
        |c: At<'_>,
         upstream: u32,
         upstream_size: u32,
         _service: u32,
         _service_size: u32,
         method: u32,
         method_size: u32,
         _metadata: u32,
         _metadata_size: u32,
         token_at: u32| {
            host_call(c, "proxy_grpc_stream", |guest| {
                let token = guest.world().next_token();
                let feed = Feed {
                    token,
                    upstream: guest.read(upstream, upstream_size)?,
                    method: guest.text(method, method_size)?,
                    sent: Vec::new(),
                    ended: false,
                };
                guest.world().feeds.push(feed);
                guest.write(token_at, &token.to_le_bytes())?;
                fail_inline(guest, "proxy_grpc_stream", token)
            })
        },
    )?;
    linker.func_wrap("env", "proxy_grpc_send", |c: At<'_>, token: u32, at: u32, size: u32, _end: u32| {
        host_call(c, "proxy_grpc_send", |guest| {
            let message = guest.read(at, size)?;
            let feed = guest.world().feeds.iter_mut().find(|feed| feed.token == token);
            feed.ok_or(Status::NotFound)?.sent.push(message);
            fail_inline(guest, "proxy_grpc_send", token)
        })
    })?;
    linker.func_wrap("env", "proxy_grpc_close", |c: At<'_>, token: u32| {
        host_call(c, "proxy_grpc_close", |guest| {
            let feed = guest.world().feeds.iter_mut().find(|feed| feed.token == token);
            feed.ok_or(Status::NotFound)?.ended = true;
            Ok(())
        })
    })?;
    Ok(())
}

/// Tells the module that its call failed while it still waits for the host call to return: what Envoy does when the
/// cluster has no host.
fn fail_inline(guest: &mut Guest<'_>, import: &str, token: u32) -> Outcome {
    let failure = guest.world().inline_failure.filter(|failure| failure.import == import);
    let Some(failure) = failure else { return Ok(()) };
    let context = guest.world().effective;
    guest.world().status = (failure.grpc_status, b"no healthy upstream".to_vec());
    let export = guest.0.get_export("proxy_on_grpc_close").and_then(Extern::into_func);
    let close = export.ok_or(Failure::Status(Status::InternalFailure))?;
    let close = close.typed::<(u32, u32, u32), ()>(&guest.0).map_err(Failure::Trap)?;
    close.call(&mut guest.0, (context, token, failure.grpc_status)).map_err(Failure::Trap)?;
    Ok(failure.then?)
}
