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
        let request = request.encode_to_vec().into();
        self.questions.send(Question { id, request }).unwrap();
    }

    /// The next answer; `None` at the end.
    async fn next(&mut self) -> Option<Answer> {
        let next = tokio::time::timeout(PATIENCE, self.answers.message()).await;
        next.expect("no answer came").unwrap()
    }

    /// So many answers, by the numbers of their questions.
    async fn take(&mut self, count: usize) -> BTreeMap<u64, Answer> {
        let mut answers = BTreeMap::new();
        for _ in 0..count {
            let answer = self.next().await.expect("the stream ended");
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
    line.questions.send(Question { id: 1, request: b"\xff\xff"[..].into() }).unwrap();
    line.ask(2, &CheckRequest { global_word_count: 100_000, ..good.clone() });
    line.ask(3, &good);
    let answers = line.take(3).await;
    assert_eq!(answers[&1].code, Code::InvalidArgument as i32, "{:?}", answers[&1]);
    assert!(answers[&1].message.contains("cannot be read"), "{:?}", answers[&1]);
    assert!(answers[&2].message.contains("dictionary"), "{:?}", answers[&2]);
    assert_eq!(response(&answers[&3]).precondition.unwrap().status.unwrap().code, 7);
}

#[tokio::test]
async fn one_that_waits_holds_up_no_other() {
    // It accepts, and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let adapters = format!(
        "{ADAPTERS}  - {{ name: remote, kind: lists, impl: listChecker, params: {{ providerUrl: \
         'http://{}/' }} }}\n",
        silent.local_addr().unwrap()
    );
    let rules = format!(
        "{RULES}  - selector: request.path == \"/slow\"\n    aspects: [{{ kind: lists, adapter: remote, params: \
         {{ checkExpression: request.path }} }}]\n"
    );
    let server = TestServer::start(tree(&adapters, &rules), 0).await;
    let mut line = Line::open(&server).await;
    line.ask(1, &check_request(&server.dictionary, &path("/slow")));
    line.ask(2, &check_request(&server.dictionary, &path("/")));
    let order = [line.next().await.unwrap().id, line.next().await.unwrap().id];
    assert_eq!(order, [2, 1]);
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
    assert_eq!(line.next().await.unwrap().id, 1);
    let begin = Instant::now();
    tokio::time::timeout(PATIENCE, server.server.stop()).await.expect("it stops");
    assert!(begin.elapsed() < cache_server::limits::DRAIN, "the stream kept the server from ending");
    assert_eq!(line.next().await, None, "it ends in good order");
}
