//! A hit in the filter's cache allocates nothing, however many verdicts there are.
#![allow(unsafe_code, reason = "counting allocations takes an allocator of our own")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use attributes::{Bag, StringMap, Value};
use checkcache::{
    CheckCache, Limits, Lookup, Recorder, Revision, Root, Status, Target, Test, Tick, Validity, Verdict,
};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is passed on to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn request(number: usize) -> Bag {
    let headers: StringMap = [("user", format!("user-{number}").as_str())].into_iter().collect();
    [("request.path", Value::from(format!("/admin/{number}").as_str())), ("request.headers", headers.into())]
        .into_iter()
        .collect()
}

#[test]
fn a_hit_allocates_nothing() {
    let mut cache = CheckCache::new(Limits::of_entries(1_000), [7; 16]);
    let root = Root { revision: Revision(1), quota: None };
    let requests: Vec<Bag> = (0..500).map(request).collect();
    for bag in &requests {
        let Lookup::Miss(vacancy) = cache.lookup(&root, bag, Tick(0)) else { panic!("a hit already") };
        let mut recorder = Recorder::new(bag);
        recorder.perform(&Target::Attribute("request.path".into()), &Test::Prefix("/admin".into()));
        recorder.entry(&"request.headers".into(), &"user".into());
        recorder.value(&"request.path".into());
        let verdict = Verdict::new(Status::default(), Validity::Revision);
        assert!(cache.insert(vacancy, &root, recorder.into_trace(), verdict, Tick(0)));
    }
    let before = ALLOCATIONS.get();
    for bag in &requests {
        assert!(matches!(cache.lookup(&root, bag, Tick(1)), Lookup::Hit(_)));
    }
    assert_eq!(ALLOCATIONS.get(), before);
    // What counts does count.
    std::hint::black_box(vec![0u8; 10]);
    assert_eq!(ALLOCATIONS.get(), before + 1);
}
