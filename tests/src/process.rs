//! A child process whose output is kept, and which never outlives its owner.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::lines::Lines;

/// How long a process may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(15);

/// A running program.
pub struct Process {
    name: String,
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Process {
    /// Starts `command`. It gets a process group of its own, so that a Ctrl-C in the terminal reaches only us and
    /// things end in an orderly sequence; dropping the owner kills it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(name: &str, mut command: Command) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("{name} cannot be started: {command:?}"))?;
        let stdout = child.stdout.take().map(Lines::follow).context("no pipe for standard output")?;
        let stderr = child.stderr.take().map(Lines::follow).context("no pipe for standard error")?;
        Ok(Self { name: name.to_owned(), child, stdout, stderr })
    }

    /// What it wrote on standard output.
    pub fn stdout(&self) -> &Lines {
        &self.stdout
    }

    /// What it wrote on standard error.
    pub fn stderr(&self) -> &Lines {
        &self.stderr
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// An error with its last words, if it has ended.
    ///
    /// # Errors
    /// When it has ended.
    pub fn still_runs(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended with {status}; its last words:\n{}", self.name, self.stderr.tail(30));
        }
        Ok(())
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        tokio::time::timeout(GRACE, self.child.wait())
            .await
            .with_context(|| format!("{} did not end within {GRACE:?}", self.name))?
            .with_context(|| format!("{} cannot be waited for", self.name))
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM);
        self.wait().await
    }

    /// Does what Ctrl-C in its terminal would (SIGINT) and waits until it has ended.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn interrupt(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::INT);
        self.wait().await
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            // It may have ended this very moment; then there is nobody to tell, and waiting says how it went.
            let _ = kill_process(pid, signal);
        }
    }
}
