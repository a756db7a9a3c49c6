//! Bytes that no honest host or server would hand out.

use crate::wasm_host::{Lines, Outcome, Stream, Vm, pairs};
use anyhow::{Result, ensure};
use proptest::prelude::*;
use prost::Message as _;
use proto::v1::header_operation::Operation;
use proto::v1::{HeaderOperation, RouteDirective};
use tests::decode;

use super::{
    CHECK, CONFIGURATION, DEADLINE, Reply, TICK, allowed, answer, configured, denied, ensure_it_works,
    finish, last_call, last_token, rich,
};

/// A whole life of a stream, from its request to its report.
fn live(vm: &mut Vm, stream: Stream) -> Result<Outcome> {
    let calls = vm.world().calls_of(CHECK).len();
    let stream = vm.request(stream)?;
    if vm.world().calls_of(CHECK).len() > calls {
        // What was asked is readable, whatever it was made of.
        decode::check(&proto::v1::CheckRequest::decode(last_call(vm, CHECK)?.message.as_slice())?)?;
        let token = last_token(vm, CHECK)?;
        vm.receive(token, allowed())?;
    }
    let outcome = vm.outcome(stream);
    ensure!(outcome != Outcome::Waiting, "it still waits");
    finish(vm, stream)?;
    Ok(outcome)
}

/// Bytes that are no value of any type, or of another than expected.
fn odd_values() -> Vec<Vec<u8>> {
    let huge = u32::MAX.to_le_bytes();
    let mut values = vec![
        Vec::new(),
        vec![0],
        vec![0xff],
        vec![0xff; 4],
        vec![0xff; 7],
        vec![0xff; 8],
        i64::MIN.to_le_bytes().to_vec(),
        i64::MAX.to_le_bytes().to_vec(),
        vec![0; 9],
        b"\xc3\x28\x00\xf0\x9f".to_vec(),
        b"999.999.999.999:99999".to_vec(),
        b"[::1%lo]:80".to_vec(),
        "\u{202e}\0\u{1f980}".as_bytes().to_vec(),
        vec![b'a'; 1 << 20],
        // Maps that promise more than they hold.
        huge.to_vec(),
        [1_u32.to_le_bytes(), huge, huge].concat(),
        [0x2000_0000_u32.to_le_bytes(), huge, huge].concat(),
        pairs(&[(b"\xff\xfe".as_slice(), b"\xff".as_slice())]),
        pairs(&[("check", [0xff])]),
        pairs(&[("", "")]),
    ];
    let nested = pairs(&[("attributes", pairs(&[("a", "b")])), ("check", pairs(&[("enabled", [1])]))]);
    values.extend((0..nested.len()).map(|length| nested[..length].to_vec()));
    values
}

#[test]
fn no_property_breaks_anything() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let paths: Vec<_> = rich("/").properties.into_keys().collect();
    for path in &paths {
        for (number, value) in odd_values().into_iter().enumerate() {
            live(&mut vm, rich(&format!("/{path}/{number}")).with(path, value))?;
        }
        vm.tick(TICK)?;
    }
    for value in odd_values() {
        let mut stream = rich("/all");
        stream.properties.values_mut().for_each(|property| property.clone_from(&value));
        live(&mut vm, stream)?;
    }
    vm.tick(DEADLINE)?;
    ensure_it_works(&mut vm, "/b")
}

#[test]
fn a_route_whose_metadata_cannot_be_read_lets_nothing_through() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let metadata = "xds.route_metadata.filter_metadata.mixer";
    let off = pairs(&[("check", pairs(&[("enabled", [0])]))]);
    assert_eq!(live(&mut vm, rich("/off").with(metadata, off.clone()))?, Outcome::Passed);
    assert_eq!(vm.world().calls_of(CHECK).len(), 0, "a check is switched off by one that can be read");
    for length in 1..off.len() {
        let stream = vm.request(rich("/on").with(metadata, &off[..length]))?;
        ensure!(vm.outcome(stream) == Outcome::Answered(500), "{length} bytes of it switched the check off");
        vm.delete(stream)?;
    }
    vm.tick(TICK)?;
    assert_eq!(vm.world().count("total_invalid_route_overrides"), off.len() as i64 - 1);
    Ok(())
}

