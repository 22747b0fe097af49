//! The lease invariants: a registry and a plain model live through the same random story, and after
//! each step everything that can be read must be equal.
//!
//! The story is told on every backend, with restarts, crashes, clocks that jump and stores that
//! fail. What the model is, is all that the core promises about leases: see `docs/GUARANTEES.md`.

mod machine;
mod model;
mod race;
mod story;

use proptest::prelude::*;
use proptest::test_runner::Config;
use registry_core::Term;

use self::machine::{Fjall, Memory, Place, Sled};
use self::story::{Fence, Step, Who};

const STEPS_MAX: usize = 60;

fn tell<P: Place>(steps: &[Step]) -> Result<(), TestCaseError> {
    // One thread: the same story is lived through in the same way again.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(machine::live::<P>(steps))
}

proptest! {
    #![proptest_config(Config { cases: 1_500, ..Config::default() })]

    #[test]
    fn leases_on_memory_equal_the_model(
        steps in prop::collection::vec(story::step(), 1..STEPS_MAX)
    ) {
        tell::<Memory>(&steps)?;
    }
}

proptest! {
    #![proptest_config(Config { cases: 96, ..Config::default() })]

    #[test]
    fn leases_on_sled_equal_the_model(
        steps in prop::collection::vec(story::step(), 1..STEPS_MAX)
    ) {
        tell::<Sled>(&steps)?;
    }
}

proptest! {
    #![proptest_config(Config { cases: 48, ..Config::default() })]

    #[test]
    fn leases_on_fjall_equal_the_model(
        steps in prop::collection::vec(story::step(), 1..STEPS_MAX)
    ) {
        tell::<Fjall>(&steps)?;
    }
}

/// Before the first mark only the records tell how late it is.
#[test]
fn time_goes_on_also_when_the_record_that_told_it_is_gone() {
    let (who, fence) = (Who { namespace: 1, id: 3 }, Fence::Absent);
    let steps = [
        Step::Advance(1),
        Step::Register { who, role: 0, term: Term::Default, fence },
        Step::Crash,
        Step::Deregister { who, fence },
        Step::Crash,
    ];
    tell::<Memory>(&steps).expect("as the model has it");
    tell::<Sled>(&steps).expect("as the model has it");
    tell::<Fjall>(&steps).expect("as the model has it");
}
