//! What is to be done when all sandboxes together take too much memory: data in, data out.

use std::collections::HashMap;
use std::time::Duration;

use coditect_protocol::UserId;
use coditect_protocol::terminal::EndCause;

use super::decide::{Action, Ward};
use crate::SandboxId;

/// Whoever takes most in all their sandboxes gives up the largest of what they have there, until the rest fits. What may
/// be shared is waited for to be known.
pub(super) fn relieve(
    wards: &mut [(SandboxId, &mut Ward)],
    most_bytes: u64,
    now: Duration,
) -> Vec<(SandboxId, Action)> {
    let mut actions = Vec::new();
    loop {
        let mut persons: HashMap<UserId, u64> = HashMap::new();
        for (id, ward) in wards.iter() {
            *persons.entry(id.person).or_default() += ward.memory_bytes();
        }
        let fits = persons.values().sum::<u64>() <= most_bytes;
        if fits || wards.iter().any(|(_, ward)| !ward.knows_memory()) {
            return actions;
        }
        let most =
            |(id, ward): &&mut (SandboxId, &mut Ward)| (persons.get(&id.person).copied(), ward.memory_bytes(), *id);
        let Some((id, ward)) = wards.iter_mut().max_by_key(most) else { return actions };
        actions.push((*id, ward.give_up(now)));
        let told = (*id, Action::Tell(EndCause::Memory));
        if !actions.contains(&told) {
            actions.push(told);
        }
    }
}
