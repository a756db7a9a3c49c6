//! A virtual machine with the filter in it, and the callbacks into it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use wasmtime::{Instance, Store, WasmParams, WasmResults};

use super::world::InlineFailure;
use super::{Outcome, Status, Stream, World, module};
use tests::programs;

/// The root context.
pub(super) const ROOT: u32 = 1;

/// Where the clocks stand when a machine starts: an hour after the machine's boot, some day of 2017.
const MONOTONIC: u64 = 3_600_000_000_000;
const WALL: u64 = 1_500_000_000_000_000_000;

/// A virtual machine: fresh, with a root context.
pub(crate) struct Vm {
    store: Store<World>,
    instance: Instance,
    last_context: u32,
}

impl Vm {
    /// A machine with the filter that the environment names, or a printed line that says why the test did not run.
    ///
    /// # Errors
    /// When the filter does not start.
    pub(crate) fn or_skip() -> Result<Option<Self>> {
        let Some(filter) = module::filter()? else {
            let thread = std::thread::current();
            let test = thread.name().unwrap_or("a test");
            println!("skipped {test}: {} is not set; `cargo xtask test` sets it", programs::FILTER);
            return Ok(None);
        };
        let world = World { monotonic: MONOTONIC, wall: WALL, ..World::default() };
        let mut store = Store::new(filter.module().engine(), world);
        store.set_fuel(u64::MAX)?;
        let instance = filter.instantiate(&mut store)?;
        let mut vm = Self { store, instance, last_context: ROOT };
        vm.call::<(), ()>("_initialize", ())?;
        vm.call::<_, ()>("proxy_on_context_create", (ROOT, 0_u32))?;
        vm.call::<_, u32>("proxy_on_vm_start", (ROOT, 0_u32))?;
        Ok(Some(vm))
    }

    /// What the filter sees and did.
    pub(crate) fn world(&self) -> &World {
        self.store.data()
    }

    /// The same, to be changed.
    pub(crate) fn world_mut(&mut self) -> &mut World {
        self.store.data_mut()
    }

    /// A stream.
    ///
    /// # Errors
    /// When it was deleted.
    pub(crate) fn stream(&self, context: u32) -> Result<&Stream> {
        self.world().streams.get(&context).with_context(|| format!("there is no stream {context}"))
    }

    /// What became of a stream.
    pub(crate) fn outcome(&self, context: u32) -> Outcome {
        self.world().outcome(context)
    }

    /// Bytes of the machine's memory.
    pub(crate) fn memory_bytes(&mut self) -> usize {
        let memory = self.instance.get_memory(&mut self.store, "memory");
        memory.map_or(0, |memory| memory.data_size(&self.store))
    }

    /// Instructions that it has executed.
    ///
    /// # Errors
    /// When they are not counted.
    pub(crate) fn instructions(&self) -> Result<u64> {
        Ok(u64::MAX - self.store.get_fuel()?)
    }

    /// Gives the filter a configuration; whether it took it.
    pub(crate) fn configure(&mut self, configuration: impl Into<Vec<u8>>) -> Result<bool> {
        self.world_mut().configuration = configuration.into();
        let size = self.world().configuration.len() as u32;
        Ok(self.call::<_, u32>("proxy_on_configure", (ROOT, size))? != 0)
    }

    /// A new stream; its context.
    pub(crate) fn open(&mut self, stream: Stream) -> Result<u32> {
        self.last_context += 1;
        self.open_as(self.last_context, stream)
    }

    /// A new stream with a context that may have been another's before.
    pub(crate) fn open_as(&mut self, context: u32, stream: Stream) -> Result<u32> {
        self.world_mut().streams.insert(context, stream);
        self.call::<_, ()>("proxy_on_context_create", (context, ROOT))?;
        Ok(context)
    }

    /// A stream's request headers have come.
    pub(crate) fn request_headers(&mut self, context: u32) -> Result<Outcome> {
        self.begin(context, "proxy_on_request_headers", (context, 4_u32, 1_u32))
    }

    /// A connection was accepted; its context.
    pub(crate) fn connection(&mut self, stream: Stream) -> Result<u32> {
        let context = self.open(stream)?;
        self.begin(context, "proxy_on_new_connection", context)?;
        Ok(context)
    }

