//! An Envoy bootstrap from `envoy/`, changed structurally for loopback.
//!
//! The files are written for the stack of `docker-compose.yml`. Here only addresses, ports, the path of the module and
//! what a test asks for are changed; everything else that Envoy runs with is what ships.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::paths;

/// The type of an HTTP filter that runs a module.
const WASM_TYPE: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// The same for connections.
const NETWORK_WASM_TYPE: &str = "type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm";

/// A bootstrap as a tree of values.
#[derive(Clone, Debug)]
pub struct Bootstrap(Value);

impl Bootstrap {
    /// Loads `envoy/NAME.yaml`.
    ///
    /// # Errors
    /// When the file is not there or not YAML.
    pub fn load(name: &str) -> Result<Self> {
        let path = paths::bootstrap(name);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("{} is not there", path.display()))?;
        let value =
            serde_saphyr::from_str(&text).with_context(|| format!("{} is not YAML", path.display()))?;
        Ok(Self(value))
    }

    /// The whole tree.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// As JSON, which is YAML, which Envoy reads.
    pub fn to_text(&self) -> String {
        format!("{:#}", self.0)
    }

    /// Lets the admin interface and all listeners listen on loopback, on ports of the system's choice.
    #[must_use]
    pub fn on_loopback(mut self) -> Self {
        let anywhere = json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}});
        self.0["admin"]["address"] = anywhere.clone();
        for listener in items(&mut self.0["static_resources"], "listeners") {
            listener["address"] = anywhere.clone();
        }
        self
    }

    /// Puts the one endpoint of cluster `name` at `address`.
    ///
    /// # Errors
    /// When there is no such cluster.
    pub fn with_cluster(mut self, name: &str, address: SocketAddr) -> Result<Self> {
        let Some(cluster) =
            items(&mut self.0["static_resources"], "clusters").find(|cluster| cluster["name"] == name)
        else {
            bail!("the bootstrap has no cluster `{name}`");
        };
        cluster["type"] = json!("STATIC");
        for locality in items(&mut cluster["load_assignment"], "endpoints") {
            for endpoint in items(locality, "lb_endpoints") {
                endpoint["endpoint"]["address"] = json!({
                    "socket_address": {"address": address.ip().to_string(), "port_value": address.port()}
                });
            }
        }
        Ok(self)
    }

    /// Gives cluster `name` one more endpoint, like its first, at `address`.
    ///
    /// # Errors
    /// When there is no such cluster, or it has no endpoint.
    pub fn with_endpoint(mut self, name: &str, address: SocketAddr) -> Result<Self> {
        let cluster =
            items(&mut self.0["static_resources"], "clusters").find(|cluster| cluster["name"] == name);
        let locality = cluster
            .and_then(|cluster| items(&mut cluster["load_assignment"], "endpoints").next())
            .with_context(|| format!("the bootstrap has no cluster `{name}`"))?;
        let endpoints = locality["lb_endpoints"].as_array_mut().context("no endpoints")?;
        let mut endpoint = endpoints.first().context("no endpoint")?.clone();
        endpoint["endpoint"]["address"] = json!({
            "socket_address": {"address": address.ip().to_string(), "port_value": address.port()}
        });
        endpoints.push(endpoint);
        Ok(self)
    }

    /// Runs the module at `path`.
    #[must_use]
    pub fn with_module(mut self, path: &Path) -> Self {
        self.each_plugin(|config| {
            config["vm_config"]["code"]["local"]["filename"] = json!(path.to_string_lossy());
        });
        self
    }

    /// The path of the module, empty if there is none.
    pub fn module(&self) -> String {
        let mut found = String::new();
        self.clone().each_plugin(|config| {
            let file = config["vm_config"]["code"]["local"]["filename"].as_str();
            file.unwrap_or_default().clone_into(&mut found);
        });
        found
    }

    /// The filter's own configuration, or null if it is not JSON.
    pub fn plugin(&self) -> Value {
        let mut found = Value::Null;
        self.clone().each_plugin(|config| {
            let text = config["configuration"]["value"].as_str().unwrap_or_default();
            found = serde_json::from_str(text).unwrap_or_default();
        });
        found
    }

    /// Changes the filter's own configuration.
    #[must_use]
    pub fn edit_plugin(self, edit: impl FnOnce(&mut Value)) -> Self {
        let mut plugin = self.plugin();
        edit(&mut plugin);
        self.with_plugin_text(&plugin.to_string())
    }

    /// Replaces the filter's own configuration by any text.
    #[must_use]
    pub fn with_plugin_text(mut self, text: &str) -> Self {
        self.each_plugin(|config| config["configuration"]["value"] = json!(text));
        self
    }

    /// Puts `route` before the other routes.
    #[must_use]
    pub fn with_route(mut self, route: &Value) -> Self {
        for manager in managers(&mut self.0) {
            for host in items(&mut manager["route_config"], "virtual_hosts") {
                if let Some(routes) = host["routes"].as_array_mut() {
                    routes.insert(0, route.clone());
                }
            }
        }
        self
    }

    /// Puts an HTTP filter before the others.
    #[must_use]
    pub fn with_http_filter(mut self, filter: &Value) -> Self {
        for manager in managers(&mut self.0) {
            if let Some(filters) = manager["http_filters"].as_array_mut() {
                filters.insert(0, filter.clone());
            }
        }
        self
    }

    /// Lets Envoy itself log each request.
    #[must_use]
    pub fn with_access_log(mut self, log: &Value) -> Self {
        for manager in managers(&mut self.0) {
            manager["access_log"] = json!([log]);
        }
        self
    }

    /// Speaks HTTP/1.1 to cluster `name`, whatever the client speaks.
    #[must_use]
    pub fn with_http1_cluster(mut self, name: &str) -> Self {
        let cluster =
            items(&mut self.0["static_resources"], "clusters").find(|cluster| cluster["name"] == name);
        if let Some(cluster) = cluster.and_then(Value::as_object_mut) {
            cluster.remove("typed_extension_protocol_options");
        }
        self
    }

    /// Takes the filter out: Envoy alone, to tell its behaviour from ours.
    #[must_use]
    pub fn without_filter(mut self) -> Self {
        for manager in managers(&mut self.0) {
            if let Some(filters) = manager["http_filters"].as_array_mut() {
                filters.retain(|filter| filter["typed_config"]["@type"] != WASM_TYPE);
            }
        }
        self
    }

    /// Puts this transport socket into every filter chain.
    #[must_use]
    pub fn with_transport_socket(mut self, socket: &Value) -> Self {
        for listener in items(&mut self.0["static_resources"], "listeners") {
            for chain in items(listener, "filter_chains") {
                chain["transport_socket"] = socket.clone();
            }
        }
        self
    }

    /// Puts the listeners into a file that Envoy watches, so that they can change while it runs:
    /// [`Bootstrap::write_listeners`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn with_listeners_in(mut self, folder: &Path) -> Result<Self> {
        self.write_listeners(folder)?;
        let listeners = self.0["static_resources"].as_object_mut().context("no static resources")?;
        listeners.remove("listeners");
        self.0["node"] = json!({ "id": "tests", "cluster": "tests" });
        let source = json!({ "path_config_source": { "path": listeners_file(folder) } });
        self.0["dynamic_resources"] = json!({ "lds_config": source });
        Ok(self)
    }

    /// Writes the listeners into the file that an Envoy watches.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_listeners(&self, folder: &Path) -> Result<()> {
        let mut resources = Vec::new();
        for listener in self.0["static_resources"]["listeners"].as_array().into_iter().flatten() {
            let mut resource = listener.clone();
            resource["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
            resources.push(resource);
        }
        // Envoy sees files that are moved into place, not those that are written to.
        let partial = folder.join("listeners.partial");
        std::fs::write(&partial, json!({ "resources": resources }).to_string())?;
        Ok(std::fs::rename(partial, listeners_file(folder))?)
    }

    /// Takes all listeners out.
    #[must_use]
    pub fn without_listeners(mut self) -> Self {
        self.0["static_resources"]["listeners"] = json!([]);
        self
    }

    fn each_plugin(&mut self, mut change: impl FnMut(&mut Value)) {
        for filter in managers(&mut self.0).filter(|filter| filter["@type"] == NETWORK_WASM_TYPE) {
            change(&mut filter["config"]);
        }
        for manager in managers(&mut self.0) {
            for filter in items(manager, "http_filters") {
                if filter["typed_config"]["@type"] == WASM_TYPE {
                    change(&mut filter["typed_config"]["config"]);
                }
            }
        }
    }
}

