//! The demo: the whole stack on free loopback ports, a tour through it, and then yours until Ctrl-C.
//!
//! `cargo xtask demo` builds what is needed, names it in the environment and runs this. With `--once` it ends after
//! the tour, with success only if every step showed what it should.

use std::process::ExitCode;

use anyhow::Result;
use tests::tour::{self, Show};
use tests::{Programs, Stack};
use tokio::signal::unix::{Signal, SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let is_once = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--once" => true,
        _ => {
            eprintln!("usage: demo [--once]");
            return ExitCode::from(2);
        }
    };
    let programs = match Programs::from_env() {
        Ok(programs) => programs,
        Err(missing) => {
            eprintln!(
                "demo: {missing} is not set; run `cargo xtask demo`, which builds everything and sets it"
            );
            return ExitCode::from(2);
        }
    };
    match run(programs, is_once).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Starts the stack and walks the tour; without `is_once`, stays until a signal. True if everything held.
async fn run(programs: Programs, is_once: bool) -> Result<bool> {
    // Listened for before anything is started, so that there is no moment at which a Ctrl-C leaves something behind.
    let mut stop = StopSignals::new()?;
    println!("Starting an upstream, the Mixer server and Envoy …");
    let tour = async {
        let stack = Stack::plan(programs)?.start().await?;
        let mut show = Show::default();
        show.addresses(&stack)?;
        let failed = tour::walk(&stack, &mut show).await?;
        show.summary();
        anyhow::Ok((stack, show, failed))
    };
    let (stack, show, failed) = tokio::select! {
        toured = tour => toured?,
        // Nobody waits for the rest of a tour: dropping it ends each process that it has started.
        () = stop.wait() => return Ok(!is_once),
    };
    if !is_once {
        show.text("It stays up. Try requests of your own; Ctrl-C ends it.");
        stop.wait().await;
        println!();
    }
    stack.stop().await?;
    Ok(failed == 0)
}

/// Whatever asks the demo to end.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl StopSignals {
    fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for Ctrl-C, a termination, or the loss of the terminal.
    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
