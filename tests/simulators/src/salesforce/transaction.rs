//! Several requests as one transaction: `allOrNone` of Composite and the graphs. The requests of one transaction run on one
//! thread one after the other, and nobody else writes meanwhile.

use std::cell::RefCell;
use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard};

use super::Simulator;
use super::org::Mark;
use super::since::{self, Decided};
use super::triggers::Change;

thread_local! {
    /// Changes of the transaction this thread is in; `None` outside of one.
    static HELD: RefCell<Option<Vec<Change>>> = const { RefCell::new(None) };
}

/// See the module's words.
pub struct Transaction<'a> {
    simulator: &'a Simulator,
    mark: Mark,
    _alone: RwLockWriteGuard<'a, ()>,
}

impl<'a> Transaction<'a> {
    /// Waits until nobody else writes.
    pub fn begin(simulator: &'a Simulator) -> Self {
        let alone = simulator.gate.write().unwrap_or_else(PoisonError::into_inner);
        HELD.set(Some(Vec::new()));
        let mark = simulator.org().begin();
        Self { simulator, mark, _alone: alone }
    }

    /// Keeps all and publishes, or takes all back.
    pub fn end(self, well: bool) {
        let changes = HELD.take().unwrap_or_default();
        {
            let mut org = self.simulator.org();
            if well {
                org.commit(self.mark);
            } else {
                org.roll_back(self.mark);
            }
        }
        if well {
            self.simulator.publish(changes);
        } else {
            // What was published at once is not taken back.
            let decided = self.simulator.decide(&changes);
            self.simulator.ask(&decided.asked);
        }
    }
}

impl Simulator {
    /// A turn to write, when no transaction of another thread is under way.
    pub fn turn(&self) -> Option<RwLockReadGuard<'_, ()>> {
        let inside = HELD.with_borrow(Option::is_some);
        (!inside).then(|| self.gate.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Publishes what triggers and change data capture make of committed changes; within a transaction they wait for
    /// its end.
    pub fn publish(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let waits = HELD.with_borrow_mut(|held| match held {
            Some(held) => {
                held.extend(changes.iter().cloned());
                true
            }
            None => false,
        });
        if waits {
            return;
        }
        let decided = self.decide(&changes);
        self.ask(&decided.asked);
        self.tell(&decided.told, decided.left);
        self.bus().capture(&changes);
    }

    fn decide(&self, changes: &[Change]) -> Decided {
        let left = self.settings().left;
        since::decide(&self.org().triggers, changes, left)
    }
}
