//! Checks of many requests on one stream.

use std::collections::BTreeMap;
use std::time::Instant;

use attributes::Bag;
use prost::Message as _;
use proto::checks::checks_client::ChecksClient;
use proto::checks::{Answer, Question};
use proto::v1::{CheckRequest, CheckResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Streaming};

use crate::harness::{PATIENCE, TestServer, bag, check_request, tree};

const ADAPTERS: &str = r"
adapters:
  - { name: closed, kind: denials, impl: denyChecker, params: { error: { code: 7 } } }
";

const RULES: &str = r#"
rules:
  - selector: request.path.startsWith("/admin")
    aspects: [{ kind: denials, adapter: closed }]
"#;

/// A stream of checks.
struct Line {
    questions: mpsc::UnboundedSender<Question>,
    answers: Streaming<Answer>,
}

impl Line {
    /// Opens one, on which the server has spoken.
    async fn open(server: &TestServer) -> Self {
        let (questions, asked) = mpsc::unbounded_channel();
        let mut client = ChecksClient::new(server.connect().await);
        let answers = client.ask(UnboundedReceiverStream::new(asked)).await.unwrap().into_inner();
        let mut line = Self { questions, answers };
        assert_eq!(line.next().await, Some(Answer::default()), "an answer to no question");
        line
    }

    fn ask(&self, id: u64, request: &CheckRequest) {
        self.send(id, request.encode_to_vec(), 0);
    }

    fn send(&self, id: u64, request: Vec<u8>, timeout_ms: u32) {
        self.questions.send(Question { id, request: request.into(), timeout_ms }).unwrap();
    }

    /// What comes next; `None` at the end.
    async fn next(&mut self) -> Option<Answer> {
        let next = tokio::time::timeout(PATIENCE, self.answers.message()).await;
        next.expect("nothing came").unwrap()
    }

    /// The next answer to a question, and how often the server said before that it was there.
    async fn answer(&mut self) -> (Answer, usize) {
        let mut beats = 0;
        loop {
            match self.next().await.expect("the stream ended") {
                Answer { id: 0, .. } => beats += 1,
                answer => return (answer, beats),
            }
        }
    }

    /// So many answers, by the numbers of their questions.
    async fn take(&mut self, count: usize) -> BTreeMap<u64, Answer> {
        let mut answers = BTreeMap::new();
        for _ in 0..count {
            let (answer, _) = self.answer().await;
            assert!(answers.insert(answer.id, answer).is_none(), "a question has two answers");
        }
        answers
    }
}

fn path(path: &str) -> Bag {
    bag([("request.path", path)])
}

fn response(answer: &Answer) -> CheckResponse {
    assert_eq!((answer.code, answer.message.as_str()), (0, ""));
    CheckResponse::decode(answer.response.as_slice()).unwrap()
}

#[tokio::test]
async fn an_answer_says_what_a_call_of_its_own_would() {
    // As evaluated, as found in the cache, and where there is none.
    for l2_entries in [1000, 0] {
        let server = TestServer::start(tree(ADAPTERS, RULES), l2_entries).await;
        let mut line = Line::open(&server).await;
        let paths: Vec<_> = (0..200).map(|n| format!("/{}/{}", ["admin", "shop"][n % 2], n % 7)).collect();
        for (number, text) in paths.iter().enumerate() {
            line.ask(number as u64 + 1, &check_request(&server.dictionary, &path(text)));
        }
        for (id, answer) in line.take(paths.len()).await {
            let (answer, text) = (response(&answer), &paths[id as usize - 1]);
            let called = server.check(&path(text)).await;
            let said = |response: &CheckResponse| {
                let precondition = response.precondition.clone().unwrap();
                (precondition.status, precondition.trace, response.revision, response.hash_seed.clone())
            };
            assert_eq!(said(&answer), said(&called), "{text}");
        }
    }
}

#[tokio::test]
async fn one_that_fails_takes_no_other_with_it() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 100).await;
    let mut line = Line::open(&server).await;
    let good = check_request(&server.dictionary, &path("/admin"));
    line.send(1, b"\xff\xff".to_vec(), 0);
    line.ask(2, &CheckRequest { global_word_count: 100_000, ..good.clone() });
    line.ask(3, &good);
    let answers = line.take(3).await;
    assert_eq!(answers[&1].code, Code::InvalidArgument as i32, "{:?}", answers[&1]);
    assert!(answers[&1].message.contains("cannot be read"), "{:?}", answers[&1]);
    assert!(answers[&2].message.contains("dictionary"), "{:?}", answers[&2]);
    assert_eq!(response(&answers[&3]).precondition.unwrap().status.unwrap().code, 7);
}

