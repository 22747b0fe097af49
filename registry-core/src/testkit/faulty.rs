//! A store that fails on purpose, to prove what stands on one.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::store::{
    Capabilities, Loaded, Mark, Outcome, Reason, Records, Renewal, Store, StoreError, Stored, Write,
};

/// Wraps a store and gets in its way: by script ([`next`](Self::next)), by chance
/// ([`seeded`](Self::seeded)), or not at all.
///
/// Every error it makes up names the seed, and so does a test that panics while it holds one.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    plan: Mutex<Plan>,
    is_broken: AtomicBool,
    releases: Semaphore,
}

/// The calls that can be got in the way of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Store::load`].
    Load,
    /// [`Store::commit`].
    Commit,
    /// [`Store::renew`].
    Renew,
}

/// How one call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens; the answer is `NotDone`.
    Refuse,
    /// Other tasks get their turn first, a few times. Then it happens as asked.
    Delay,
    /// It waits for [`release`](FaultyStore::release). Then it happens as asked.
    Hold,
    /// It happens; the answer is `Unknown`. A load answers `NotDone` after its last record.
    LoseAnswer,
    /// Only so many of the writes or renewals happen, and no mark; the answer is `Unknown`.
    ///
    /// A load stops after so many records; its answer is `NotDone`.
    Cut(usize),
    /// Nothing happens, now and ever after; the answers are `Broken`.
    Break,
}

#[derive(Default)]
struct Plan {
    script: VecDeque<(Call, Fault)>,
    chance: Option<Chance>,
}

struct Chance {
    seed: u64,
    percent: u64,
    state: u64,
}

const DELAY_TURNS: usize = 50;
const CUT_BELOW: u64 = 8;

// === impl FaultyStore ===

impl FaultyStore {
    /// Does all as asked until [`next`](Self::next) says otherwise.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self::planned(inner, Plan::default())
    }

    /// Lets `percent` of all calls go wrong: refused, delayed, cut, or with their answer lost.
    ///
    /// The same seed and the same calls give the same faults.
    #[must_use]
    pub fn seeded(inner: Arc<dyn Store>, seed: u64, percent: u64) -> Self {
        let chance = Some(Chance { seed, percent, state: seed });
        Self::planned(inner, Plan { chance, ..Plan::default() })
    }

    /// Lets the next `call` that has no fault yet go wrong. Goes before chance.
    pub fn next(&self, call: Call, fault: Fault) {
        self.plan().script.push_back((call, fault));
    }

    /// Whether a fault of [`next`](Self::next) still waits for such a call.
    #[must_use]
    pub fn is_planned(&self, call: Call) -> bool {
        self.plan().script.iter().any(|(planned, _)| *planned == call)
    }

    /// Lets one call go on that is held, or the next one that would be.
    pub fn release(&self) {
        self.releases.add_permits(1);
    }

    fn planned(inner: Arc<dyn Store>, plan: Plan) -> Self {
        Self {
            inner,
            plan: Mutex::new(plan),
            is_broken: AtomicBool::new(false),
            releases: Semaphore::new(0),
        }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().expect("no code that can panic runs under this lock")
    }

    /// Takes the fault planned for `call` and waits where it says so.
    ///
    /// What is left to the call itself is to be cut, or to lose its answer.
    async fn meet(&self, call: Call) -> Result<Option<Fault>, StoreError> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(StoreError::Broken(self.reason(call, Fault::Break)));
        }
        let fault = self.plan().take(call);
        match fault {
            Some(fault @ Fault::Refuse) => {
                return Err(StoreError::NotDone(self.reason(call, fault)));
            }
            Some(fault @ Fault::Break) => {
                self.is_broken.store(true, Ordering::SeqCst);
                return Err(StoreError::Broken(self.reason(call, fault)));
            }
            Some(Fault::Delay) => {
                for _ in 0..DELAY_TURNS {
                    tokio::task::yield_now().await;
                }
            }
            Some(Fault::Hold) => {
                let release = self.releases.acquire().await;
                release.expect("nobody closes this semaphore").forget();
            }
            Some(Fault::LoseAnswer | Fault::Cut(_)) | None => {}
        }
        Ok(fault)
    }

    fn unknown(&self, call: Call, fault: Fault) -> StoreError {
        StoreError::Unknown(self.reason(call, fault))
    }

    fn reason(&self, call: Call, fault: Fault) -> Reason {
        let seed = self.plan().chance.as_ref().map(|chance| chance.seed);
        let seed = seed.map_or("script".to_owned(), |seed| format!("seed {seed}"));
        format!("a fault on purpose ({seed}): {call:?}, {fault:?}").into()
    }
}

