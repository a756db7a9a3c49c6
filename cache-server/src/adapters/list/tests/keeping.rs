//! How a list is kept while its origin comes and goes. Time stands still and passes only where somebody waits.

use std::time::Duration;

use checkcache::Validity;

use super::*;
use crate::limits;

const SECOND: Duration = Duration::from_secs(1);

fn params() -> serde_json::Value {
    json!({ "refreshInterval": "60s", "ttl": "300s" })
}

fn ttl(membership: &Membership) -> Duration {
    match membership.validity {
        Validity::For { ttl, .. } => ttl,
        other => panic!("{other:?}"),
    }
}

/// Lets time pass until the script was asked so often and what it had was taken up.
async fn until_asked(script: &Script, times: usize) {
    while script.asked().len() < times {
        tokio::time::sleep(SECOND / 10).await;
    }
    tokio::time::sleep(SECOND / 100).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_for_before_the_configuration_is_in_force() {
    let script = Script::of([text("ann")]);
    let checker = scripted(&params(), &script, &surroundings());
    let begun = Instant::now();
    let error = is_found(&checker, "ann").await.unwrap_err();
    assert_eq!(error, HandlerError::Failed("the list of the test was not had yet".to_owned()));
    assert!(begun.elapsed() < limits::ADAPTER_CALL);
    assert!(script.asked().is_empty());

    checker.in_force();
    checker.in_force();
    assert_eq!(is_found(&checker, "ann").await, Ok(true));
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_comes_before_the_first_list_waits_for_it() {
    let script = Script::of([text("ann")]);
    let checker = scripted(&params(), &script, &surroundings());
    let waiting = is_found(&checker, "ann");
    let later = async {
        tokio::time::sleep(limits::LIST_WAIT / 2).await;
        checker.in_force();
    };
    let (found, ()) = tokio::join!(waiting, later);
    assert_eq!(found, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn without_a_first_list_everyone_is_refused() {
    let script = Script::of([failure(), failure(), text("ann")]);
    let surroundings = surroundings();
    let checker = scripted(&params(), &script, &surroundings);
    checker.in_force();
    let error = is_found(&checker, "ann").await.unwrap_err();
    let reason = "the list of the test cannot be had: it is away";
    assert_eq!(error, HandlerError::Failed(reason.to_owned()));
    assert_eq!(checker.impediment().as_deref(), Some(reason));
    until_asked(&script, 3).await;
    assert_eq!(is_found(&checker, "ann").await, Ok(true));
    assert_eq!(checker.impediment(), None);
    let page = metrics(&surroundings);
    for sample in ["result=\"failed\"} 2", "result=\"changed\"} 1"] {
        let sample = format!("mixer_list_refreshes_total{{handler=\"list\",{sample}");
        assert!(page.contains(&sample), "{sample}\n{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_away_is_asked_for_more_and_more_seldom() {
    let script = Script::of([const { Err(String::new()) }; 12]);
    let checker = scripted(&params(), &script, &surroundings());
    checker.in_force();
    until_asked(&script, 12).await;
    let asked = script.asked();
    for (nth, pair) in asked.windows(2).enumerate() {
        let most = limits::LIST_RETRY.saturating_mul(1 << nth).min(60 * SECOND);
        let waited = pair[1] - pair[0];
        // Timers are exact to a millisecond.
        let slack = Duration::from_millis(2);
        assert!(waited + slack >= most / 2 && waited <= most + slack, "{nth}: {waited:?} of {most:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_good_list_stands_in_until_its_time_is_up() {
    let script = Script::of([text("ann"), failure(), text("\u{1}"), Ok(Fetched::Unchanged)]);
    let checker = scripted(&json!({ "refreshInterval": "200s", "ttl": "300s" }), &script, &surroundings());
    checker.in_force();
    let first = checker.contains(&Value::from("ann")).await.unwrap();
    assert_eq!((first.found, ttl(&first)), (true, limits::VERDICT_TTL));
    // The failure, and then something that is no list.
    until_asked(&script, 3).await;
    assert_eq!(is_found(&checker, "ann").await, Ok(true));
    assert_eq!(script.0.lock().unwrap().taken_up, 1);
    // It still is the list, says the origin, so that it stands again.
    until_asked(&script, 4).await;
    let had = script.asked()[3];
    let gone = async {
        loop {
            match checker.contains(&Value::from("ann")).await {
                Ok(membership) => {
                    assert!(had.elapsed() + ttl(&membership) <= 300 * SECOND);
                    tokio::time::sleep(SECOND).await;
                }
                Err(error) => return error,
            }
        }
    };
    let error = gone.await;
    assert!(had.elapsed() >= 300 * SECOND && had.elapsed() < 302 * SECOND, "{:?}", had.elapsed());
    let reason = "the list of the test cannot be had: it does not answer; it was last had 300 s ago";
    assert_eq!(error, HandlerError::Failed(reason.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_was_given_up_comes_back() {
    let script = Script::of([
        text("ann"),
        failure(),
        failure(),
        failure(),
        failure(),
        failure(),
        failure(),
        Ok(Fetched::Unchanged),
    ]);
    let checker = scripted(&json!({ "refreshInterval": "10s", "ttl": "10s" }), &script, &surroundings());
    checker.in_force();
    until_asked(&script, 7).await;
    let error = is_found(&checker, "ann").await.unwrap_err();
    assert!(error.to_string().contains("it is away; it was last had"), "{error}");
    until_asked(&script, 8).await;
    assert_eq!(is_found(&checker, "ann").await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn answers_hold_no_longer_than_the_list_is_asked_for() {
    let script = Script::of([text("ann")]);
    let params =
        json!({ "refreshInterval": "7s", "ttl": "20s", "cachingInterval": "10s", "cachingUseCount": 5 });
    let checker = scripted(&params, &script, &surroundings());
    checker.in_force();
    let fresh = checker.contains(&Value::from("ann")).await.unwrap();
    assert_eq!(fresh.validity, Validity::For { ttl: 7 * SECOND, uses: Some(5) });
    tokio::time::sleep(15 * SECOND).await;
    let old = checker.contains(&Value::from("ann")).await.unwrap();
    assert!(ttl(&old) <= 5 * SECOND, "{old:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_recalls_answers_and_nothing_else_does() {
    let script = Script::of([
        text("ann\nbob"),
        text("# another order\nbob\nann"),
        Ok(Fetched::Unchanged),
        failure(),
        text("\u{1}"),
        text("ann"),
    ]);
    let surroundings = surroundings();
    let checker = scripted(&params(), &script, &surroundings);
    checker.in_force();
    until_asked(&script, 5).await;
    let unmoved = tokio::time::timeout(SECOND / 100, surroundings.recall.is_due()).await;
    assert!(unmoved.is_err());
    surroundings.recall.is_due().await;
    assert_eq!(is_found(&checker, "bob").await, Ok(false));
    // Time passes when everybody waits, so that the last of it is counted by then.
    tokio::time::sleep(SECOND / 100).await;
    let page = metrics(&surroundings);
    for sample in ["result=\"changed\"} 2", "result=\"unchanged\"} 2", "result=\"failed\"} 2"] {
        let sample = format!("mixer_list_refreshes_total{{handler=\"list\",{sample}");
        assert!(page.contains(&sample), "{sample}\n{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn bad_entries_are_counted_when_they_are_new() {
    let body = text("10.0.0.1\nx\ny");
    let script = Script::of([body.clone(), body, text("10.0.0.1\nx")]);
    let surroundings = surroundings();
    let checker = scripted(&json!({ "entryType": "IP_ADDRESSES" }), &script, &surroundings);
    checker.in_force();
    until_asked(&script, 2).await;
    assert_eq!(is_found(&checker, "10.0.0.1").await, Ok(true));
    let sample = |count: usize| format!("mixer_list_skipped_entries_total{{handler=\"list\"}} {count}");
    assert!(metrics(&surroundings).contains(&sample(2)), "{}", metrics(&surroundings));
    until_asked(&script, 3).await;
    assert!(metrics(&surroundings).contains(&sample(3)), "{}", metrics(&surroundings));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_for_after_the_handler_is_gone() {
    let script = Script::of([text("ann"), text("bob")]);
    let checker = scripted(&params(), &script, &surroundings());
    checker.in_force();
    assert_eq!(is_found(&checker, "ann").await, Ok(true));
    drop(checker);
    // The keeper holds the other one; it is gone when the task is.
    while Arc::strong_count(&script.0) > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn lists_of_one_adapter_have_nothing_to_do_with_each_other() {
    let (of_ann, of_bob) = (Script::of([text("ann")]), Script::of([text("bob"), failure()]));
    let surroundings = surroundings();
    let first = scripted(&params(), &of_ann, &surroundings);
    let second = scripted(&params(), &of_bob, &surroundings);
    first.in_force();
    second.in_force();
    assert_eq!((is_found(&first, "ann").await, is_found(&first, "bob").await), (Ok(true), Ok(false)));
    assert_eq!((is_found(&second, "ann").await, is_found(&second, "bob").await), (Ok(false), Ok(true)));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_may_not_be_older_than_it_is_asked_for_has_no_gaps() {
    let script = Script::of([const { Ok(Fetched::Unchanged) }; 20]);
    script.0.lock().unwrap().outcomes.push_front(text("ann"));
    let checker = scripted(&json!({ "refreshInterval": "10s", "ttl": "10s" }), &script, &surroundings());
    checker.in_force();
    while script.asked().len() < 20 {
        assert_eq!(is_found(&checker, "ann").await, Ok(true));
        tokio::time::sleep(SECOND / 10).await;
    }
    let asked = script.asked();
    let waits: std::collections::HashSet<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.len() > 1 && waits.iter().all(|wait| *wait >= 8 * SECOND), "{waits:?}");
}
