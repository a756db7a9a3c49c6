//! The filter's configuration: refused when wrong, overridden by a route.

use anyhow::Result;
use serde_json::json;
use tests::{Bootstrap, Client, Envoy, Programs, Stack, decode};

#[tokio::test]
async fn envoy_refuses_a_wrong_configuration_with_our_message() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let wrong = [
        ("not json", "mixer filter configuration"),
        ("{}", "mixer"),
        (r#"{"mixer": {"cluster": ""}}"#, "cluster"),
        (r#"{"mixer": {"cluster": "mixer", "timeout": "soon"}}"#, "soon"),
        (r#"{"mixer": {"cluster": "mixer"}, "check": {"cach": {}}}"#, "cach"),
        (r#"{"mixer": {"cluster": "mixer"}, "check": {"failure": {"policy": "perhaps"}}}"#, "perhaps"),
        (r#"{"mixer": {"cluster": "mixer"}, "report": {"batch_max": 4000000000}}"#, "batch_max"),
        (r#"{"mixer": {"cluster": "mixer"}, "attributes": {"source.ip": {"ip": "1.2.3"}}}"#, "1.2.3"),
    ];
    let shipped = Bootstrap::load("demo")?.on_loopback().with_module(&programs.filter);
    for (text, names) in wrong {
        let output =
            Envoy::validate(&programs.envoy, &shipped.clone().with_plugin_text(text), folder.path()).await?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "Envoy takes `{text}`");
        let ours: Vec<_> = said.lines().filter(|line| line.contains("wasm log")).collect();
        assert!(
            ours.iter().any(|line| line.contains(names)),
            "`{text}` is refused without a word on {names}:\n{said}"
        );
    }
    // Serving ends the same way as validating.
    let bootstrap = shipped.clone().with_plugin_text("{}");
    let refused = Envoy::start(&programs.envoy, &bootstrap, 1, folder.path()).await;
    let message = refused.err().map(|error| format!("{error:#}")).unwrap_or_default();
    assert!(message.contains("mixer"), "{message}");

    let output = Envoy::validate(&programs.envoy, &shipped, folder.path()).await?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test]
async fn every_shipped_bootstrap_is_accepted() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    for name in ["demo", "minimal"] {
        // As it ships, but for the path of the module.
        let bootstrap = Bootstrap::load(name)?.with_module(&programs.filter);
        let output = Envoy::validate(&programs.envoy, &bootstrap, folder.path()).await?;
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

#[tokio::test]
async fn a_route_switches_the_check_off() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let plan = Stack::plan(programs)?.scripted().plugin(|plugin| plugin["report"]["batch_max"] = json!(1));
    let stack = plan.start().await?;
    let mixer = stack.scripted()?;
    mixer.answer(|_| tests::scripted::Reply::verdict(7, "no", &[]));
    assert_eq!(stack.client().get("/static/site.css").await?.status, 200);
    assert!(mixer.checks().is_empty(), "envoy/demo.yaml switches the check off for /static");
    assert_eq!(stack.client().get("/statics").await?.status, 403);

    let reports = mixer.wait_for_messages(2).await?;
    let unchecked = &decode::report(&reports[0])?[0];
    assert_eq!(unchecked["request.path"], "/static/site.css");
    assert!(!unchecked.contains_key("check.cache_hit"), "no check, no word on its cache");
    Ok(())
}

#[tokio::test]
async fn a_route_has_its_own_attributes_and_so_its_own_rules() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.start().await?;
    let client = stack.client();
    let denied = client.post("/reviews/1", "a").await?;
    let body = "FAILED_PRECONDITION:reviews are read-only during the migration";
    assert_eq!((denied.status.as_u16(), denied.text().as_str()), (400, body));
    assert_eq!(client.get("/reviews/1").await?.status, 200);
    // The rules of the product page are not those of the reviews, and the other way round.
    assert_eq!(client.post("/productpage", "a").await?.status, 200);
    stack.stop().await
}

#[tokio::test]
async fn a_route_whose_overrides_envoy_cannot_hand_out_refuses() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    // `charge:` with nothing after it, as one writes it in YAML.
    let metadata = json!({"filter_metadata": {"mixer": {
        "attributes": {"target.service": "quiet.default.svc.cluster.local"},
        "charge": null,
    }}});
    let route = json!({"match": {"prefix": "/null"}, "route": {"cluster": "upstream"}, "metadata": metadata});
    let stack = Stack::plan(programs)?.scripted().route(&route).start().await?;
    assert_eq!(stack.client().get("/null").await?.status, 500);
    assert_eq!(stack.client().get("/other").await?.status, 200);
    assert_eq!(stack.scripted()?.checks().len(), 1, "nobody is asked about a service that it is not for");
    Ok(())
}

#[tokio::test]
async fn a_route_overrides_attributes_and_reports() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let metadata = json!({"filter_metadata": {"mixer": {
        "attributes": {"target.service": "quiet.default.svc.cluster.local", "api.version": "v2"},
        "report": {"enabled": false},
    }}});
    let route =
        json!({"match": {"prefix": "/quiet"}, "route": {"cluster": "upstream"}, "metadata": metadata});
    let plan = Stack::plan(programs)?.scripted().route(&route);
    let stack = plan.plugin(|plugin| plugin["report"]["batch_max"] = json!(1)).start().await?;
    stack.client().get("/quiet").await?;
    Client::http2(stack.envoy.address()).get("/loud").await?;

    let mixer = stack.scripted()?;
    let reports = mixer.wait_for_messages(1).await?;
    assert_eq!(decode::report(&reports[0])?[0]["request.path"], "/loud", "/quiet is not reported");
    let checks = mixer.checks().iter().map(decode::check).collect::<Result<Vec<_>>>()?;
    assert_eq!(checks[0]["target.service"], "quiet.default.svc.cluster.local");
    assert_eq!(checks[0]["api.version"], "v2");
    assert_eq!(checks[0]["context.reporter.kind"], "inbound", "what the route does not name stays");
    assert_eq!(checks[1]["target.service"], "productpage.default.svc.cluster.local");
    assert!(!checks[1].contains_key("api.version"));
    Ok(())
}