#[async_trait]
impl Store for FaultyStore {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn load(&self, each: &mut (dyn FnMut(Stored) + Send)) -> Result<Loaded, StoreError> {
        let fault = self.meet(Call::Load).await?;
        let mut left = if let Some(Fault::Cut(count)) = fault { count } else { usize::MAX };
        let mut some = |stored| {
            if left > 0 {
                left -= 1;
                each(stored);
            }
        };
        let loaded = self.inner.load(&mut some).await?;
        match fault {
            Some(fault @ (Fault::LoseAnswer | Fault::Cut(_))) => {
                Err(StoreError::NotDone(self.reason(Call::Load, fault)))
            }
            _ => Ok(loaded),
        }
    }

    async fn commit(&self, mut writes: Vec<Write>) -> Result<Vec<Outcome>, StoreError> {
        let fault = self.meet(Call::Commit).await?;
        if let Some(Fault::Cut(count)) = fault {
            writes.truncate(count);
        }
        let outcomes = self.inner.commit(writes).await?;
        match fault {
            Some(fault @ (Fault::LoseAnswer | Fault::Cut(_))) => {
                Err(self.unknown(Call::Commit, fault))
            }
            _ => Ok(outcomes),
        }
    }

    async fn renew(
        &self,
        mut renewals: Vec<Renewal>,
        mut mark: Option<Mark>,
    ) -> Result<(), StoreError> {
        let fault = self.meet(Call::Renew).await?;
        if let Some(Fault::Cut(count)) = fault {
            renewals.truncate(count);
            mark = None;
        }
        self.inner.renew(renewals, mark).await?;
        match fault {
            Some(fault @ (Fault::LoseAnswer | Fault::Cut(_))) => {
                Err(self.unknown(Call::Renew, fault))
            }
            _ => Ok(()),
        }
    }

    /// As asked: whoever restores is not in service yet, and there is nothing to get in the way of.
    async fn restore(&self, records: Records, loaded: Loaded) -> Result<(), StoreError> {
        self.inner.restore(records, loaded).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.plan().chance.as_ref().map(|chance| chance.seed);
        f.debug_struct("FaultyStore").field("seed", &seed).finish_non_exhaustive()
    }
}

impl Drop for FaultyStore {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[allow(clippy::print_stderr, reason = "without the seed nobody can run it again")]
            {
                eprintln!("the test failed over {self:?}");
            }
        }
    }
}

// === impl Plan ===

impl Plan {
    fn take(&mut self, call: Call) -> Option<Fault> {
        match self.script.iter().position(|(planned, _)| *planned == call) {
            Some(at) => self.script.remove(at).map(|(_, fault)| fault),
            None => self.chance.as_mut()?.draw(),
        }
    }
}

// === impl Chance ===

impl Chance {
    fn draw(&mut self) -> Option<Fault> {
        if self.roll(100) >= self.percent {
            return None;
        }
        Some(match self.roll(4) {
            0 => Fault::Refuse,
            1 => Fault::Delay,
            2 => Fault::LoseAnswer,
            _ => Fault::Cut(usize::try_from(self.roll(CUT_BELOW)).expect("it is below 8")),
        })
    }

    /// A number below `below`: SplitMix64, whose whole state is one number.
    fn roll(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }
}