    /// A connection has brought data.
    pub(crate) fn downstream_data(&mut self, context: u32, size: u32) -> Result<Outcome> {
        self.begin(context, "proxy_on_downstream_data", (context, size, 0_u32))
    }

    /// A callback that says whether a stream goes on.
    fn begin<P: WasmParams>(&mut self, context: u32, export: &str, parameters: P) -> Result<Outcome> {
        self.world_mut().in_request_headers = Some(context);
        let action = self.call_about::<_, u32>(context, export, parameters);
        self.world_mut().in_request_headers = None;
        let goes_on = action? == 0;
        let stream = self.world_mut().streams.get_mut(&context).context("no stream")?;
        if goes_on && (stream.reply.is_some() || stream.closed) {
            bail!("stream {context} was answered and let go at once");
        }
        stream.paused = !goes_on;
        Ok(stream.outcome())
    }

    /// Opens a stream with its request headers; its context.
    pub(crate) fn request(&mut self, stream: Stream) -> Result<u32> {
        let context = self.open(stream)?;
        self.request_headers(context)?;
        Ok(context)
    }

    /// A stream's response headers have come.
    pub(crate) fn response_headers(&mut self, context: u32) -> Result<()> {
        self.call_about::<_, u32>(context, "proxy_on_response_headers", (context, 1_u32, 0_u32))?;
        Ok(())
    }

    /// A stream is logged.
    pub(crate) fn log(&mut self, context: u32) -> Result<()> {
        self.call_about::<_, u32>(context, "proxy_on_done", context)?;
        self.call_about::<_, ()>(context, "proxy_on_log", context)
    }

    /// A stream is gone.
    pub(crate) fn delete(&mut self, context: u32) -> Result<()> {
        let done = self.call_about::<_, ()>(context, "proxy_on_delete", context);
        self.world_mut().streams.remove(&context);
        done
    }

    /// The server answers a call, or says something on a stream of its own.
    pub(crate) fn receive(&mut self, token: u32, message: impl Into<Vec<u8>>) -> Result<()> {
        let message = message.into();
        let size = message.len() as u32;
        self.world_mut().answer = message;
        self.call::<_, ()>("proxy_on_grpc_receive", (ROOT, token, size))
    }

    /// The server, or the proxy for it, ends a call or a stream of its own with a status.
    pub(crate) fn close(&mut self, token: u32, status: u32, message: impl Into<Vec<u8>>) -> Result<()> {
        self.world_mut().status = (status, message.into());
        self.call::<_, ()>("proxy_on_grpc_close", (ROOT, token, status))
    }

    /// From now on calls or streams end, with this status of gRPC, before the host call `import` about them has
    /// returned, which then says `then`.
    pub(crate) fn fail_inline(&mut self, import: &'static str, grpc_status: u32, then: Result<(), Status>) {
        self.world_mut().inline_failure = Some(InlineFailure { import, grpc_status, then });
    }

    /// The plugin itself is taken down.
    pub(crate) fn shut_down(&mut self) -> Result<()> {
        self.call::<_, u32>("proxy_on_done", ROOT)?;
        self.call::<_, ()>("proxy_on_log", ROOT)?;
        self.call::<_, ()>("proxy_on_delete", ROOT)
    }

    /// Time passes, and the filter is told.
    pub(crate) fn tick(&mut self, after: Duration) -> Result<()> {
        let nanos = after.as_nanos() as u64;
        let world = self.world_mut();
        world.monotonic += nanos;
        world.wall += nanos;
        self.call::<_, ()>("proxy_on_tick", ROOT)
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, export: &str, parameters: P) -> Result<R> {
        self.call_about(ROOT, export, parameters)
    }

    fn call_about<P: WasmParams, R: WasmResults>(
        &mut self,
        context: u32,
        export: &str,
        parameters: P,
    ) -> Result<R> {
        self.world_mut().effective = context;
        let function = self.instance.get_typed_func::<P, R>(&mut self.store, export)?;
        let result = function.call(&mut self.store, parameters);
        let result = result.map_err(anyhow::Error::from).with_context(|| format!("{export} trapped"))?;
        match self.world().violations.as_slice() {
            [] => Ok(result),
            violations => bail!("in {export}: {}", violations.join("; ")),
        }
    }
}
