//! A compiler that can build for `wasm32-unknown-unknown`.
//!
//! rustup's target is the usual way. Where its server cannot be reached, Debian has all that is needed: a compiler
//! made for the web target and the source of the standard library, which cargo then builds along. Only the linker is
//! not in these packages: the `rust-lld` that is part of each rustup toolchain does that work, or else `wasm-ld`.
//!
//! `MIXER_WASM_TOOLCHAIN` (`rustup` or `debian`) takes one way without trying the other.

use std::env;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process::{output, run_within, step};
use crate::workspace::WASM_TARGET;
use crate::{debian, workspace};

/// What Debian calls the compiler for the web target, and the source of the standard library.
const PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

/// Where Debian puts that compiler.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// How long rustup may try: without a route it can sit in retries for a long time.
const RUSTUP_LIMIT: Duration = Duration::from_secs(300);

/// What to do where neither way is open.
const ADVICE: &str = "run `rustup target add wasm32-unknown-unknown` where https://static.rust-lang.org \
                      can be reached (RUSTUP_DIST_SERVER names a mirror), or use Debian or a container of it";

/// A compiler for the target.
pub(crate) enum Toolchain {
    /// The compiler of host code; rustup installed the target's standard library beside it.
    Rustup,
    /// Debian's compiler; the standard library is built with our code.
    Debian { linker: PathBuf },
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rustup => write!(f, "target {WASM_TARGET} of the Rust toolchain"),
            Self::Debian { .. } => write!(f, "Debian's {DEBIAN_RUSTC}, standard library built along"),
        }
    }
}

impl Toolchain {
    /// Makes a cargo command use this compiler. To be called after the verb was given.
    pub(super) fn apply_to(&self, command: &mut Command) {
        match self {
            Self::Rustup => {}
            Self::Debian { linker } => {
                // Building the standard library is an unstable feature; the variable opens it in a stable compiler.
                command.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1");
                command.env("RUSTC", DEBIAN_RUSTC).env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            }
        }
    }
}

/// A compiler for the target, fetched if there is none.
pub(crate) fn toolchain() -> Result<Toolchain> {
    match env::var("MIXER_WASM_TOOLCHAIN").as_deref() {
        Ok("rustup") => add_target().map(|()| Toolchain::Rustup),
        Ok("debian") => debian_toolchain(),
        Ok("") | Err(_) => any_toolchain(),
        Ok(other) => bail!("MIXER_WASM_TOOLCHAIN is {other:?}; it may be \"rustup\" or \"debian\""),
    }
}

fn any_toolchain() -> Result<Toolchain> {
    if has_target()? {
        return Ok(Toolchain::Rustup);
    }
    // Debian's packages are here only if rustup's way was closed before.
    if PACKAGES.iter().all(|package| debian::has(package)) {
        return debian_toolchain();
    }
    let Err(error) = add_target() else { return Ok(Toolchain::Rustup) };
    eprintln!("  {error:#}");
    if !debian::is_here() {
        bail!("there is no compiler for {WASM_TARGET} here; {ADVICE}");
    }
    eprintln!(
        "  rustup's way is closed, so Debian's is taken: {} (137 MB to fetch, 780 MB on disk)",
        PACKAGES.join(", ")
    );
    debian_toolchain()
}

/// Whether the compiler of host code has the target's standard library.
fn has_target() -> Result<bool> {
    Ok(sysroot()?.join("lib/rustlib").join(WASM_TARGET).join("lib").exists())
}

fn add_target() -> Result<()> {
    if has_target()? {
        return Ok(());
    }
    step(&format!("adding the target {WASM_TARGET} to the Rust toolchain with rustup"), || {
        // Without a route it fails with an explanation; a backtrace would bury that.
        let mut rustup = Command::new("rustup");
        run_within(rustup.args(["target", "add", WASM_TARGET]).env("RUST_BACKTRACE", "0"), RUSTUP_LIMIT)
    })
}

fn debian_toolchain() -> Result<Toolchain> {
    debian::install(&PACKAGES)
        .with_context(|| format!("there is no compiler for {WASM_TARGET} here; {ADVICE}"))?;
    Ok(Toolchain::Debian { linker: linker()? })
}

/// The linker of the rustup toolchain, or Debian's where Rust came another way.
fn linker() -> Result<PathBuf> {
    let version = output(rustc().arg("-vV"))?;
    let host =
        version.lines().find_map(|line| line.strip_prefix("host: ")).context("`rustc -vV` names no host")?;
    let linker = sysroot()?.join("lib/rustlib").join(host).join("bin/rust-lld");
    if linker.exists() {
        return Ok(linker);
    }
    debian::install(&["lld"])?;
    Ok(PathBuf::from("wasm-ld"))
}

fn sysroot() -> Result<PathBuf> {
    output(rustc().args(["--print", "sysroot"])).map(PathBuf::from)
}

/// The compiler of host code.
fn rustc() -> Command {
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.current_dir(workspace::root());
    command
}