fn listeners_file(folder: &Path) -> std::path::PathBuf {
    folder.join("listeners.json")
}

/// What the network filters of all listeners, such as HTTP connection managers, are configured with.
fn managers(bootstrap: &mut Value) -> impl Iterator<Item = &mut Value> {
    items(&mut bootstrap["static_resources"], "listeners")
        .flat_map(|listener| items(listener, "filter_chains"))
        .flat_map(|chain| items(chain, "filters"))
        .map(|filter| &mut filter["typed_config"])
}

/// The elements of the list `key`, if there is one.
fn items<'a>(value: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> + use<'a> {
    value.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_only_what_it_says() {
        let shipped = Bootstrap::load("demo").unwrap();
        let changed = shipped
            .clone()
            .on_loopback()
            .with_cluster("mixer", "127.0.0.1:5".parse().unwrap())
            .unwrap()
            .with_module(Path::new("/x.wasm"))
            .edit_plugin(|plugin| plugin["check"]["enabled"] = json!(false));
        let text = changed.to_text();
        assert!(text.contains("\"/x.wasm\"") && text.contains("\"port_value\": 5"), "{text}");
        assert_eq!(changed.plugin()["check"]["enabled"], json!(false));
        assert_eq!(changed.plugin()["mixer"], shipped.plugin()["mixer"]);
        assert!(shipped.clone().with_cluster("nobody", "127.0.0.1:5".parse().unwrap()).is_err());
    }
}
