//! A page that is asked for again and again is always that of now.

use proptest::prelude::*;
use registry_core::{Claim, Declared, Key};

use super::*;
use crate::house_test::{House, block_on, steps, text};
use crate::limits::PAGE_INSTANCES_DEFAULT;

fn role_alone() -> Lookup {
    Lookup {
        place: Place::Everywhere,
        query: Query::role("r"),
        ids: Vec::new(),
        state: None,
        standing: Some(Standing::Live),
        fields: None,
        limit: PAGE_INSTANCES_DEFAULT,
        cursor: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_role_that_is_asked_for_again_is_told_as_it_is_now(steps in steps()) {
        block_on(async {
            let mut house = House::with(5).await;
            let lookup = role_alone();
            assert_eq!(lookup.role_alone(), Some("r"), "it may be remembered");
            for (number, step) in steps.iter().enumerate() {
                house.take(step).await;
                // The page tells of a change elsewhere, too: it has the latest revision.
                let key = Key::new("elsewhere", &number.to_string()).unwrap();
                let done = house.registry.register(key, Declared::default(), Claim::default());
                done.await.unwrap();
                let now = text(lookup.answer_always(&house.registry)).await;
                let mut etags = Vec::new();
                for _ in 0..3 {
                    let mut headers = HeaderMap::new();
                    let answer = lookup.answer(&house.registry, &headers);
                    let etag = answer.headers()[ETAG].clone();
                    assert_eq!(text(answer).await, now, "after {step:?}");
                    headers.insert(IF_NONE_MATCH, etag.clone());
                    let unchanged = lookup.answer(&house.registry, &headers);
                    assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
                    etags.push(etag);
                }
                etags.dedup();
                assert_eq!(etags.len(), 1);
            }
        });
    }
}

#[test]
fn a_page_reckons_by_the_clock_on_the_wall() {
    let as_of = |revision, began_ms| AsOf { revision: Revision(revision), began_ms };
    assert!(as_of(1, 10) == as_of(1, 10));
    assert!(as_of(1, 10) == as_of(1, 11), "the clocks are read one after the other");
    assert!(as_of(1, 10) != as_of(1, 12), "the wall's clock was set");
    assert!(as_of(1, 10) != as_of(2, 10));
}

#[test]
fn a_page_that_is_written_late_tells_the_times_of_its_search() {
    block_on(async {
        let house = House::with(1).await;
        let lookup = role_alone();
        let found = lookup.find(&house.registry);
        let write = || lookup.rendered(&house.registry, &lookup.page(&found));
        let at_once = write();
        house.clock.advance(12);
        assert_eq!(write(), at_once);
    });
}
