//! Lines on their way to a stream or a file, by a thread of their own.
//!
//! A request never waits for whoever reads the stream, or for a disk: lines go to the thread by way of a bounded queue,
//! and one that finds it full is dropped and counted. A thread, not a task, since writing blocks and a process that ends
//! does not wait for it.

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
    fn write_lines(&mut self, lines: &str) -> Result<(), Unwritten>;
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
    queue: mpsc::Sender<Message>,
    /// Bytes of the lines in the queue.
    queued: Arc<AtomicUsize>,
    /// What the thread starts with, until it does.
    thread: Mutex<Option<Thread>>,
    telemetry: Arc<Telemetry>,
}

enum Message {
    Line(String),
    /// Answer once everything before is written.
    Flush(oneshot::Sender<()>),
}

struct Thread {
    handler: String,
    queue: mpsc::Receiver<Message>,
    queued: Arc<AtomicUsize>,
    to: Box<dyn Lines>,
    telemetry: Arc<Telemetry>,
}

// === impl LineWriter ===

impl LineWriter {
    pub(super) fn new(
        handler: &str,
        format: LineFormat,
        to: Box<dyn Lines>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let (queue, receiver) = mpsc::channel(limits::LOG_QUEUE);
        let queued = Arc::new(AtomicUsize::new(0));
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

    fn enqueue(&self, line: String) {
        let size = line.len();
        let before = self.queued.fetch_add(size, Ordering::Relaxed);
        if before + size > limits::LOG_QUEUE_BYTES || self.queue.try_send(Message::Line(line)).is_err() {
            self.queued.fetch_sub(size, Ordering::Relaxed);
            self.telemetry.dropped(&self.handler, "queue full", 1);
        }
    }
}

#[async_trait]
impl Handler for LineWriter {
    async fn log(&self, entries: Vec<LogEntry>) -> Result<(), HandlerError> {
        for entry in entries {
            if weight(&entry) > limits::LOG_ENTRY_BYTES {
                self.telemetry.dropped(&self.handler, "too large", 1);
                continue;
            }
            let line = self.format.line(entry).map_err(|error| HandlerError::Failed(error.to_string()))?;
            self.enqueue(line);
        }
        Ok(())
    }

    fn in_force(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // Ends when the handler is gone and the queue is empty.
            std::thread::spawn(move || thread.run());
        }
    }

    async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.queue.send(Message::Flush(done)).await.is_ok() {
            // An error means that the thread is gone, and then there is nothing to wait for.
            let _ = wait.await;
        }
    }
}

// === impl Thread ===

impl Thread {
    fn run(mut self) {
        while let Some(message) = self.queue.blocking_recv() {
            let mut lines = String::new();
            let mut flushed = Vec::new();
            let mut next = Some(message);
            // What has come meanwhile goes out in one piece.
            while let Some(message) = next {
                match message {
                    Message::Line(line) => lines.push_str(&line),
                    Message::Flush(done) => flushed.push(done),
                }
                let has_room = lines.len() < limits::LOG_WRITE_BYTES;
                next = if has_room { self.queue.try_recv().ok() } else { None };
            }
            self.queued.fetch_sub(lines.len(), Ordering::Relaxed);
            if let Err(Unwritten { lines, error }) = self.to.write_lines(&lines) {
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
        fn write_lines(&mut self, lines: &str) -> Result<(), Unwritten> {
            self.0.lock().unwrap().push_str(lines);
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
        assert_eq!(writer.queued.load(Ordering::Relaxed), 0);
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
