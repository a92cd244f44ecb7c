//! Tells the log, target `audit`, of everything that was asked for and not allowed: who, from where, what.
//!
//! Whoever is refused can go on asking, and must not fill the log with it: of each source only so many refusals of a minute are told
//! one by one, and the rest of that minute as a number.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coditect_auth::AuthError;
use coditect_protocol::{Coded as _, Kind, Problem, UserId};

use crate::error::ApiFault;

/// For so long refusals are counted together.
const COUNTED_FOR: Duration = Duration::from_secs(60);
/// Refusals of one source that are told one by one within that time.
const TOLD_PER_SOURCE: u64 = 30;
/// Sources that are told apart within that time; all further ones are counted as one. Some 40 bytes each.
const SOURCES: usize = 4096;

/// What was refused.
pub(crate) struct Denied<'a> {
    /// Why.
    pub(crate) problem: &'a Problem,
    /// Method of the request; nothing for a call on a link.
    pub(crate) method: Option<&'a str>,
    /// The route as it is written in the table. Never the path itself, which may hold a code.
    pub(crate) route: Option<&'a str>,
    /// Who asked, where that was known.
    pub(crate) user: Option<UserId>,
    /// From where.
    pub(crate) address: Option<IpAddr>,
    /// The request's id.
    pub(crate) request_id: Option<&'a str>,
}

impl Denied<'_> {
    /// Whether it says that somebody was not allowed it. That one is not logged in, or that a token has simply run out, happens to
    /// everybody every day.
    fn is_denial(&self) -> bool {
        match self.problem.kind {
            Kind::Forbidden | Kind::TooManyRequests => true,
            Kind::Unauthenticated => {
                ![ApiFault::NotLoggedIn.code(), AuthError::ExpiredToken.code()].contains(&self.problem.code.as_str())
            }
            _ => false,
        }
    }
}

/// See the module. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Denials(Arc<Mutex<Option<Minute>>>);

/// Where refusals come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    /// What one customer gets: an IPv4 address, or an IPv6 network of 64 bits.
    Network(IpAddr),
    /// A person, where no address is known, as on a link.
    Person(UserId),
    /// All that are not told apart.
    Others,
}

impl Source {
    fn of(denied: &Denied<'_>) -> Self {
        const NETWORK: u128 = !0 << 64;
        match (denied.address, denied.user) {
            (Some(IpAddr::V6(address)), _) => Self::Network(Ipv6Addr::from_bits(address.to_bits() & NETWORK).into()),
            (Some(address), _) => Self::Network(address),
            (None, Some(user)) => Self::Person(user),
            (None, None) => Self::Others,
        }
    }
}

/// Refusals of the time under way.
#[derive(Debug, Default)]
struct Minute(HashMap<Source, u64>);

impl Minute {
    /// Counts one; whether it may be told.
    fn count(&mut self, source: Source) -> bool {
        let is_told_apart = self.0.len() < SOURCES || self.0.contains_key(&source);
        let count = self.0.entry(if is_told_apart { source } else { Source::Others }).or_default();
        *count += 1;
        *count <= TOLD_PER_SOURCE
    }

    /// How many of each source were not told.
    fn untold(self) -> impl Iterator<Item = (Source, u64)> {
        let untold = self.0.into_iter().map(|(source, count)| (source, count.saturating_sub(TOLD_PER_SOURCE)));
        untold.filter(|(_, count)| *count > 0)
    }
}

impl Denials {
    /// Tells of it, if it is one and there is room.
    pub(crate) fn note(&self, denied: &Denied<'_>) {
        if denied.is_denial() && self.count(Source::of(denied)) {
            tracing::info!(
                target: "audit",
                action = "api.denied",
                code = denied.problem.code,
                method = denied.method,
                route = denied.route,
                user = denied.user.map(tracing::field::display),
                address = denied.address.map(tracing::field::display),
                request_id = denied.request_id,
            );
        }
    }

    fn count(&self, source: Source) -> bool {
        let mut minute = self.lock();
        if minute.is_none() {
            let denials = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(COUNTED_FOR).await;
                denials.tell_rest();
            });
        }
        minute.get_or_insert_default().count(source)
    }

    /// Tells how many were not told, and begins anew: at the end of a minute, and before the server stops.
    pub(crate) fn tell_rest(&self) {
        let minute = self.lock().take();
        for (source, count) in minute.into_iter().flat_map(Minute::untold) {
            let (address, user) = match source {
                Source::Network(address) => (Some(address), None),
                Source::Person(user) => (None, Some(user)),
                Source::Others => (None, None),
            };
            let (address, user) = (address.map(tracing::field::display), user.map(tracing::field::display));
            tracing::info!(target: "audit", action = "api.denied_more", count, address, user);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Minute>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(problem: &Problem, address: Option<IpAddr>, user: Option<UserId>) -> Denied<'_> {
        Denied { problem, method: None, route: None, user, address, request_id: None }
    }

    fn from(address: &str) -> Source {
        Source::of(&denied(&AuthError::Csrf.problem(), Some(address.parse().unwrap()), None))
    }

    #[test]
    fn each_source_is_told_so_often_and_then_counted() {
        let mut minute = Minute::default();
        let told = (0..TOLD_PER_SOURCE + 5).filter(|_| minute.count(from("10.0.0.1"))).count();
        assert_eq!(told as u64, TOLD_PER_SOURCE);
        assert!(minute.count(from("10.0.0.2")) && minute.count(Source::Others));
        // One network of IPv6 is one customer.
        for host in 0..TOLD_PER_SOURCE {
            assert!(minute.count(from(&format!("2001:db8::{host:x}"))));
        }
        assert!(!minute.count(from("2001:db8::ffff")) && minute.count(from("2001:db8:0:1::1")));
        let untold: HashMap<_, _> = minute.untold().collect();
        assert_eq!(untold, [(from("10.0.0.1"), 5), (from("2001:db8::"), 1)].into());
    }

    #[test]
    fn many_sources_take_no_more_memory_and_no_more_room_in_the_log() {
        let mut minute = Minute::default();
        let numbers = 0..u32::try_from(SOURCES).unwrap() * 2;
        let told = numbers.filter(|number| minute.count(Source::Network(number.to_be_bytes().into()))).count();
        assert_eq!(told, SOURCES + usize::try_from(TOLD_PER_SOURCE).unwrap());
        assert_eq!(minute.0.len(), SOURCES + 1);
    }

    #[test]
    fn people_without_an_address_are_told_apart() {
        let problem = AuthError::Csrf.problem();
        let of = |id: u128| Source::of(&denied(&problem, None, Some(UserId(uuid::Uuid::from_u128(id)))));
        assert!(of(1) != of(2) && Source::of(&denied(&problem, None, None)) == Source::Others);
    }

    #[test]
    fn what_happens_every_day_is_no_denial() {
        let denial = |problem: &Problem| denied(problem, None, None).is_denial();
        for error in [AuthError::Csrf, AuthError::InvalidToken, AuthError::NotAdmin, AuthError::RefreshReused] {
            assert!(denial(&error.problem()), "{error}");
        }
        assert!(denial(&AuthError::TooManyAttempts { seconds: 1 }.problem()) && denial(&ApiFault::OtherSite.problem()));
        assert!(!denial(&AuthError::ExpiredToken.problem()) && !denial(&ApiFault::NotLoggedIn.problem()));
        assert!(!denial(&AuthError::NoSuchToken.problem()) && !denial(&ApiFault::Internal.problem()));
    }
}
