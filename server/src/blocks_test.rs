//! Tests of kept lists: always what a list written anew would be, whatever happened in between.

use std::fmt::Write;

use http_body_util::BodyExt;
use hyper::body::Body as _;
use proptest::prelude::*;
use registry_core::Guard;

use super::*;
use crate::house_test::{House, Step, block_on, push, steps};

fn tail(text: &mut String, count: usize) {
    write!(text, "]{count}").unwrap();
}

fn style() -> Style {
    Style { kind: "text/plain", head: "[", push, behind: 1, tail }
}

/// The kept list, if it is one that is kept.
async fn kept(blocks: &Blocks, house: &House) -> Option<String> {
    let body = blocks.list("r", &house.found())?.into_body();
    let announced = body.size_hint().exact();
    let bytes = body.collect().await.unwrap().to_bytes();
    assert_eq!(announced, Some(bytes.len() as u64));
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

fn texts(blocks: &Blocks) -> Vec<Bytes> {
    let kept = blocks.kept();
    kept.lists["r"].blocks.iter().map(|block| block.text.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_kept_list_is_what_a_fresh_one_would_be(steps in steps()) {
        block_on(async {
            let mut house = House::with(2 * BLOCK_RECORDS + 10).await;
            let blocks = Blocks::new(style());
            for step in &steps {
                house.take(step).await;
                for _ in 0..2 {
                    if let Some(kept) = kept(&blocks, &house).await {
                        assert_eq!(kept, house.fresh(), "after {step:?}");
                    }
                }
            }
        });
    }
}

#[test]
fn what_did_not_change_is_the_same_text_not_a_copy() {
    block_on(async {
        let mut house = House::with(4 * BLOCK_RECORDS).await;
        let blocks = Blocks::new(style());
        kept(&blocks, &house).await.unwrap();
        let first = texts(&blocks);
        house.clock.advance(5);
        house.take(&Step::Heartbeat(vec![0])).await; // the first record, in the first block
        house.take(&Step::Update(vec![2 * BLOCK_RECORDS as u64])).await; // in the third
        kept(&blocks, &house).await.unwrap();
        let second = texts(&blocks);
        let same = first.iter().zip(&second).map(|(a, b)| a.as_ptr() == b.as_ptr());
        assert_eq!(same.collect::<Vec<_>>(), [false, true, false, true]);
    });
}

#[test]
fn a_list_that_shrinks_and_grows_has_no_more_blocks_than_it_needs() {
    block_on(async {
        let mut house = House::with(8 * BLOCK_RECORDS).await;
        let blocks = Blocks::new(style());
        kept(&blocks, &house).await.unwrap();
        // Seven of eight records go, from every block.
        let gone = (0..house.newest).filter(|number| number % 8 != 0).collect();
        house.take(&Step::Deregister(gone)).await;
        kept(&blocks, &house).await.unwrap();
        assert_eq!(texts(&blocks).len(), 1);
        for _ in 0..2 * BLOCK_RECORDS {
            house.take(&Step::Register(1)).await;
            kept(&blocks, &house).await.unwrap();
        }
        assert_eq!(texts(&blocks).len(), 3);
    });
}

#[test]
fn no_more_is_kept_than_its_bound_and_each_list_is_counted_once() {
    block_on(async {
        let house = House::with(BLOCK_RECORDS).await;
        let blocks = Blocks::new(style());
        kept(&blocks, &house).await.unwrap();
        let one = blocks.kept().bytes;
        house.clock.advance(5);
        house.registry.heartbeat("n", "1", &Guard::default()).await.unwrap();
        kept(&blocks, &house).await.unwrap();
        assert_eq!(blocks.kept().bytes, one, "in place of the one before");
        for number in 0..2 * KEPT_LISTS_BYTES_MAX / one {
            blocks.list(&number.to_string(), &house.found()).unwrap();
            let kept = blocks.kept();
            assert!(kept.bytes <= KEPT_LISTS_BYTES_MAX, "{} are kept", kept.bytes);
            if number % 1_000 == 0 {
                let sum: usize = kept.lists.values().map(|list| list.bytes()).sum();
                assert_eq!(kept.bytes, sum);
            }
        }
    });
}