#[test]
fn no_encoding_of_headers_breaks_anything() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let whole = rich("/a").request.encode();
    let encodings = (0..whole.len()).map(|length| whole[..length].to_vec()).chain(odd_values());
    for encoding in encodings {
        let raw = || Lines::Raw(encoding.clone());
        live(&mut vm, Stream { request: raw(), response: raw(), trailers: raw(), ..rich("/") })?;
    }
    vm.tick(DEADLINE)?;
    ensure_it_works(&mut vm, "/b")
}

/// Without its headers a request could pass that a rule about a header would stop.
#[test]
fn headers_that_cannot_be_read_are_not_absent_headers() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let whole = rich("/a").request.encode();
    let request = Lines::Raw(whole[..whole.len() - 1].to_vec());
    let outcome = live(&mut vm, Stream { request, ..rich("/") })?;
    ensure!(matches!(outcome, Outcome::Answered(500..)), "{outcome:?}");
    Ok(())
}

#[test]
fn bytes_that_are_no_text_go_through() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let mut stream = Stream::get("/a");
    stream.request.push("x-bytes", b"\xff\x00\xfe".to_vec());
    stream.request.push("x-\u{fc}", b"\xc3".to_vec());
    let stream = vm.request(stream)?;
    let check = proto::v1::CheckRequest::decode(last_call(&vm, CHECK)?.message.as_slice())?;
    assert_eq!(decode::check(&check)?["request.headers"]["x-bytes"], "\u{fffd}\0\u{fffd}");
    let token = last_token(&vm, CHECK)?;
    vm.receive(token, allowed())?;
    assert_eq!(vm.outcome(stream), Outcome::Passed);
    assert_eq!(vm.stream(stream)?.request.get("x-bytes"), Some(b"\xff\x00\xfe".as_slice()), "unchanged");
    finish(&mut vm, stream)
}

#[test]
fn headers_may_be_huge_or_many() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let mut huge = rich("/huge");
    huge.request.push("x-huge", vec![b'a'; 4 << 20]);
    huge.response.push("x-huge", vec![0xff; 4 << 20]);
    assert_eq!(live(&mut vm, huge)?, Outcome::Passed);
    let mut many = rich("/many");
    for number in 0..2_000 {
        many.request.push(&format!("x-{number}"), "a");
        many.request.push("x-same", "a");
        many.response.push(&format!("x-{number}"), "a");
    }
    assert_eq!(live(&mut vm, many)?, Outcome::Passed);
    assert_eq!(live(&mut vm, rich(&format!("/{}", "?&=".repeat(20_000))))?, Outcome::Passed);
    vm.tick(DEADLINE)?;
    ensure_it_works(&mut vm, "/b")
}

/// Asks, answers with these bytes, and says what became of it.
fn answered_with(vm: &mut Vm, path: &str, answer: &[u8]) -> Result<Outcome> {
    let stream = vm.request(Stream::get(path))?;
    if vm.outcome(stream) == Outcome::Waiting {
        let token = last_token(vm, CHECK)?;
        vm.receive(token, answer)?;
    }
    let outcome = vm.outcome(stream);
    ensure!(outcome != Outcome::Waiting, "it still waits");
    finish(vm, stream)?;
    Ok(outcome)
}

/// Whether an answer says anything about the request, by the letter of the protocol.
fn has_precondition(answer: &[u8]) -> bool {
    proto::v1::CheckResponse::decode(answer).is_ok_and(|answer| answer.precondition.is_some())
}

#[test]
fn no_garbage_for_an_answer_is_a_pass() -> Result<()> {
    let Some(vm) = Vm::or_skip()? else { return Ok(()) };
    let vm = std::cell::RefCell::new(vm);
    let config = ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() };
    let whole = [allowed(), denied()];
    let mutated = (0..2_usize, any::<prop::sample::Index>(), any::<u8>(), any::<bool>());
    let mutated = mutated.prop_map(move |(which, place, byte, is_cut)| {
        let mut answer = whole[which].clone();
        let place = place.index(answer.len());
        if is_cut {
            answer.truncate(place);
        } else {
            answer[place] = byte;
        }
        answer
    });
    let random = prop::collection::vec(any::<u8>(), 0..64);
    let case = |answer: Vec<u8>| {
        // A cache of its own for each, so that no other's verdict answers for it.
        let mut vm = vm.borrow_mut();
        let outcome = vm
            .configure(r#"{"mixer": {"cluster": "m"}, "report": {"enabled": false}}"#)
            .and_then(|_| answered_with(&mut vm, "/a", &answer))
            .and_then(|outcome| vm.tick(TICK).map(|()| outcome));
        match outcome {
            Ok(Outcome::Answered(500)) => Ok(()),
            Ok(_) if has_precondition(&answer) => Ok(()),
            Ok(outcome) => Err(TestCaseError::fail(format!("it came to {outcome:?}"))),
            Err(error) => Err(TestCaseError::fail(format!("{error:#}"))),
        }
    };
    proptest::test_runner::TestRunner::new(config).run(&prop_oneof![random, mutated], case)?;
    Ok(())
}

