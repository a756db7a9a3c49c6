//! The line: one stream on which the server is asked about many requests.
//!
//! A call of its own for each check costs the proxy more than all else about it. A line is opened when so many checks are
//! asked that it pays, and used once the server has spoken on it; a server that knows no lines is called as ever. It is
//! given up after a while and opened anew, since whoever balances load decides only then where it leads.
//!
//! Invariant: a line is never needed. What was asked on one that is lost, or on which nothing comes any more – a server that
//! works at a question says so again and again – is asked again by a call, within the same deadline, and charged once.

use std::sync::Arc;
use std::time::Duration;

use checkcache::{Code, Tick};
use prost::Message as _;
use proto::checks::Answer;

use crate::retry::Retry;
use crate::stream::{Calling, State as Stage};
use crate::{Client, Counter, Effect, GrpcFailure, Now, StreamId, limits};

/// For how long the server may keep silent on a new line.
const GREETING_MAX: Duration = Duration::from_secs(5);

/// The state of the line.
#[derive(Debug)]
pub(crate) struct Line {
    enabled: bool,
    /// For how long nothing may come while somebody waits, at most half of a check's time, so that half is left.
    patience: Duration,
    state: State,
    retry: Retry,
    /// Checks since the last tick for which there was no line.
    called: usize,
    /// The number of the question that was asked last.
    last: u32,
}

#[derive(Debug)]
enum State {
    Closed,
    /// It is being opened, and nobody has spoken on it. The shell's number is not known at once.
    Opening {
        token: Option<u32>,
        since: Tick,
    },
    Open(Open),
    /// Nothing more is asked on it; it ends when nobody waits any more.
    Ending(Open),
    /// Nothing more can come of it.
    Broken {
        token: u32,
    },
}

#[derive(Debug)]
struct Open {
    token: u32,
    until: Tick,
    /// Since when somebody waits and nothing has come.
    quiet_since: Tick,
    /// Held by each question that waits.
    questions: Arc<()>,
}

/// What a question on its way is known by.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// Its number on the line.
    pub(crate) id: u64,
    _question: Arc<()>,
}

/// What is to become of the line.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Open,
    /// Nothing more is to be asked on it.
    Retire,
    /// It ends as it was planned.
    End(u32),
    /// Whoever waits has to ask elsewhere.
    Lost(u32),
}

impl Line {
    /// For checks that may take so long.
    pub(crate) fn new(enabled: bool, check_timeout: Duration) -> Self {
        Self {
            enabled: enabled && check_timeout >= limits::LINE_CHECK_TIMEOUT,
            patience: limits::LINE_SILENCE.min(check_timeout / 2),
            state: State::Closed,
            retry: Retry::new(),
            called: 0,
            last: 0,
        }
    }

    /// For a question of so many bytes about a stream: the line, by the shell's number, and the question's ticket. `None` if
    /// it is to be asked by a call.
    pub(crate) fn ticket(
        &mut self,
        StreamId(stream): StreamId,
        bytes: usize,
        now: Tick,
    ) -> Option<(u32, Ticket)> {
        if bytes > limits::LINE_QUESTION_BYTES {
            return None;
        }
        let State::Open(open) = &mut self.state else {
            self.called += 1;
            return None;
        };
        match open.waiting() {
            0 => open.quiet_since = now,
            limits::LINE_QUESTIONS.. => return None,
            _ => {}
        }
        // The answer finds its stream by it, and a stream that has the same number later tells it from its own. 0 is no
        // question.
        self.last = self.last.checked_add(1).unwrap_or(1);
        let id = u64::from(stream) << 32 | u64::from(self.last);
        Some((open.token, Ticket { id, _question: Arc::clone(&open.questions) }))
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// It does not do what it is for.
    pub(crate) fn give_up(&mut self) {
        if let State::Open(Open { token, .. })
        | State::Ending(Open { token, .. })
        | State::Opening { token: Some(token), .. } = self.state
        {
            self.state = State::Broken { token };
        }
    }

    /// There is to be none any more; who waits may wait.
    pub(crate) fn disable(&mut self) {
        self.enabled = false;
        self.retire();
    }

    /// Ends it at once.
    pub(crate) fn end(&mut self) -> Option<Effect> {
        self.enabled = false;
        let token = match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed => None,
            State::Opening { token, .. } => token,
            State::Open(Open { token, .. }) | State::Ending(Open { token, .. }) | State::Broken { token } => {
                Some(token)
            }
        };
        token.map(|token| Effect::Cancel { token })
    }

