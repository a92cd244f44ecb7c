//! Everything that can go wrong here, with its stable code.

use coditect_protocol::llm::{BudgetPeriod, BudgetScope, LimitScope, Usd};
use coditect_protocol::{Coded, Kind};
use coditect_store::StoreError;

use crate::limits::Limited;

/// Why something about the policy or the usage could not be done.
#[derive(Debug, thiserror::Error)]

pub enum MeteringError {
    /// Somebody else changed the policy meanwhile.
    #[error("The policy was changed meanwhile and has version {version} now; load it again, and change that.")]
    PolicyChanged {
        /// The version in force.
        version: u64,
    },
    /// An entry says something that cannot be.
    #[error("{entry}: {fault}.")]
    PolicyInvalid {
        /// Which entry, as `budgets[2]`.
        entry: String,
        /// What is wrong with it.
        fault: String,
    },
    /// It does not fit into one value of the store.
    #[error("The policy takes {bytes} bytes, and {most} are the most; merge entries with `*`.")]
    PolicyTooLarge {
        /// What it takes.
        bytes: usize,
        /// What it may take.
        most: usize,
    },
    /// It was made by somebody else than this server.
    #[error("This does not name a page of calls; begin at the first.")]
    BadCursor,
    /// The time ends before it begins, or is too long.
    #[error("{0}.")]
    BadRange(&'static str),
    /// More than one answer takes.
    #[error("The report would have more than {most} rows; ask for less time or longer steps.")]
    ReportTooLarge {
        /// What it may have.
        most: usize,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for MeteringError {
    fn code(&self) -> &'static str {
        match self {
            Self::PolicyChanged { .. } => "llm.policy_changed",
            Self::PolicyInvalid { .. } => "llm.policy_invalid",
            Self::PolicyTooLarge { .. } => "llm.policy_too_large",
            Self::BadCursor => "llm.bad_cursor",
            Self::BadRange(_) => "llm.bad_range",
            Self::ReportTooLarge { .. } => "llm.report_too_large",
            Self::Store(error) => error.code(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::PolicyChanged { .. } => Kind::Conflict,
            Self::PolicyInvalid { .. } | Self::BadCursor | Self::BadRange(_) => Kind::Invalid,
            Self::PolicyTooLarge { .. } | Self::ReportTooLarge { .. } => Kind::TooLarge,
            Self::Store(error) => error.kind(),
        }
    }

    fn is_inside(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_inside())
    }
}

/// Why a call may not be made.
#[derive(Debug, Clone, thiserror::Error)]

pub enum Refusal {
    /// Too many requests or tokens in a minute.
    #[error(
        "This {} may use {limit} {} a minute here; try again in {retry_after_s} s.", .scope.name(), .what.name()
    )]
    RateLimited {
        /// Of what there were too many.
        what: Limited,
        /// Whose limit it is.
        scope: LimitScope,
        /// The most in a minute.
        limit: u64,
        /// When it may be tried again, in seconds.
        retry_after_s: u64,
    },
    /// The store does not take the records of calls as fast as they are made, or not at all.
    #[error("The server is behind with writing down who used what; try again in a few seconds.")]
    UsageBehind,
    /// The store was away since the server began.
    #[error("The server does not know yet who may ask what, as its store is away; try again in a few seconds.")]
    PolicyUnknown,
    /// There is not so much left as the call could cost.
    #[error(
        "The budget of this {} is used up: {left} of {limit} {} are left, and this could cost more; {}.",
        .scope.name(), period_name(*.period), renewal(*.renews_at)
    )]
    BudgetExhausted {
        /// Whose budget it is.
        scope: BudgetScope,
        /// How long it lasts.
        period: BudgetPeriod,
        /// Which of the scope.
        of: String,
        /// The most.
        limit: Usd,
        /// What is left.
        left: Usd,
        /// When it begins anew, in milliseconds since 1970.
        renews_at: Option<u64>,
    },
    /// A budget counts, and nobody knows what the model costs.
    #[error("Nobody has said what {model} costs, and a budget counts here; an admin can add its price.")]
    NoPrice {
        /// `upstream/model`.
        model: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn period_name(period: BudgetPeriod) -> &'static str {
    match period {
        BudgetPeriod::Day => "a day",
        BudgetPeriod::Month => "a month",
        BudgetPeriod::Total => "in all",
    }
}

fn renewal(renews_at: Option<u64>) -> String {
    renews_at
        .map_or_else(|| "an admin can raise it".to_owned(), |at| format!("it begins anew at {}", crate::time::iso(at)))
}

impl Refusal {
    /// When it may be tried again, in seconds, where that is known.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after_s, .. } => Some(*retry_after_s),
            _ => None,
        }
    }
}

impl Coded for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } => "llm.rate_limited",
            Self::UsageBehind => "llm.usage_behind",
            Self::PolicyUnknown => "llm.policy_unknown",
            Self::BudgetExhausted { .. } => "llm.budget_exhausted",
            Self::NoPrice { .. } => "llm.no_price",
            Self::Store(error) => error.code(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::RateLimited { .. } => Kind::TooManyRequests,
            Self::UsageBehind | Self::PolicyUnknown => Kind::Unavailable,
            Self::BudgetExhausted { .. } | Self::NoPrice { .. } => Kind::Forbidden,
            Self::Store(error) => error.kind(),
        }
    }

    fn is_inside(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_inside())
    }
}
