//! What is to be done when all sandboxes together take too much memory: data in, data out.

use std::collections::HashMap;
use std::time::Duration;

use coditect_protocol::UserId;
use coditect_protocol::terminal::EndCause;

use super::decide::{Action, Ward};
use crate::SandboxId;

/// Whoever takes most in all their sandboxes gives up the largest of what they have there, until the rest fits. What may
/// be shared is waited for to be known; where all have waited for `too_long`, whoever is still unknown is left out, for a
/// while.
pub(super) fn relieve(
    wards: &mut [(SandboxId, &mut Ward)],
    most_bytes: u64,
    too_long: bool,
    now: Duration,
) -> Vec<(SandboxId, Action)> {
    let mut actions = Vec::new();
    if !too_long && wards.iter().any(|(_, ward)| !ward.knows_memory()) {
        return actions;
    }
    loop {
        let mut persons: HashMap<UserId, u64> = HashMap::new();
        for (id, ward) in wards.iter().filter(|(_, ward)| ward.knows_memory()) {
            *persons.entry(id.person).or_default() += ward.memory_bytes();
        }
        if persons.values().sum::<u64>() <= most_bytes {
            return actions;
        }
        let most =
            |(id, ward): &&mut (SandboxId, &mut Ward)| (persons.get(&id.person).copied(), ward.memory_bytes(), *id);
        let known = wards.iter_mut().filter(|(_, ward)| ward.knows_memory());
        let Some((id, ward)) = known.max_by_key(most) else { return actions };
        actions.push((*id, ward.give_up(now)));
        let told = (*id, Action::Tell(EndCause::Memory));
        if !actions.contains(&told) {
            actions.push(told);
        }
    }
}
