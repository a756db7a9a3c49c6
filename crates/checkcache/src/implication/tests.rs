//! Every rule against every small request: what is not written down must come out the same wherever the rest does.

use attributes::{Bag, StringMap, Timestamp, Value};

use crate::{Recorder, Target, Test, Trace};

fn tests() -> Vec<Test> {
    let texts = ["", "a", "ab", "b", "ba"];
    let mut constants: Vec<Value> = texts.iter().map(|text| Value::from(*text)).collect();
    constants.extend([1.into(), 2.into(), true.into(), false.into(), Value::Double(1.5)]);
    constants.push(Value::Timestamp(Timestamp { seconds: 1, nanos: 0 }));
    constants.push(StringMap::default().into());
    let mut tests = vec![Test::Value, Test::Present];
    for constant in constants {
        tests.push(Test::Equals(constant.clone()));
        tests.push(Test::Less(constant.clone()));
        tests.push(Test::LessOrEqual(constant.clone()));
        tests.push(Test::Greater(constant.clone()));
        tests.push(Test::GreaterOrEqual(constant));
    }
    tests.extend(texts.iter().map(|text| Test::Prefix((*text).into())));
    tests.extend(texts.iter().map(|text| Test::Suffix((*text).into())));
    tests
}

fn targets() -> Vec<Target> {
    let key = |key: &str| Target::Key("a".into(), key.into());
    vec![Target::Attribute("a".into()), key("k"), key("l"), Target::Attribute("b".into())]
}

/// Requests with any value of `a`, the interesting ones between the constants among them.
fn requests() -> Vec<Bag> {
    let mut values: Vec<Value> =
        ["", "a", "ab", "aba", "ac", "b", "ba", "bb", "c", "A"].map(Value::from).to_vec();
    values.extend([0, 1, 2, 3].map(Value::from));
    values.extend([true.into(), false.into()]);
    values.extend([1.0, 1.5, 2.0, f64::NAN].map(Value::Double));
    values.extend([0, 1, 2].map(|seconds| Value::Timestamp(Timestamp { seconds, nanos: 0 })));
    for entry in [None, Some(""), Some("a"), Some("ab"), Some("ba"), Some("c")] {
        for other in [None, Some("a")] {
            let entries = entry.map(|text| ("k", text)).into_iter().chain(other.map(|text| ("l", text)));
            values.push(entries.collect::<StringMap>().into());
        }
    }
    let mut requests = vec![Bag::new()];
    requests.extend(values.into_iter().map(|value| [("a", value)].into_iter().collect::<Bag>()));
    requests
}

#[test]
fn what_is_left_out_is_settled() {
    let (tests, targets, requests) = (tests(), targets(), requests());
    let looks: Vec<_> =
        targets.iter().flat_map(|target| tests.iter().map(move |test| (target, test))).collect();
    let (mut cases, mut left_out) = (0_u64, 0_u64);
    for (target, test) in &looks {
        // The second look is only worth trying where it could be settled.
        for (other_target, other_test) in looks.iter().filter(|(t, _)| t.attribute() == target.attribute()) {
            for request in &requests {
                let mut recorder = Recorder::new(request);
                recorder.perform(target, test);
                let outcome = recorder.perform(other_target, other_test);
                let trace = recorder.into_trace();
                cases += 1;
                if trace.observations().len() == 2 {
                    continue;
                }
                left_out += 1;
                for other in requests.iter().filter(|other| trace.holds_for(*other)) {
                    let again = other_test.perform(other_target, other);
                    assert_eq!(again, outcome, "{other_target} {other_test:?} after\n{trace}for {other:?}");
                }
            }
        }
    }
    println!("{cases} pairs of looks at a request, the second settled by the first in {left_out}");
    assert!(left_out > cases / 10);
}

/// What a trace has left after some looks at one attribute.
fn trace_of(value: &str, looks: &[Test]) -> Trace {
    let request: Bag = [("a", value)].into_iter().collect();
    let mut recorder = Recorder::new(&request);
    for test in looks {
        recorder.perform(&Target::Attribute("a".into()), test);
    }
    recorder.into_trace()
}

#[test]
fn the_rules_by_name() {
    let prefix = |text: &str| Test::Prefix(text.into());
    let equals = |text: &str| Test::Equals(text.into());
    for (looks, expected) in [
        (vec![Test::Value, prefix("a"), equals("b"), Test::Present], 1),
        (vec![equals("abc"), prefix("x"), Test::Value, Test::Less("z".into())], 1),
        (vec![prefix("ab"), prefix("a"), prefix("x"), equals("x"), Test::Present], 1),
        (vec![prefix("a"), prefix("ab"), equals("abc")], 3),
        (vec![prefix("x"), prefix("xy"), equals("xyz")], 1),
        (vec![equals("x"), equals("y"), equals("x")], 2),
        (vec![Test::Less("b".into()), Test::Less("c".into()), Test::Greater("b".into()), equals("b")], 1),
        (vec![Test::Present, Test::Value], 2),
    ] {
        let trace = trace_of("abc", &looks);
        assert_eq!(trace.observations().len(), expected, "{looks:?} leave\n{trace}");
    }
}
