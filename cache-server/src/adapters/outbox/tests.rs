//! Tests of the queue's steps, and of the task on time that stands still until a test lets it pass.

use std::collections::VecDeque;

use super::*;
use crate::adapters::outbox::queue::Turned;

const BOUNDS: Bounds =
    Bounds { records: 6, bytes: 100, batch_records: 3, batch_bytes: 50, interval: Duration::from_secs(1) };

fn sent(step: Step<u32>) -> Vec<u32> {
    match step {
        Step::Send(records) => records.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn queue(records: std::ops::Range<u32>, now: Instant) -> Queue<u32> {
    let mut queue = Queue::new(BOUNDS);
    for record in records {
        queue.push(record, 1, now).unwrap();
    }
    queue
}

#[test]
fn a_batch_is_due_when_it_is_full_or_old() {
    let start = Instant::now();
    let mut queue = queue(0..2, start);
    assert_eq!(queue.step(start), Step::WaitUntil(start + BOUNDS.interval));
    assert_eq!(sent(queue.step(start + BOUNDS.interval)), [0, 1]);
    assert_eq!(queue.settle(), 2);
    assert_eq!(queue.step(start), Step::Wait);

    // By number, and by bytes.
    assert_eq!([0, 1, 2].map(|record| queue.push(record, 1, start)), [Ok(true), Ok(false), Ok(true)]);
    assert_eq!(sent(queue.step(start)), [0, 1, 2]);
    queue.settle();
    assert_eq!([0, 1].map(|record| queue.push(record, 30, start)), [Ok(true), Ok(true)]);
    assert_eq!(sent(queue.step(start)), [0], "both would be too many bytes");
    queue.settle();
    // One that is larger than a batch goes alone.
    queue.push(2, 60, start).unwrap();
    assert_eq!(sent(queue.step(start)), [1]);
    queue.settle();
    assert_eq!(sent(queue.step(start)), [2]);
}

#[test]
fn the_newest_is_turned_away_when_there_is_no_room() {
    let start = Instant::now();
    let mut queue = queue(0..6, start);
    assert_eq!(queue.push(6, 1, start), Err(Turned::Full));
    assert_eq!(queue.push(7, 101, start), Err(Turned::TooLarge));
    // What is being sent still takes up its room.
    assert_eq!(sent(queue.step(start)), [0, 1, 2]);
    assert_eq!(queue.push(8, 1, start), Err(Turned::Full));
    queue.settle();
    assert_eq!(queue.push(9, 90, start), Ok(false), "a batch is due as it is");
    assert_eq!(queue.push(10, 8, start), Err(Turned::Full), "bytes");
    assert_eq!(sent(queue.step(start)), [3, 4, 5]);
    queue.settle();
    assert_eq!(sent(queue.step(start)), [9]);
}

#[test]
fn retries_are_further_and_further_apart_up_to_a_limit() {
    let start = Instant::now();
    let mut queue = queue(0..3, start);
    assert_eq!(sent(queue.step(start)), [0, 1, 2]);
    let mut waits = Vec::new();
    for _ in 0..40 {
        queue.fail(start, 1.0);
        match queue.step(start) {
            Step::WaitUntil(then) => waits.push(then - start),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(waits[..3], [1, 2, 4].map(|times| limits::OUTBOX_RETRY * times));
    assert!(waits.is_sorted() && waits.last() == Some(&limits::OUTBOX_RETRY_MAX), "{waits:?}");
    // Chance makes them shorter, at most by half.
    queue.fail(start, 0.0);
    assert_eq!(queue.step(start), Step::WaitUntil(start + limits::OUTBOX_RETRY_MAX / 2));
    assert_eq!(sent(queue.step(start + limits::OUTBOX_RETRY_MAX)), [0, 1, 2], "the same batch");
    // A success starts over.
    queue.settle();
    queue.push(3, 1, start).unwrap();
    queue.hurry();
    queue.step(start);
    assert_eq!(queue.fail(start, 1.0), 1);
}

#[test]
fn hurry_and_close_do_not_wait_for_company() {
    let start = Instant::now();
    let mut queue = queue(0..4, start);
    assert_eq!(queue.hurry(), 4);
    assert_eq!(sent(queue.step(start)), [0, 1, 2]);
    queue.fail(start, 1.0);
    assert!(matches!(queue.step(start), Step::WaitUntil(_)));
    queue.hurry();
    assert_eq!(sent(queue.step(start)), [0, 1, 2], "at once, though it failed");
    queue.settle();
    assert_eq!(sent(queue.step(start)), [3]);
    queue.settle();
    queue.push(4, 1, start).unwrap();
    assert!(matches!(queue.step(start), Step::WaitUntil(_)), "it came after the hurry");

    let end = start + Duration::from_millis(20);
    queue.close(end);
    assert_eq!(sent(queue.step(start)), [4]);
    queue.fail(start, 1.0);
    assert_eq!(queue.step(start), Step::WaitUntil(end), "no later than the end");
    assert_eq!(queue.step(end), Step::End);
    assert_eq!(queue.clear(), 1);
    assert_eq!(queue.settled(), 5);
}

/// A backend that does what the test says, in order, and then takes everything.
struct Scripted {
    results: VecDeque<Option<Unsent>>,
    seen: Arc<Mutex<Vec<Vec<u32>>>>,
    hangs: bool,
}

#[async_trait]
impl Sink<u32> for Scripted {
    async fn send(&mut self, records: &[u32]) -> Result<(), Unsent> {
        self.seen.lock().unwrap().push(records.to_vec());
        if self.hangs {
            std::future::pending::<()>().await;
        }
        self.results.pop_front().flatten().map_or(Ok(()), Err)
    }
}

struct World {
    outbox: Outbox<u32>,
    seen: Arc<Mutex<Vec<Vec<u32>>>>,
    telemetry: Arc<Telemetry>,
}

fn world(results: Vec<Option<Unsent>>, hangs: bool) -> World {
    let (seen, telemetry) = (Arc::default(), Arc::new(Telemetry::new()));
    let sink = Scripted { results: results.into(), seen: Arc::clone(&seen), hangs };
    let patience = Duration::from_secs(1);
    let outbox = Outbox::new("box", BOUNDS, patience, Box::new(sink), Arc::clone(&telemetry));
    World { outbox, seen, telemetry }
}

fn away() -> Unsent {
    Unsent::Away("gone".to_owned())
}

impl World {
    fn seen(&self) -> Vec<Vec<u32>> {
        self.seen.lock().unwrap().clone()
    }

    fn dropped(&self, reason: &str) -> String {
        dropped(&self.telemetry, reason)
    }
}

fn dropped(telemetry: &Telemetry, reason: &str) -> String {
    let mut page = String::new();
    telemetry.write(None, &mut page);
    let sample = format!("mixer_adapter_dropped_total{{handler=\"box\",reason=\"{reason}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&sample)).unwrap_or("0").to_owned()
}

#[tokio::test(start_paused = true)]
async fn records_arrive_in_order_over_an_outage() {
    let world = world(vec![None, Some(away()), Some(away())], false);
    world.outbox.start();
    for record in 0..6 {
        world.outbox.push(record, 1);
    }
    world.outbox.push(6, 1);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (first, second) = (vec![0, 1, 2], vec![3, 4, 5]);
    assert_eq!(world.seen(), [first, second.clone(), second.clone(), second]);
    assert_eq!(world.dropped("queue full"), "1");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_counted_and_the_rest_goes_on() {
    let world = world(vec![Some(Unsent::Refused(2, "no".to_owned()))], false);
    world.outbox.start();
    for record in 0..4 {
        world.outbox.push(record, 1);
    }
    world.outbox.flush().await;
    assert_eq!(world.seen(), [vec![0, 1, 2], vec![3]]);
    assert_eq!(world.dropped("refused"), "2");
}

#[tokio::test(start_paused = true)]
async fn a_flush_does_not_wait_for_ever() {
    let world = world(Vec::new(), true);
    world.outbox.push(1, 1);
    // Not in force: nobody sends, and there is nothing to wait for.
    world.outbox.flush().await;
    world.outbox.start();
    let start = Instant::now();
    world.outbox.flush().await;
    assert_eq!(start.elapsed(), limits::OUTBOX_FLUSH);
    assert!(world.seen().len() > 1, "sending was given up and tried again");
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_its_handler() {
    // One that can still send does.
    let World { outbox, seen, telemetry } = world(Vec::new(), false);
    outbox.start();
    outbox.push(1, 1);
    let shared = Arc::downgrade(&outbox.shared);
    drop(outbox);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!((shared.strong_count(), seen.lock().unwrap().len()), (0, 1));
    assert_eq!(dropped(&telemetry, "not sent in time"), "0");

    // One that cannot gives up in time and says so.
    let World { outbox, telemetry, .. } = world(Vec::new(), true);
    outbox.start();
    outbox.push(1, 1);
    let shared = Arc::downgrade(&outbox.shared);
    drop(outbox);
    tokio::time::sleep(limits::OUTBOX_FLUSH + Duration::from_millis(1)).await;
    assert_eq!(shared.strong_count(), 0);
    assert_eq!(dropped(&telemetry, "not sent in time"), "1");
}
