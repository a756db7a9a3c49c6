//! Tests of the fold, with handlers that misbehave.

use std::time::Duration;

use async_trait::async_trait;
use attributes::Value;

use super::*;
use crate::adapters::{Handler, Membership};
use crate::runtime::fixture;

/// Does what its block's name says.
struct Scripted(String);

const FOR_A_MINUTE: Validity = Validity::For { ttl: Duration::from_secs(60), uses: None };

#[async_trait]
impl Handler for Scripted {
    async fn deny(&self) -> Result<Answer, HandlerError> {
        match self.0.as_str() {
            "panics" => panic!("on purpose"),
            "hangs" => std::future::pending().await,
            "fails" => Err(HandlerError::Failed("it is broken".to_owned())),
            // The later of two refusals comes first.
            "slow" => {
                tokio::time::sleep(limits::ADAPTER_CALL / 2).await;
                Ok(Answer {
                    status: Status::new(Code::PermissionDenied, "slow"),
                    directive: None,
                    validity: FOR_A_MINUTE,
                })
            }
            "brief" => {
                let validity = Validity::For { ttl: Duration::from_secs(5), uses: Some(9) };
                Ok(Answer { status: Status::default(), directive: None, validity })
            }
            "lasting" => {
                Ok(Answer { status: Status::default(), directive: None, validity: Validity::Revision })
            }
            refuses => Ok(Answer {
                status: Status::new(Code::PermissionDenied, refuses),
                directive: None,
                validity: FOR_A_MINUTE,
            }),
        }
    }

    async fn contains(&self, _: &Value) -> Result<Membership, HandlerError> {
        Ok(Membership { found: true, validity: FOR_A_MINUTE })
    }
}

/// A configuration whose one rule asks these blocks, in order.
fn active(blocks: &[&str]) -> Active {
    let of_each =
        |line: &dyn Fn(&str) -> String| blocks.iter().map(|name| line(name)).collect::<Vec<_>>().join(", ");
    let adapters = of_each(&|name| format!("{{ name: {name}, kind: denials, impl: denyChecker }}"));
    let aspects = of_each(&|name| format!("{{ kind: denials, adapter: {name} }}"));
    let documents = [
        ("scopes/global/adapters.yml", format!("adapters: [{adapters}]")),
        ("scopes/global/subjects/global/rules.yml", format!("rules: [{{ aspects: [{aspects}] }}]")),
    ];
    fixture::active(&documents, |config| Arc::new(Scripted(config.name.clone())))
}

async fn decide(blocks: &[&str]) -> (Decision, String) {
    let telemetry = Telemetry::new();
    let decision = check(&active(blocks), &Bag::new(), &telemetry).await;
    let mut page = String::new();
    telemetry.write(None, &mut page);
    (decision, page)
}

#[tokio::test(start_paused = true)]
async fn the_plan_decides_and_not_the_clock() {
    let (decision, _) = decide(&["lasting", "slow", "quick"]).await;
    assert_eq!(decision.verdict.status.message, "slow");
    assert!(decision.verdict.refused_by.unwrap().ends_with("rules[0].aspects[1]"));
    assert!(!decision.is_failure);
    assert_eq!(decision.verdict.validity, FOR_A_MINUTE);
}

#[tokio::test(start_paused = true)]
async fn the_tightest_validity_counts() {
    let (decision, _) = decide(&["lasting", "brief"]).await;
    assert!(decision.verdict.status.is_ok());
    assert_eq!(decision.verdict.validity, Validity::For { ttl: Duration::from_secs(5), uses: Some(9) });
    // What stands behind the refusal has no part in it.
    let (decision, _) = decide(&["quick", "brief", "panics"]).await;
    assert_eq!(decision.verdict.validity, FOR_A_MINUTE);
    assert!(!decision.is_failure);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_answer_refuses_and_is_never_kept() {
    for (name, result) in [("panics", "panic"), ("hangs", "timeout"), ("fails", "error")] {
        let (decision, page) = decide(&["lasting", name, "quick"]).await;
        assert_eq!(decision.verdict.status.code, Code::Internal, "{name}");
        assert_eq!(decision.verdict.validity, Validity::Never, "{name}");
        assert!(decision.is_failure, "{name}");
        let sample = format!(
            "mixer_adapter_calls_total{{handler=\"{name}\",impl=\"denyChecker\",result=\"{result}\"}} 1"
        );
        assert!(page.contains(&sample), "{page}");
        // The others were asked all the same.
        assert!(page.contains("handler=\"quick\",impl=\"denyChecker\",result=\"ok\"} 1"), "{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_adapters_panic_is_not_told_to_the_caller() {
    let (decision, page) = decide(&["panics"]).await;
    assert!(!decision.verdict.status.message.contains("on purpose"), "{}", decision.verdict.status.message);
    assert!(page.contains("mixer_panics_total 1"), "{page}");
}

/// A backend that hangs holds so many calls of its handler and no more; the other handlers do not notice.
#[tokio::test(start_paused = true)]
async fn calls_on_top_fail_at_once() {
    let telemetry = Telemetry::new();
    let active = active(&["hangs", "lasting"]);
    let bag = Bag::new();
    let mut first: Vec<_> =
        (0..limits::HANDLER_CALLS).map(|_| Box::pin(check(&active, &bag, &telemetry))).collect();
    for check in &mut first {
        assert!(check.now_or_never().is_none());
    }
    let begun = tokio::time::Instant::now();
    let Decision { verdict, is_failure, .. } = check(&active, &bag, &telemetry).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!((verdict.status.code, verdict.validity), (Code::Unavailable, Validity::Never));
    assert!(is_failure);
    join_all(first).await;
    // Those that were under way have ended, or were given up: there is room again.
    let mut page = String::new();
    drop(check(&active, &bag, &telemetry).boxed().now_or_never());
    let decision = check(&active, &bag, &telemetry).await;
    assert_eq!(decision.verdict.status.code, Code::Internal, "it hangs, as before");
    telemetry.write(None, &mut page);
    let sample = |handler: &str, result: &str| {
        format!("handler=\"{handler}\",impl=\"denyChecker\",result=\"{result}\"}} ")
    };
    assert!(page.contains(&format!("{}1\n", sample("hangs", "overloaded"))), "{page}");
    let timeouts = limits::HANDLER_CALLS + 1;
    assert!(page.contains(&format!("{}{timeouts}\n", sample("hangs", "timeout"))), "{page}");
    assert!(!page.contains(&sample("lasting", "overloaded")), "{page}");
}

#[tokio::test]
async fn nothing_to_ask_is_an_answer_for_a_while() {
    let (decision, _) = decide(&[]).await;
    assert!(decision.verdict.status.is_ok());
    assert_eq!(decision.verdict.validity, Validity::For { ttl: limits::VERDICT_TTL, uses: None });
    assert!(decision.trace.is_empty());
}
