//! `docker-compose.yml` is the demo: the same arguments, the same configuration, the same bootstrap.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::compose::{Compose, port};
use tests::mixer::Options;
use tests::{Bootstrap, paths};

/// Where a container finds the policy.
const CONFIG: &str = "/etc/mixer/config";
/// Where Envoy's container finds its bootstrap.
const BOOTSTRAP: &str = "/etc/envoy/envoy.yaml";

#[test]
fn it_has_the_parts_of_the_demo() -> Result<()> {
    let compose = Compose::load()?;
    for name in ["envoy", "mixer", "upstream", "prometheus"] {
        ensure!(compose.services().contains(&name), "no service `{name}` in {:?}", compose.services());
    }
    Ok(())
}

#[test]
fn the_server_has_the_arguments_of_the_demo() -> Result<()> {
    let compose = Compose::load()?;
    let service = compose.service("mixer")?;
    let demo = Options::new(paths::config("demo")).arguments();
    let command = service.command();
    // The same flags in the same order, and the same values but for addresses and paths.
    let flags =
        |words: &[String]| words.iter().filter(|word| word.starts_with("--")).cloned().collect::<Vec<_>>();
    assert_eq!(command.first().map(String::as_str), Some("serve"));
    assert_eq!(flags(&command), flags(&demo));
    let entries = demo.iter().skip_while(|word| *word != "--l2-entries").nth(1).cloned();
    assert_eq!(service.flag("--l2-entries"), entries);
    assert_eq!(service.flag("--config").as_deref(), Some(CONFIG));
    Ok(())
}

#[test]
fn the_server_has_the_configuration_of_the_demo() -> Result<()> {
    let compose = Compose::load()?;
    let source = compose.service("mixer")?.mounted_at(CONFIG).context("the policy is not mounted")?;
    assert_eq!(paths::root().join(source), paths::config("demo"));
    Ok(())
}

#[test]
fn envoy_has_the_bootstrap_and_the_module_of_the_demo() -> Result<()> {
    let compose = Compose::load()?;
    let envoy = compose.service("envoy")?;
    let source = envoy.mounted_at(BOOTSTRAP).context("the bootstrap is not mounted")?;
    assert_eq!(paths::root().join(source), paths::bootstrap("demo"));
    let config = envoy.flag("-c").or_else(|| envoy.flag("--config-path"));
    assert!(config.is_none_or(|path| path == BOOTSTRAP), "Envoy is told to read another file");
    Ok(())
}

#[test]
fn the_image_has_the_module_where_the_bootstrap_looks() -> Result<()> {
    let image = std::fs::read_to_string(paths::root().join("Dockerfile"))?;
    let module = Bootstrap::load("demo")?.module();
    let copies = image.lines().any(|line| line.starts_with("COPY") && line.ends_with(&module));
    ensure!(copies, "the Dockerfile does not put the module at {module}");
    Ok(())
}

#[test]
fn the_images_are_built_from_all_that_the_workspace_is_made_of() -> Result<()> {
    let root = paths::root();
    let ignored = std::fs::read_to_string(root.join(".dockerignore"))?;
    let manifest = std::fs::read_to_string(root.join("Cargo.toml"))?;
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = [")).context("no members")?;
    let image = std::fs::read_to_string(root.join("Dockerfile"))?;
    let copied = image.lines().filter(|line| line.starts_with("COPY") && !line.contains("--from"));
    let copied = copied.filter_map(|line| line.split_whitespace().rev().nth(1)).filter(|path| *path != ".");
    let needed = members.split('"').skip(1).step_by(2).chain(copied);
    for folder in needed.filter_map(|path| path.split('/').next()) {
        ensure!(ignored.lines().any(|line| line == format!("!{folder}")), "Docker is not given `{folder}`");
    }
    Ok(())
}

#[test]
fn prometheus_collects_from_both() -> Result<()> {
    let compose = Compose::load()?;
    let prometheus = compose.service("prometheus")?;
    let source = prometheus.mounted_at("/etc/prometheus/prometheus.yml").context("nothing to collect")?;
    let targets = std::fs::read_to_string(paths::root().join(source))?;
    let admin = compose.service("mixer")?.flag("--admin").as_deref().and_then(port).context("no --admin")?;
    let envoy = &Bootstrap::load("demo")?.value()["admin"]["address"]["socket_address"]["port_value"].clone();
    for target in [format!("mixer:{admin}"), format!("envoy:{envoy}")] {
        ensure!(targets.contains(&target), "Prometheus does not collect from {target}");
    }
    Ok(())
}

#[test]
fn the_addresses_in_the_bootstrap_are_those_of_the_services() -> Result<()> {
    let compose = Compose::load()?;
    let bootstrap = Bootstrap::load("demo")?;
    let listen = compose.service("mixer")?.flag("--listen").context("no --listen")?;
    for (name, port) in [("mixer", port(&listen)), ("upstream", Some(8080))] {
        let clusters = bootstrap.value()["static_resources"]["clusters"].as_array();
        let cluster = clusters.into_iter().flatten().find(|cluster| cluster["name"] == name);
        let endpoint =
            &cluster.context("no such cluster")?["load_assignment"]["endpoints"][0]["lb_endpoints"][0];
        let address = &endpoint["endpoint"]["address"]["socket_address"];
        assert_eq!(address["address"], name, "the name of a service is its address");
        assert_eq!(address["port_value"], port.map_or(Value::Null, Value::from));
    }
    Ok(())
}
