//! Tests of remembered answers: always what one written anew would be, and remembered if it may be.

use proptest::prelude::*;
use registry_core::Tick;

use super::*;
use crate::house_test::{House, Step, block_on, steps, text};

thread_local! {
    static ECHOES: RefCell<Echoes<Tick>> = RefCell::default();
}

/// The answer of now, and whether it was written for this call.
async fn ask(house: &House, asked: &str) -> (String, bool) {
    let mut written = false;
    let write = || {
        written = true;
        Ok(Told { text: house.fresh().into(), etag: None })
    };
    let answer = tell(&ECHOES, asked, &house.found(), house.registry.now(), write);
    (text(answer).await, written)
}

async fn is_written(house: &House, asked: &str) -> bool {
    ask(house, asked).await.1
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_told_again_is_what_would_be_written(steps in steps()) {
        block_on(async {
            let mut house = House::with(5).await;
            for step in &steps {
                house.take(step).await;
                for _ in 0..3 {
                    let (told, _) = ask(&house, "r").await;
                    assert_eq!(told, house.fresh(), "after {step:?}");
                }
            }
        });
    }
}

#[test]
fn an_answer_is_remembered_from_the_second_question_until_something_moves() {
    block_on(async {
        let mut house = House::with(3).await;
        let mut written = Vec::new();
        let (wait, beat, change) = (Step::Wait(5), Step::Heartbeat(vec![0]), Step::Update(vec![1]));
        for step in [&wait, &beat, &change, &wait] {
            house.take(step).await;
            for _ in 0..3 {
                written.push(is_written(&house, "r").await);
            }
        }
        // Another instant is another question; a beat and a change are not.
        let expected = [[true, true, false], [true, false, false], [true, false, false]];
        assert_eq!(written, [&expected[..], &[[true, true, false]]].concat().as_flattened());
    });
}

#[test]
fn what_has_too_many_records_or_bytes_is_not_remembered() {
    block_on(async {
        let mut house = House::with(ECHO_RECORDS_MAX).await;
        for _ in 0..2 {
            assert!(is_written(&house, "r").await);
        }
        assert!(!is_written(&house, "r").await);
        house.take(&Step::Register(1)).await;
        for _ in 0..3 {
            assert!(is_written(&house, "r").await);
        }
        let house = House::with(1).await;
        for _ in 0..3 {
            let long = || Ok(Told { text: vec![b' '; ECHO_BYTES_MAX + 1].into(), etag: None });
            tell(&ECHOES, "long", &house.found(), Tick(0), long);
        }
        let place =
            |asked| ECHOES.with_borrow_mut(|echoes| echoes.hear(asked, &house.found(), Tick(0)));
        assert!(matches!(place("long"), Heard::Again(_)), "asked for, and not remembered");
    });
}

#[test]
fn questions_that_share_a_place_do_not_share_an_answer() {
    block_on(async {
        let (one, other) = (House::with(1).await, House::with(2).await);
        let place = |asked: &str| {
            ECHOES.with_borrow(|echoes| echoes.hasher.hash_one(asked) as usize % ECHOES_MAX)
        };
        let mut names = (0..).map(|number: u32| number.to_string());
        let same = names.find(|name| place(name) == place("r")).unwrap();
        for _ in 0..3 {
            assert_eq!(ask(&one, "r").await.0, one.fresh());
        }
        for _ in 0..3 {
            // The same words where something else is found, and other words in the same place.
            assert_eq!(ask(&other, "r").await.0, other.fresh());
            assert_eq!(ask(&one, &same).await.0, one.fresh());
        }
    });
}
