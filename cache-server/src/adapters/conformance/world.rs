//! What one adapter is run in: a thread, a runtime, a clock, folders and a backend that nobody else has.
//!
//! The clock stands still and jumps to the next moment that somebody waits for, so that what is measured on it is what
//! was waited for and no slow machine changes it. The threads of the runtime, and all that are begun from it without a
//! name, bear a name of their own, by which they are counted.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use policy::HandlerConfig;
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::{Backend, Subject, subjects};
use crate::adapters::{Handler, InvalidHandler, Recall, Surroundings};

/// How long anything may take before the suite gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The name of the block that most properties are shown with.
pub(super) const BLOCK: &str = "block";

pub(super) struct World {
    pub(super) subject: Subject,
    pub(super) surroundings: Surroundings,
    backend: Hanging,
    thread_name: String,
    folder: TempDir,
}

/// A backend that can be reached and never says anything.
enum Hanging {
    None,
    Tcp(TcpListener),
    Udp(UdpSocket),
}

/// What there is of an adapter's doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Traces {
    tasks: usize,
    threads: usize,
    files: Vec<String>,
    /// Whether the backend heard anything.
    is_backend_asked: bool,
}

/// Shows a property of each adapter.
pub(super) fn for_each(property: impl AsyncFn(&World) + Copy + Send + 'static) {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    for subject in subjects() {
        println!("{}", subject.adapter.info.name);
        let name = format!("suite{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let (done, wait) = mpsc::channel();
        let thread = std::thread::Builder::new().name(name.clone()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .thread_name(&name)
                .thread_keep_alive(Duration::from_millis(1))
                .build()
                .unwrap();
            runtime.block_on(async { property(&World::new(subject, name)).await });
            // What is under way on other threads is none of the property's concern.
            runtime.shutdown_background();
            let _ = done.send(());
        });
        let hangs = wait.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
        assert!(!hangs, "{}: it hangs", subject.adapter.info.name);
        if let Err(panic) = thread.unwrap().join() {
            std::panic::resume_unwind(panic);
        }
    }
}

// === impl World ===

impl World {
    fn new(subject: Subject, thread_name: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backend = Hanging::new(subject.backend);
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        write("list.txt", "192.0.2.1\n");
        write("inventory.yml", "[{ uid: file, ip: 192.0.2.1, name: c, namespace: d }]");
        write("kubeconfig", &kubeconfig(&backend.address()));
        let surroundings = Surroundings {
            root: folder.path().to_owned(),
            telemetry: Arc::default(),
            metrics: Arc::default(),
            log_root: Some(folder.path().join("logs")),
            recall: Recall::default(),
        };
        Self { subject, surroundings, backend, thread_name, folder }
    }

    /// The adapter's parameters, with the backend.
    pub(super) fn params(&self) -> Json {
        (self.subject.params)(&self.backend.address())
    }

    /// Others, with the same backend.
    pub(super) fn other_params(&self) -> Json {
        (self.subject.other)(&self.backend.address())
    }

    /// The usual ones, with the backend gone.
    pub(super) fn params_without_backend(&self) -> Json {
        let gone = Hanging::new(self.subject.backend).address();
        std::fs::write(self.folder.path().join("kubeconfig"), kubeconfig(&gone)).unwrap();
        (self.subject.params)(&gone)
    }

    /// The adapter's name.
    pub(super) fn name(&self) -> &'static str {
        self.subject.adapter.info.name
    }

    pub(super) fn try_build(&self, name: &str, params: Json) -> Result<Arc<dyn Handler>, InvalidHandler> {
        let info = &self.subject.adapter.info;
        let outputs = (info.outputs)(&params);
        let config =
            HandlerConfig { name: name.to_owned(), impl_name: info.name, kinds: info.kinds, params, outputs };
        (self.subject.adapter.build)(&config, &self.surroundings)
    }

    /// A handler of a block, whose configuration is not in force.
    pub(super) fn build(&self, params: Json) -> Arc<dyn Handler> {
        self.try_build(BLOCK, params).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A handler of a block whose configuration is in force.
    pub(super) fn start(&self, name: &str, params: Json) -> Arc<dyn Handler> {
        let handler = self.try_build(name, params).unwrap_or_else(|error| panic!("{error}"));
        handler.in_force();
        handler
    }

    pub(super) fn traces(&self) -> Traces {
        let mut files = Vec::new();
        list(self.folder.path(), &mut files);
        files.sort();
        Traces {
            tasks: Handle::current().metrics().num_alive_tasks(),
            threads: threads(&self.thread_name),
            files,
            is_backend_asked: self.backend.is_asked(),
        }
    }

    /// How much the block of the suite dropped and counted.
    pub(super) fn dropped(&self) -> u64 {
        let mut page = String::new();
        self.surroundings.telemetry.write(None, &mut page);
        let sample = format!("mixer_adapter_dropped_total{{handler=\"{BLOCK}\",");
        let samples = page.lines().filter(|line| line.starts_with(&sample));
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// Waits until nothing runs that did not before.
    pub(super) async fn until_idle(&self, before: &Traces) {
        let begun = Instant::now();
        loop {
            let now = self.traces();
            if now.tasks <= before.tasks && now.threads <= before.threads {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE / 2,
                "{} is gone, and what it began is not: {now:?}",
                self.name()
            );
            // Tasks end when this clock says so, threads when the machine's does.
            tokio::time::sleep(Duration::from_millis(100)).await;
            std::thread::yield_now();
        }
    }
}

// === impl Hanging ===

impl Hanging {
    fn new(backend: Backend) -> Self {
        match backend {
            Backend::None => Self::None,
            Backend::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                listener.set_nonblocking(true).unwrap();
                Self::Tcp(listener)
            }
            Backend::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.set_nonblocking(true).unwrap();
                Self::Udp(socket)
            }
        }
    }

    fn address(&self) -> String {
        let address = match self {
            Self::None => SocketAddr::from(([127, 0, 0, 1], 9)),
            Self::Tcp(listener) => listener.local_addr().unwrap(),
            Self::Udp(socket) => socket.local_addr().unwrap(),
        };
        address.to_string()
    }

    fn is_asked(&self) -> bool {
        match self {
            Self::None => false,
            Self::Tcp(listener) => listener.accept().is_ok(),
            Self::Udp(socket) => socket.recv(&mut [0; 1]).is_ok(),
        }
    }
}

fn kubeconfig(address: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters: [{{ name: test, cluster: {{ server: 'http://{address}' }} }}]\n\
         users: [{{ name: test, user: {{ token: secret }} }}]\n\
         contexts: [{{ name: test, context: {{ cluster: test, user: test }} }}]\n"
    )
}

fn list(folder: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, files);
        }
        files.push(path.display().to_string());
    }
}

/// How many threads bear a name. A thread that is begun without one bears that of the thread that began it. On systems
/// that do not tell, none are counted.
fn threads(name: &str) -> usize {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0 };
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|found| found.trim_end() == name).count()
}
