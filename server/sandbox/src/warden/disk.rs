//! What is to be done when the disk is nearly full: data in, data out.

use std::time::Duration;

use super::decide::{Action, Ward};
use crate::SandboxId;

/// Bytes that the programs of a sandbox may write in all while the disk is nearly full.
pub(super) const LAST_SANDBOX_BYTES: u64 = 16 * 1024 * 1024;
/// What the disk lost and nobody is seen to have written is charged to those who are seen to write, in proportion: but no
/// more than so many times that, for it may be the doing of others. Programs that end at once are hardly ever seen.
const UNSEEN_FACTOR: u64 = 64;

/// Where a sandbox wrote too much, in processes however many and short-lived, the one that wrote most loses its programs.
pub(super) fn relieve(wards: &mut [(SandboxId, &mut Ward)], now: Duration) -> Vec<(SandboxId, Action)> {
    let seen = wards.iter().map(|(_, ward)| ward.just_written().0).fold(0, u64::saturating_add);
    let charged = wards.iter_mut().map(|(id, ward)| {
        let (own, missing) = ward.just_written();
        (ward.charge(charge(own, missing, seen)), *id)
    });
    let Some((bytes, worst)) = charged.max() else { return Vec::new() };
    if bytes <= LAST_SANDBOX_BYTES {
        return Vec::new();
    }
    let ward = wards.iter_mut().find(|(id, _)| *id == worst);
    ward.map_or_else(Vec::new, |(id, ward)| ward.stop_writing(now).into_iter().map(|action| (*id, action)).collect())
}

/// What a sandbox is charged that is seen to have written `own` of the `seen` bytes, while the disk lost `missing`.
fn charge(own: u64, missing: u64, seen: u64) -> u64 {
    let part = u128::from(missing) * u128::from(own) / u128::from(seen.max(1));
    own.max(u64::try_from(part).unwrap_or(u64::MAX).min(own.saturating_mul(UNSEEN_FACTOR)))
}
