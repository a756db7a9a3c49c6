//! Lines on their way to a stream or a file, by a thread of their own.
//!
//! A request never waits for whoever reads the stream, or for a disk: lines go to the thread by way of a bounded queue,
//! and one that finds it full is dropped and counted. Lines of one report go together, since each message wakes the
//! thread. A thread, not a task, since writing blocks and a process that ends does not wait for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use policy::LogEntry;
use tokio::sync::{mpsc, oneshot};

use super::log_line::LineFormat;
use super::{Handler, HandlerError, weight};
use crate::limits;
use crate::telemetry::Telemetry;

/// Where lines go.
pub(super) trait Lines: Send + 'static {
    /// Writes whole lines.
    fn write_lines(&mut self, lines: &[u8]) -> Result<(), Unwritten>;
}

/// Lines were not written.
#[derive(Debug)]
pub(super) struct Unwritten {
    /// How many; the others were.
    pub(super) lines: usize,
    pub(super) error: std::io::Error,
}

/// A handler that writes log entries as lines.
pub(super) struct LineWriter {
    handler: String,
    format: LineFormat,
    /// Bounded by what `queued` admits.
    queue: mpsc::UnboundedSender<Message>,
    queued: Arc<Queued>,
    /// What the thread starts with, until it does.
    thread: Mutex<Option<Thread>>,
    telemetry: Arc<Telemetry>,
}

/// What is in the queue.
#[derive(Debug, Default)]
struct Queued {
    lines: AtomicUsize,
    bytes: AtomicUsize,
}

/// Whole lines.
#[derive(Debug, Default)]
struct Batch {
    count: usize,
    lines: Vec<u8>,
}

enum Message {
    Lines(Batch),
    /// Answer once everything before is written.
    Flush(oneshot::Sender<()>),
}

struct Thread {
    handler: String,
    queue: mpsc::UnboundedReceiver<Message>,
    queued: Arc<Queued>,
    to: Box<dyn Lines>,
    telemetry: Arc<Telemetry>,
}

// === impl Unwritten ===

impl Unwritten {
    /// None of the lines was.
    pub(super) fn all_of(lines: &[u8], error: std::io::Error) -> Self {
        Self { lines: lines.split_inclusive(|byte| *byte == b'\n').count(), error }
    }
}

// === impl LineWriter ===

impl LineWriter {
    pub(super) fn new(
        handler: &str,
        format: LineFormat,
        to: Box<dyn Lines>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let (queue, receiver) = mpsc::unbounded_channel();
        let queued = Arc::new(Queued::default());
        let thread = Thread {
            handler: handler.to_owned(),
            queue: receiver,
            queued: Arc::clone(&queued),
            to,
            telemetry: Arc::clone(&telemetry),
        };
        Self {
            handler: handler.to_owned(),
            format,
            queue,
            queued,
            thread: Mutex::new(Some(thread)),
            telemetry,
        }
    }

    fn enqueue(&self, batch: Batch) {
        let Batch { count, .. } = batch;
        // Nobody takes anything out any more.
        if count > 0 && self.queue.send(Message::Lines(batch)).is_err() {
            self.telemetry.dropped(&self.handler, "queue full", count as u64);
        }
    }
}

impl Queued {
    /// Whether there is room for another line of so many bytes, which then is taken.
    fn admits(&self, bytes: usize) -> bool {
        let lines_before = self.lines.fetch_add(1, Ordering::Relaxed);
        let bytes_before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let admits = lines_before < limits::LOG_QUEUE && bytes_before + bytes <= limits::LOG_QUEUE_BYTES;
        if !admits {
            self.release(1, bytes);
        }
        admits
    }

