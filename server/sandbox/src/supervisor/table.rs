//! The terminals, and how many there may be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coditect_protocol::{TerminalId, UserId, WorkspaceId};

use crate::terminal::Terminal;
use crate::wire::{ListedTerminal, Scope};
use crate::{SandboxError, SandboxId, TerminalSettings};

/// Shared by all that needs it.
#[derive(Clone, Default)]
pub(super) struct Table {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    open: HashMap<TerminalId, Listed>,
    starting: HashMap<u64, Starting>,
    last_start: u64,
    /// The last number given in each workspace: none is used again.
    numbers: HashMap<WorkspaceId, u32>,
    closed: bool,
}

struct Listed {
    sandbox: SandboxId,
    read_only: bool,
    terminal: Arc<Terminal>,
}

struct Starting {
    sandbox: SandboxId,
    /// What it belongs to was closed meanwhile: it must not be listed any more.
    closed: bool,
}

/// A place for a terminal that is being started; given back when dropped.
pub(super) struct Reservation {
    table: Table,
    ticket: u64,
    pub(super) sandbox: SandboxId,
    pub(super) number: u32,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.table.inner().starting.remove(&self.ticket);
    }
}

impl Table {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Every change of the table is one insertion or removal, so that it is whole even after a panic elsewhere.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_empty(&self) -> bool {
        let inner = self.inner();
        inner.open.is_empty() && inner.starting.is_empty()
    }

    /// Takes a place, where the limits have one.
    pub(super) fn reserve(&self, sandbox: SandboxId, limits: &TerminalSettings) -> Result<Reservation, SandboxError> {
        let mut inner = self.inner();
        if inner.closed {
            return Err(SandboxError::Ended);
        }
        if inner.count(|id| id.workspace == sandbox.workspace) >= limits.per_workspace {
            return Err(SandboxError::TooManyTerminals { limit: limits.per_workspace });
        }
        if inner.count(|id| id.person == sandbox.person) >= limits.per_person {
            return Err(SandboxError::TooManyTerminalsOfPerson { limit: limits.per_person });
        }
        inner.last_start += 1;
        let ticket = inner.last_start;
        inner.starting.insert(ticket, Starting { sandbox, closed: false });
        let number = inner.numbers.entry(sandbox.workspace).or_default();
        *number += 1;
        Ok(Reservation { table: self.clone(), ticket, sandbox, number: *number })
    }

    /// Lists a terminal that was started, unless what it belongs to was closed meanwhile.
    pub(super) fn admit(&self, reservation: &Reservation, read_only: bool, terminal: &Arc<Terminal>) -> bool {
        let mut inner = self.inner();
        let id = terminal.id();
        let is_closed = inner.starting.get(&reservation.ticket).is_none_or(|starting| starting.closed);
        if is_closed || inner.open.contains_key(&id) {
            return false;
        }
        let terminal = Arc::clone(terminal);
        inner.open.insert(id, Listed { sandbox: reservation.sandbox, read_only, terminal });
        true
    }

    /// Somebody else's terminal and one that does not exist look the same.
    pub(super) fn find(&self, person: UserId, id: TerminalId) -> Result<Arc<Terminal>, SandboxError> {
        let inner = self.inner();
        let found = inner.open.get(&id).filter(|listed| listed.sandbox.person == person);
        found.map(|listed| Arc::clone(&listed.terminal)).ok_or(SandboxError::TerminalNotFound)
    }

    pub(super) fn take(&self, person: UserId, id: TerminalId) -> Result<Arc<Terminal>, SandboxError> {
        let mut inner = self.inner();
        if inner.open.get(&id).is_none_or(|listed| listed.sandbox.person != person) {
            return Err(SandboxError::TerminalNotFound);
        }
        inner.open.remove(&id).map(|listed| listed.terminal).ok_or(SandboxError::TerminalNotFound)
    }

    pub(super) fn list(&self, scope: Scope) -> Vec<ListedTerminal> {
        let inner = self.inner();
        let all = inner.open.values().filter(|listed| scope.holds(listed.sandbox));
        all.map(|Listed { sandbox, read_only, terminal }| ListedTerminal {
            sandbox: *sandbox,
            read_only: *read_only,
            info: terminal.info(),
        })
        .collect()
    }

    /// Takes all of a scope out, and keeps those out that are just being started.
    pub(super) fn take_all(&self, scope: Scope) -> Vec<Arc<Terminal>> {
        let mut inner = self.inner();
        inner.closed |= scope == Scope::Everything;
        for starting in inner.starting.values_mut().filter(|starting| scope.holds(starting.sandbox)) {
            starting.closed = true;
        }
        if let Scope::Workspace(workspace) = scope {
            inner.numbers.remove(&workspace);
        }
        inner.open.extract_if(|_, listed| scope.holds(listed.sandbox)).map(|(_, listed)| listed.terminal).collect()
    }
}

impl Inner {
    fn count(&self, belongs: impl Fn(SandboxId) -> bool) -> usize {
        let open = self.open.values().filter(|listed| belongs(listed.sandbox)).count();
        open + self.starting.values().filter(|starting| belongs(starting.sandbox)).count()
    }
}