/// A server that waits for a list when it is asked about `/slow`, since what provides it accepts and never says a word.
async fn slow() -> (TestServer, std::net::TcpListener) {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let adapters = format!(
        "{ADAPTERS}  - {{ name: remote, kind: lists, impl: listChecker, params: {{ providerUrl: 'http://{}/' }} }}\n",
        silent.local_addr().unwrap()
    );
    let rules = format!(
        "{RULES}  - selector: request.path.startsWith(\"/slow\")\n    aspects: [{{ kind: lists, adapter: remote, \
         params: {{ checkExpression: request.path }} }}]\n"
    );
    (TestServer::start(tree(&adapters, &rules), 0).await, silent)
}

#[tokio::test]
async fn one_that_waits_holds_up_no_other_and_is_not_silence() {
    let (server, _silent) = slow().await;
    let mut line = Line::open(&server).await;
    line.ask(1, &check_request(&server.dictionary, &path("/slow")));
    line.ask(2, &check_request(&server.dictionary, &path("/")));
    let (first, _) = line.answer().await;
    let (second, beats) = line.answer().await;
    assert_eq!((first.id, second.id), (2, 1));
    assert!(beats > 1, "the server worked and was silent");
    // Nobody waits so long.
    line.send(3, check_request(&server.dictionary, &path("/slow/3")).encode_to_vec(), 20);
    let (late, _) = line.answer().await;
    assert_eq!((late.id, late.code), (3, Code::DeadlineExceeded as i32));
}

#[tokio::test]
async fn what_is_asked_is_decided_whether_or_not_the_client_reads() {
    let (server, _silent) = slow().await;
    let endpoint = tonic::transport::Endpoint::new(format!("http://{}", server.server.listen())).unwrap();
    // Less than the answers take.
    let channel = endpoint.initial_stream_window_size(1024).connect().await.unwrap();
    let (questions, asked) = mpsc::unbounded_channel();
    let asked = UnboundedReceiverStream::new(asked);
    let mut answers = ChecksClient::new(channel).ask(asked).await.unwrap().into_inner();
    let count = 500;
    for id in 1..=count {
        let request = check_request(&server.dictionary, &path(&format!("/slow/{id}"))).encode_to_vec().into();
        questions.send(Question { id, request, timeout_ms: 0 }).unwrap();
    }
    server.until("/metrics", |_, page| checks(page) >= count as f64).await;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < count as usize {
        let answer = tokio::time::timeout(PATIENCE, answers.message()).await.expect("nothing came");
        seen.insert(answer.unwrap().expect("the stream ended").id);
        seen.remove(&0);
    }
}

fn checks(page: &str) -> f64 {
    let samples = page.lines().filter(|line| line.starts_with("mixer_checks_total{"));
    samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

#[tokio::test]
async fn what_is_too_large_ends_the_stream_after_the_answers_to_what_came_before() {
    let (server, _silent) = slow().await;
    let mut line = Line::open(&server).await;
    line.ask(1, &check_request(&server.dictionary, &path("/slow")));
    line.send(2, vec![0; cache_server::limits::QUESTION_BYTES], 0);
    assert_eq!(line.answer().await.0.id, 1);
    let end = loop {
        match tokio::time::timeout(PATIENCE, line.answers.message()).await.expect("nothing came") {
            Ok(Some(answer)) => assert_eq!(answer.id, 0, "only that it is there"),
            Ok(None) => panic!("it ended as if nothing was wrong"),
            Err(status) => break status,
        }
    };
    assert_eq!(end.code(), Code::OutOfRange, "{end}");
}

#[tokio::test]
async fn a_stream_ends_with_its_client_and_with_the_server_and_lets_it_end() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 100).await;
    let Line { questions, mut answers } = Line::open(&server).await;
    drop(questions);
    let end = tokio::time::timeout(PATIENCE, answers.message()).await.expect("it ends");
    assert_eq!(end.unwrap(), None);

    let mut line = Line::open(&server).await;
    line.ask(1, &check_request(&server.dictionary, &path("/admin")));
    assert_eq!(line.answer().await.0.id, 1);
    let begin = Instant::now();
    tokio::time::timeout(PATIENCE, server.server.stop()).await.expect("it stops");
    assert!(begin.elapsed() < cache_server::limits::DRAIN, "the stream kept the server from ending");
    assert_eq!(line.next().await, None, "it ends in good order");
}
