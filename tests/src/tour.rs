//! The demo's tour: a few requests, and what each shows, printed for an operator and checked on the way.

use std::io::IsTerminal as _;

use anyhow::Result;
use serde_json::Value;

use crate::http::Answer;
use crate::stack::Stack;

/// Walks the tour and prints it. The result is the number of expectations that did not hold.
///
/// # Errors
/// When a part of the stack does not answer at all.
pub async fn walk(stack: &Stack, show: &mut Show) -> Result<usize> {
    let envoy = format!("http://{}", stack.envoy.address());
    let client = stack.client();

    show.step("An allowed request");
    show.command(&format!("curl {envoy}/productpage"));
    let allowed = client.get("/productpage").await?;
    show.answer(&allowed);
    show.expect(allowed.status == 200, "the application answered it");
    show.expect(checks(stack).await? == 1, "Envoy asked Mixer: one Check");

    show.step("A denied one");
    show.command(&format!("curl {envoy}/admin/users"));
    let denied = client.get("/admin/users").await?;
    show.answer(&denied);
    let body = "PERMISSION_DENIED:the admin pages are closed";
    show.expect(
        denied.status == 403 && denied.text() == body,
        "Envoy answered it with the verdict's code and message",
    );
    show.expect(stack.upstream.seen().len() == 1, "the application never saw it");
    show.expect(checks(stack).await? == 2, "that was the second Check");

    show.step("The same again, served from the proxy's own cache (L1)");
    show.command(&format!("curl {envoy}/admin/users"));
    let again = client.get("/admin/users").await?;
    show.answer(&again);
    show.expect(again.status == denied.status && again.body == denied.body, "the same answer");
    show.expect(checks(stack).await? == 2, "and no Check");

    show.step("The counters that prove it");
    show.command(&format!(
        "curl '{}'",
        format_args!("http://{}/stats?filter=mixer_filter", stack.envoy.admin())
    ));
    let expected = [
        ("total_check_calls", 3),
        ("total_check_cache_hits", 1),
        ("total_check_cache_misses", 2),
        ("total_remote_check_calls", 2),
    ];
    let mut counters = Vec::new();
    for (name, value) in expected {
        // The filter hands its counters to Envoy in bundles, a moment later; what they say in the end is what counts.
        let settled = stack.envoy.wait_for_counter(name, value).await;
        let value = if settled.is_ok() { value } else { stack.envoy.counter(name).await? };
        show.fact(&format!("wasmcustom.mixer_filter.{name}"), value);
        counters.push((name, value));
    }
    show.command(&format!("curl http://{}/metrics", stack.server()?.admin()));
    let served = checks(stack).await?;
    show.fact("mixer_checks_total", served);
    show.expect(counters == expected, "three requests: one answered from L1, two by the server");
    show.expect(counters[3].1 == served, "the proxy asked as often as the server answered");

    show.step("The access log that the server wrote");
    let is_ours = |entry: &Value| entry["labels"]["path"] == "/admin/users";
    let entry = stack.server()?.wait_for_log("the denied request in the access log", is_ours).await;
    match &entry {
        Ok(entry) => show.text(&entry.to_string()),
        Err(error) => show.text(&format!("{error:#}")),
    }
    let status = entry.ok().map(|entry| entry["labels"]["status"].clone());
    show.expect(
        status == Some(403.into()),
        "reported in a batch after the fact, written by the adapter stdioLogger",
    );
    let settled = stack.server()?.wait_for_metric("request_count", &[], 3).await;
    let counted =
        if settled.is_ok() { 3 } else { stack.server()?.metrics().await?.count("request_count", &[]) };
    show.fact("request_count, by the adapter prometheus", counted);
    show.expect(counted == 3, "each request was counted");
    Ok(show.failed)
}

/// How many checks the server has answered.
async fn checks(stack: &Stack) -> Result<u64> {
    Ok(stack.server()?.metrics().await?.count("mixer_checks_total", &[]))
}

/// Prints to the terminal, and counts what did not hold.
pub struct Show {
    has_colour: bool,
    steps: usize,
    failed: usize,
}

impl Default for Show {
    /// Colours a terminal, unless `NO_COLOR` is set.
    fn default() -> Self {
        let has_colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { has_colour, steps: 0, failed: 0 }
    }
}

impl Show {
    /// The title and the addresses.
    ///
    /// # Errors
    /// When the stack has no server.
    pub fn addresses(&self, stack: &Stack) -> Result<()> {
        let server = stack.server()?;
        println!("\n{}\n", self.paint("1", "Mixer: Envoy asks, the server decides, both remember"));
        let rows = [
            ("Envoy", format!("http://{}", stack.envoy.address()), "send requests here"),
            ("", format!("http://{}", stack.envoy.admin()), "its admin interface"),
            ("Mixer", format!("{}", server.address()), "gRPC istio.mixer.v1.Mixer"),
            ("", format!("http://{}/metrics", server.admin()), "its metrics, and those of the adapters"),
            (
                "upstream",
                format!("http://{}", stack.upstream.address()),
                "the application, not behind any check",
            ),
        ];
        for (name, address, meaning) in rows {
            println!("  {name:<9} {address:<32} {}", self.paint("2", meaning));
        }
        Ok(())
    }

    /// What holds after the tour.
    pub fn summary(&self) {
        println!();
        if self.failed == 0 {
            println!("  {}", self.paint("32", "All of it held."));
        } else {
            println!("  {}", self.paint("31", &format!("{} of it did not hold.", self.failed)));
        }
    }

    /// A remark.
    pub fn text(&self, text: &str) {
        println!("   {}", self.paint("2", text));
    }

    fn step(&mut self, title: &str) {
        self.steps += 1;
        println!("\n{}  {}", self.paint("36", &self.steps.to_string()), self.paint("1", title));
    }

    fn command(&self, command: &str) {
        println!("   {} {command}", self.paint("2", "$"));
    }

    fn answer(&self, answer: &Answer) {
        let body = answer.text();
        let short: String = body.chars().take(72).collect();
        let more = if short.len() < body.len() { "…" } else { "" };
        println!("   {}  {}", answer.status.as_u16(), self.paint("2", &format!("{short}{more}")));
    }

    fn fact(&self, name: &str, value: u64) {
        println!("   {name:<42} {}", self.paint("1", &format!("{value:>4}")));
    }

    fn expect(&mut self, holds: bool, what: &str) {
        let mark = if holds { self.paint("32", "✓") } else { self.paint("31", "✗") };
        println!("   {mark} {what}");
        self.failed += usize::from(!holds);
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.has_colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
