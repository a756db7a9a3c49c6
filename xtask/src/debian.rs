//! Packages of Debian, for what the usual way did not bring.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process::{output, run, step};

/// How long apt waits for another apt to finish, in seconds.
const LOCK_TIMEOUT_S: u32 = 600;

/// Whether this machine installs packages with apt.
pub(crate) fn is_here() -> bool {
    Path::new("/usr/bin/apt-get").exists()
}

/// Whether a package is installed and set up.
pub(crate) fn has(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    output(query.args(["--show", "--showformat=${db:Status-Status}", package]))
        .is_ok_and(|s| s == "installed")
}

/// Installs the packages that are missing.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !has(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if !is_here() {
        bail!("this machine has no apt-get to install {names} with");
    }
    step(&format!("installing Debian packages: {names}"), || {
        let mut install = apt_get("install")?;
        install.args(["--yes", "--no-install-recommends"]).args(&missing);
        // The package lists may be absent or old; they are fetched only if that is what stands in the way.
        run(&mut install)
            .or_else(|_| {
                eprintln!(
                    "» apt-get install did not succeed: refreshing the package lists and trying again …"
                );
                run(&mut apt_get("update")?).and_then(|()| run(&mut install))
            })
            .with_context(|| format!("the packages {names} are needed; install them by hand and start again"))
    })
}

/// `apt-get`, as root by `sudo` where need be.
fn apt_get(verb: &str) -> Result<Command> {
    let is_root = output(Command::new("id").arg("-u"))? == "0";
    let mut command = Command::new(if is_root { "env" } else { "sudo" });
    if !is_root {
        command.arg("env");
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", verb]);
    command.args(["--quiet", "--option", &format!("DPkg::Lock::Timeout={LOCK_TIMEOUT_S}")]);
    Ok(command)
}