    /// Nothing more is asked on it; who waits may wait.
    fn retire(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Closed) {
            State::Open(open) => State::Ending(open),
            other => other,
        };
    }

    /// Time has passed.
    fn tick(&mut self, now: Tick) -> Option<Due> {
        let called = std::mem::take(&mut self.called);
        let due = self.due(called, now)?;
        match due {
            Due::Open => self.state = State::Opening { token: None, since: now },
            Due::Retire => self.retire(),
            Due::End(_) => self.state = State::Closed,
            Due::Lost(_) => self.lost(Code::Unavailable, now),
        }
        Some(due)
    }

    fn due(&self, called: usize, now: Tick) -> Option<Due> {
        match &self.state {
            State::Closed => {
                let is_worth_it = self.enabled && called >= limits::LINE_CHECKS && self.retry.is_due(now);
                is_worth_it.then_some(Due::Open)
            }
            State::Opening { token, .. } if !self.enabled => token.map(Due::End),
            State::Opening { token, since } => {
                token.filter(|_| now.since(*since) >= GREETING_MAX).map(Due::Lost)
            }
            State::Open(open) | State::Ending(open) if open.is_stalled(self.patience, now) => {
                Some(Due::Lost(open.token))
            }
            State::Open(open) => (now >= open.until).then_some(Due::Retire),
            State::Ending(open) => (open.waiting() == 0).then_some(Due::End(open.token)),
            State::Broken { token } => Some(Due::Lost(*token)),
        }
    }

    /// Something has come.
    fn heard(&mut self, id: u64, now: Tick) {
        match &mut self.state {
            State::Open(open) | State::Ending(open) => open.quiet_since = now,
            State::Opening { token: Some(token), .. } if id == 0 && self.enabled => {
                // The lines of many filters do not end at the same time.
                let spread = now.0 % (limits::LINE_AGE.as_nanos() as u64 / 2);
                let until = now.after(limits::LINE_AGE + Duration::from_nanos(spread));
                self.state =
                    State::Open(Open { token: *token, until, quiet_since: now, questions: Arc::new(()) });
            }
            State::Closed | State::Opening { .. } | State::Broken { .. } => {}
        }
    }

    /// It is gone; the next is not opened before some time has passed.
    fn lost(&mut self, code: Code, now: Tick) {
        self.state = State::Closed;
        self.retry.failed(code, now);
    }
}

impl Open {
    /// How many questions wait.
    fn waiting(&self) -> usize {
        Arc::strong_count(&self.questions) - 1
    }

    fn is_stalled(&self, patience: Duration, now: Tick) -> bool {
        self.waiting() > 0 && now.since(self.quiet_since) >= patience
    }
}

impl Client {
    /// Opens the line if it pays, and ends one that is not to be used any more.
    pub(crate) fn due_line(&mut self, now: Now) -> Vec<Effect> {
        match self.line.tick(now.tick) {
            None | Some(Due::Retire) => Vec::new(),
            Some(Due::Open) => {
                self.counters.count(Counter::LineOpens);
                vec![Effect::OpenLine]
            }
            Some(Due::End(token)) => vec![Effect::Cancel { token }],
            Some(Due::Lost(token)) => {
                let mut effects = vec![Effect::Cancel { token }];
                effects.extend(self.line_lost("nothing came on it any more", now));
                effects
            }
        }
    }

    /// The line is being opened; the shell knows it by a number.
    pub fn on_line_opened(&mut self, number: u32) {
        if let State::Opening { token, .. } = &mut self.line.state {
            *token = Some(number);
        }
    }

    /// The server has said something on the line: an answer for a stream, if that still waits for it. It is to be told of
    /// it then, by [`on_answer`](Self::on_answer).
    pub fn on_line_message(
        &mut self,
        message: &[u8],
        now: Now,
    ) -> Option<(StreamId, Result<Vec<u8>, GrpcFailure>)> {
        let Ok(Answer { id, response, code, message }) = Answer::decode(message) else {
            self.on_line_unreadable();
            return None;
        };
        self.line.heard(id, now.tick);
        let stream = StreamId((id >> 32) as u32);
        match self.streams.get_mut(&stream).map(|stream| &mut stream.state) {
            Some(Stage::Calling(Calling { ticket, .. }))
                if ticket.as_ref().is_some_and(|ticket| ticket.id == id) =>
            {
                *ticket = None;
            }
            Some(_) | None => return None,
        }
        // One on which the server only says that it is there is not worth much.
        self.line.retry.succeeded();
        let answer = match code {
            0 => Ok(response),
            code => Err(GrpcFailure { code: Code::from_number(code), message }),
        };
        Some((stream, answer))
    }

    /// Something has come on the line that cannot be had or read. Whom it was for is not known.
    pub fn on_line_unreadable(&mut self) {
        self.line.give_up();
    }

    /// The line has ended, or could not be opened.
    pub fn on_line_closed(&mut self, failure: &GrpcFailure, now: Now) -> Vec<Effect> {
        let is_unknown = failure.code == Code::Unimplemented;
        self.line.lost(failure.code, now.tick);
        if is_unknown || failure.code == Code::Ok {
            // An older server; or one that is about to end, and has said so in good order.
            return self.ask_again();
        }
        self.line_lost(&failure.message, now)
    }

    fn line_lost(&mut self, why: &str, now: Now) -> Vec<Effect> {
        self.counters.count(Counter::LineLosses);
        let mut effects = self.ask_again();
        effects.extend(self.warn(format!("the stream of checks has ended: {why}"), now));
        effects
    }

    /// Has all ask again that wait for an answer on the line.
    fn ask_again(&self) -> Vec<Effect> {
        let is_asking = |state: &Stage| matches!(state, Stage::Calling(Calling { ticket: Some(_), .. }));
        let asking = self.streams.iter().filter(|(_, stream)| is_asking(&stream.state));
        asking.map(|(stream, _)| Effect::AskAgain { stream: *stream }).collect()
    }
}