    fn release(&self, lines: usize, bytes: usize) {
        self.lines.fetch_sub(lines, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[async_trait]
impl Handler for LineWriter {
    async fn log(&self, entries: Vec<LogEntry>) -> Result<(), HandlerError> {
        let mut batch = Batch::default();
        let mut result = Ok(());
        for entry in entries {
            if weight(&entry) > limits::LOG_ENTRY_BYTES {
                self.telemetry.dropped(&self.handler, "too large", 1);
                continue;
            }
            let begin = batch.lines.len();
            let written = self.format.write(&entry, &mut batch.lines);
            let is_whole = written.is_ok();
            result = result.and(written);
            if is_whole && self.queued.admits(batch.lines.len() - begin) {
                batch.count += 1;
                if batch.lines.len() >= limits::LOG_WRITE_BYTES {
                    self.enqueue(std::mem::take(&mut batch));
                }
                continue;
            }
            batch.lines.truncate(begin);
            if is_whole {
                self.telemetry.dropped(&self.handler, "queue full", 1);
            }
        }
        self.enqueue(batch);
        result.map_err(|error| HandlerError::Failed(error.to_string()))
    }

    fn in_force(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // Ends when the handler is gone and the queue is empty. Without it the queue is closed, so that what is handed
            // over fails.
            let started = std::thread::Builder::new().name("lines".to_owned()).spawn(move || thread.run());
            if let Err(error) = started {
                tracing::error!(handler = %self.handler, %error, "no thread to write lines with");
            }
        }
    }

    async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.queue.send(Message::Flush(done)).is_ok() {
            // An error means that the thread is gone, and then there is nothing to wait for.
            let _ = wait.await;
        }
    }
}

// === impl Batch ===

impl Batch {
    fn add(&mut self, mut other: Self) {
        if self.lines.is_empty() {
            *self = other;
        } else {
            self.count += other.count;
            self.lines.append(&mut other.lines);
        }
    }
}

// === impl Thread ===

impl Thread {
    fn run(mut self) {
        while let Some(message) = self.queue.blocking_recv() {
            let mut batch = Batch::default();
            let mut flushed = Vec::new();
            let mut next = Some(message);
            // What has come meanwhile goes out in one piece.
            while let Some(message) = next {
                match message {
                    Message::Lines(more) => batch.add(more),
                    Message::Flush(done) => flushed.push(done),
                }
                let has_room = batch.lines.len() < limits::LOG_WRITE_BYTES;
                next = if has_room { self.queue.try_recv().ok() } else { None };
            }
            self.queued.release(batch.count, batch.lines.len());
            if let Err(Unwritten { lines, error }) = self.to.write_lines(&batch.lines) {
                self.telemetry.dropped(&self.handler, "write failed", lines as u64);
                self.telemetry.adapter_failed(&self.handler, &error.to_string());
            }
            for done in flushed {
                // Whoever asked may have given up waiting.
                let _ = done.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::fixture::entry;

    /// Lines that can be read back.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<String>>);

    impl Lines for Shared {
        fn write_lines(&mut self, lines: &[u8]) -> Result<(), Unwritten> {
            self.0.lock().unwrap().push_str(std::str::from_utf8(lines).unwrap());
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_flush_waits_for_every_line() {
        let lines = Shared::default();
        let writer = LineWriter::new("log", LineFormat::Text, Box::new(lines.clone()), Arc::default());
        writer.in_force();
        writer.log(vec![entry("hello"); 100]).await.unwrap();
        writer.flush().await;
        assert_eq!(*lines.0.lock().unwrap(), "hello\n".repeat(100));
        let Queued { lines, bytes } = &*writer.queued;
        assert_eq!((lines.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed)), (0, 0));
    }

    #[tokio::test]
    async fn more_than_is_written_at_a_time_keeps_its_order() {
        let lines = Shared::default();
        let writer = LineWriter::new("log", LineFormat::Text, Box::new(lines.clone()), Arc::default());
        let texts: Vec<_> =
            (0..5).map(|number| number.to_string().repeat(limits::LOG_WRITE_BYTES / 2)).collect();
        writer.log(texts.iter().map(|text| entry(text)).collect()).await.unwrap();
        writer.in_force();
        writer.flush().await;
        let expected = texts.join("\n") + "\n";
        assert!(*lines.0.lock().unwrap() == expected);
    }

    #[test]
    fn a_queue_is_full_of_lines_or_of_bytes() {
        let queued = Queued::default();
        assert!(queued.admits(limits::LOG_QUEUE_BYTES));
        assert!(!queued.admits(1));
        queued.release(1, limits::LOG_QUEUE_BYTES);
        assert!((0..limits::LOG_QUEUE).all(|_| queued.admits(1)));
        assert!(!queued.admits(1));
        queued.release(1, 1);
        assert!(queued.admits(1));
    }

    #[tokio::test]
    async fn a_full_queue_drops_and_counts() {
        let telemetry = Arc::new(Telemetry::new());
        let lines = Box::new(Shared::default());
        let writer = LineWriter::new("log", LineFormat::Text, lines, Arc::clone(&telemetry));
        // Not in force: nobody takes anything out.
        writer.log(vec![entry(""); limits::LOG_QUEUE + 3]).await.unwrap();
        let mut page = String::new();
        telemetry.write(None, &mut page);
        assert!(
            page.contains("mixer_adapter_dropped_total{handler=\"log\",reason=\"queue full\"} 3"),
            "{page}"
        );
    }
}