#[test]
fn an_answer_of_any_length_ends_the_wait() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let whole = denied();
    for length in 0..whole.len() {
        let outcome = answered_with(&mut vm, &format!("/{length}"), &whole[..length])?;
        ensure!(
            outcome == Outcome::Answered(500) || has_precondition(&whole[..length]),
            "{length} bytes of a refusal: {outcome:?}"
        );
    }
    let long = answer(Reply::verdict(0, &"a".repeat(2 << 20), &["request.path"]));
    assert_eq!(answered_with(&mut vm, "/long", &long)?, Outcome::Answered(500), "more than is read");
    ensure_it_works(&mut vm, "/b")
}

#[test]
fn any_directive_ends_the_wait() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let texts = ["", ":", "\0", "a\r\nb: c", "\u{1f980}", &"a".repeat(1 << 16)];
    let operations = |text: &str| {
        [Operation::Replace, Operation::Append, Operation::Remove].map(|operation| HeaderOperation {
            name: text.into(),
            value: text.into(),
            operation: operation.into(),
        })
    };
    for text in texts {
        for code in [0, 1, 99, 100, 101, 199, 200, 304, 599, 600, 999, 65_536 + 200, u32::MAX] {
            let directive = RouteDirective {
                request_header_operations: operations(text).into(),
                response_header_operations: operations(text).into(),
                direct_response_code: code,
                direct_response_body: text.into(),
            };
            let answer = answer(Reply::verdict(0, "", &["request.path"]).with_directive(directive));
            let outcome = answered_with(&mut vm, &format!("/{code}/{}", text.len()), &answer)?;
            ensure!(code == 0 || outcome != Outcome::Passed, "direct response {code} let it pass");
        }
    }
    ensure_it_works(&mut vm, "/b")
}

#[test]
fn any_status_of_a_call_ends_the_wait() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let messages: [Vec<u8>; 4] = [
        Vec::new(),
        b"\xff\xfe".to_vec(),
        vec![b'a'; 1 << 20],
        b"inconsistent global dictionary versions used: mixer knows 99999999999 words, caller knows".to_vec(),
    ];
    for status in (1..=17).chain([u32::MAX]) {
        for message in &messages {
            let stream = vm.request(Stream::get("/a"))?;
            let token = last_token(&vm, CHECK)?;
            vm.close(token, status, message.clone())?;
            let outcome = vm.outcome(stream);
            ensure!(matches!(outcome, Outcome::Answered(500..)), "{status}: {outcome:?}");
            finish(&mut vm, stream)?;
        }
    }
    vm.tick(DEADLINE)?;
    ensure_it_works(&mut vm, "/b")
}

#[test]
fn a_server_that_complains_of_words_that_were_not_used_is_not_asked_again() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let stream = vm.request(Stream::get("/a"))?;
    let token = last_token(&vm, CHECK)?;
    let message = "inconsistent global dictionary versions used: mixer knows 50 words, caller knows 999";
    vm.close(token, 3, message)?;
    assert_eq!(vm.world().calls_of(CHECK).len(), 1);
    ensure!(matches!(vm.outcome(stream), Outcome::Answered(500..)), "{:?}", vm.outcome(stream));
    finish(&mut vm, stream)?;
    ensure_it_works(&mut vm, "/b")
}

#[test]
fn a_configuration_of_any_length_is_taken_or_refused() -> Result<()> {
    let Some(mut vm) = Vm::or_skip()? else { return Ok(()) };
    for length in 0..CONFIGURATION.len() {
        vm.world_mut().log.clear();
        assert!(!vm.configure(&CONFIGURATION[..length])?, "{length}");
        assert!(vm.world().logged("mixer filter configuration"), "{length}: {:?}", vm.world().log);
    }
    // Nested deeper than any stack of a reader.
    assert!(!vm.configure(r#"{"mixer":"#.repeat(100_000))?);
    assert!(!vm.configure(vec![b'['; 2 << 20])?);
    assert!(vm.configure(CONFIGURATION)?);
    ensure_it_works(&mut vm, "/b")
}
