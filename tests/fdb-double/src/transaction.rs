//! A transaction: the list of what it did, replayed over what it reads.

use crate::data::{Cluster, Data, Span, Watch};
use crate::faults::Faults;
use crate::future::{Answer, Future};
use crate::network::{self, Dirty};
use crate::{atomic, code, lock};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// One write.
#[derive(Clone)]
pub(crate) enum Op {
    Set(Vec<u8>, Vec<u8>),
    Clear(Vec<u8>, Vec<u8>),
    Atomic(u32, Vec<u8>, Vec<u8>),
    StampKey(Vec<u8>, usize, Vec<u8>),
    StampValue(Vec<u8>, Vec<u8>, usize),
}

/// A transaction.
pub(crate) struct Transaction {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) state: Mutex<State>,
}

pub(crate) struct State {
    created: Instant,
    pub(crate) timeout: Option<Duration>,
    version: Option<i64>,
    log: Vec<Op>,
    reads: Vec<Span>,
    pub(crate) writes: Vec<Span>,
    watches: Vec<Watch>,
    /// Watches whose value was not read yet; the commit waits for them.
    reading: usize,
    /// What every further use answers.
    pub(crate) error: Option<i32>,
    is_committing: bool,
    pub(crate) committed: Option<i64>,
    pub(crate) stamps: Vec<Arc<Future>>,
}

/// What is handed over to be committed.
pub(crate) struct Commit {
    transaction: Arc<Transaction>,
    done: Arc<Future>,
    pub(crate) version: Option<i64>,
    pub(crate) log: Vec<Op>,
    pub(crate) reads: Vec<Span>,
    pub(crate) writes: Vec<Span>,
}

/// A range as it was asked for.
pub(crate) struct RangeRead {
    pub(crate) begin: Vec<u8>,
    pub(crate) end: Vec<u8>,
    pub(crate) limit: usize,
    pub(crate) bytes: usize,
    pub(crate) reverse: bool,
    pub(crate) snapshot: bool,
}

/// How far something came that asks the cluster.
type Progress = Option<Result<Answer, i32>>;

pub(crate) fn key_after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

impl Op {
    fn bytes(&self) -> usize {
        match self {
            Self::Set(a, b) | Self::Clear(a, b) | Self::Atomic(_, a, b) => a.len() + b.len(),
            Self::StampKey(a, _, b) | Self::StampValue(a, b, _) => a.len() + b.len(),
        }
    }

    /// The keys that may be another's afterwards.
    fn span(&self, version: Option<i64>) -> Span {
        match self {
            Self::Set(key, _) | Self::Atomic(_, key, _) | Self::StampValue(key, ..) => (key.clone(), key_after(key)),
            Self::Clear(begin, end) => (begin.clone(), end.clone()),
            Self::StampKey(key, place, _) => {
                let (mut first, mut last) = (key.clone(), key.clone());
                first[*place..*place + 8].copy_from_slice(&version.unwrap_or(0).to_be_bytes());
                first[*place + 8..*place + 10].fill(0);
                last[*place..*place + 10].fill(0xff);
                (first, key_after(&last))
            }
        }
    }
}

/// What a part of the key space looks like to the transaction.
struct View {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Parts whose content the commit decides.
    unreadable: Vec<Span>,
    /// Keys that the transaction wrote.
    own: Vec<Vec<u8>>,
}

impl View {
    fn new(data: &Data, begin: &[u8], end: &[u8], version: i64, log: &[Op]) -> Self {
        let mut view = Self { rows: data.range(begin, end, version), unreadable: Vec::new(), own: Vec::new() };
        let inside = |key: &[u8]| begin <= key && key < end;
        for op in log {
            match op {
                Op::Set(key, value) if inside(key) => {
                    view.rows.insert(key.clone(), value.clone());
                    view.own.push(key.clone());
                }
                Op::Atomic(kind, key, operand) if inside(key) => {
                    if let Some(value) = atomic::apply(*kind, view.rows.remove(key), operand) {
                        view.rows.insert(key.clone(), value);
                    }
                    view.own.push(key.clone());
                }
                Op::Clear(from, to) => view.clear(from, to),
                Op::StampKey(..) | Op::StampValue(..) => view.unreadable.push(op.span(Some(version))),
                Op::Set(..) | Op::Atomic(..) => {}
            }
        }
        view
    }

    fn clear(&mut self, from: &[u8], to: &[u8]) {
        let keys = self.rows.range(from.to_vec()..to.to_vec());
        for key in keys.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.rows.remove(&key);
        }
        let cut = |(begin, end): Span| {
            let before = (begin.clone(), end.clone().min(from.to_vec()));
            let behind = (begin.max(to.to_vec()), end);
            [before, behind].into_iter().filter(|(begin, end)| begin < end)
        };
        self.unreadable = std::mem::take(&mut self.unreadable).into_iter().flat_map(cut).collect();
    }

    fn is_unreadable(&self, begin: &[u8], end: &[u8]) -> bool {
        self.unreadable.iter().any(|(a, b)| &a[..] < end && begin < &b[..])
    }
}

impl State {
    /// What conflicts when a part of the key space counts as read: what the transaction has overwritten does not.
    pub(crate) fn add_read(&mut self, (mut begin, end): Span) {
        let overwrites = |op: &&Op| matches!(op, Op::Set(..) | Op::Clear(..));
        let mut own: Vec<Span> = self.log.iter().filter(overwrites).map(|op| op.span(None)).collect();
        own.sort();
        for (from, to) in own {
            if from >= end || begin >= end {
                break;
            }
            if begin < from {
                self.reads.push((begin.clone(), from));
            }
            begin = begin.max(to);
        }
        if begin < end {
            self.reads.push((begin, end));
        }
    }

    fn check(&mut self) -> Result<(), i32> {
        if self.error.is_none() && self.timeout.is_some_and(|timeout| self.created.elapsed() >= timeout) {
            self.error = Some(code::TIMED_OUT);
        }
        self.error.map_or(Ok(()), Err)
    }

    /// The version that it reads, if the cluster answers.
    fn version(&mut self, data: &mut Data, faults: &Faults) -> Option<Result<i64, i32>> {
        if faults.unreachable {
            return None;
        }
        if let Some(version) = self.version {
            return Some(if data.is_too_old(version) { Err(code::TOO_OLD) } else { Ok(version) });
        }
        if let Some(code) = faults.version {
            return Some(Err(code));
        }
        Some(Ok(*self.version.insert(data.next_version())))
    }

    fn range(&mut self, data: &Data, version: i64, written: usize, range: &RangeRead) -> Result<Answer, i32> {
        let view = View::new(data, &range.begin, &range.end, version, &self.log[..written]);
        let mut found = Vec::new();
        let (mut more, mut bytes) = (false, 0);
        let mut rows: Vec<_> = view.rows.iter().collect();
        if range.reverse {
            rows.reverse();
        }
        for (key, value) in rows {
            found.push((key.clone(), value.clone()));
            bytes += key.len() + value.len();
            // It also stops at own writes when it may stop at all, and says that there is more when it has its rows.
            if found.len() >= range.limit || bytes >= range.bytes || range.bytes < usize::MAX && view.own.contains(key)
            {
                more = true;
                break;
            }
        }
        let (mut begin, mut end) = (range.begin.clone(), range.end.clone());
        match found.last() {
            Some((last, _)) if more && range.reverse => begin = last.clone(),
            Some((last, _)) if more => end = key_after(last),
            _ => {}
        }
        if view.is_unreadable(&begin, &end) {
            return Err(code::UNREADABLE);
        }
        if !range.snapshot {
            self.reads.push((begin, end));
        }
        Ok(Answer::rows(found, more))
    }

    /// Value of a key, and whether it came from the database.
    fn get(&mut self, data: &Data, version: i64, written: usize, key: &[u8]) -> Result<(Option<Vec<u8>>, bool), i32> {
        let view = View::new(data, key, &key_after(key), version, &self.log[..written]);
        if view.is_unreadable(key, &key_after(key)) {
            return Err(code::UNREADABLE);
        }
        let covers = |op: &Op| match op {
            Op::Set(other, _) => other == key,
            Op::Clear(begin, end) => &begin[..] <= key && key < &end[..],
            _ => false,
        };
        let is_own = self.log[..written].iter().any(covers);
        Ok((view.rows.get(key).cloned(), !is_own))
    }
}

impl Transaction {
    pub(crate) fn new(cluster: Arc<Cluster>) -> Arc<Self> {
        let state = State {
            created: Instant::now(),
            timeout: None,
            version: None,
            log: Vec::new(),
            reads: Vec::new(),
            writes: Vec::new(),
            watches: Vec::new(),
            reading: 0,
            error: None,
            is_committing: false,
            committed: None,
            stamps: Vec::new(),
        };
        Arc::new(Self { cluster, state: Mutex::new(state) })
    }

    /// Queues something that asks the cluster.
    fn ask(
        self: &Arc<Self>,
        future: &Arc<Future>,
        mut work: impl FnMut(&mut State, &mut Data, &Faults) -> Progress + Send + 'static,
    ) {
        let (this, future) = (self.clone(), future.clone());
        network::queue(Box::new(move |_| {
            if future.is_answered() {
                return true;
            }
            let mut state = lock(&this.state);
            let progress = match state.check() {
                Err(code) => Some(Err(code)),
                Ok(()) if state.is_committing => Some(Err(code::USED_DURING_COMMIT)),
                Ok(()) => work(&mut state, &mut lock(&this.cluster.data), &Faults::of(&this.cluster.file)),
            };
            drop(state);
            progress.map(|answer| future.answer(answer)).is_some()
        }));
    }

    /// Queues a read, which sees its version of the data and what was written before it was asked.
    fn ask_read(
        self: &Arc<Self>,
        mut read: impl FnMut(&mut State, &mut Data, i64, usize) -> Result<Answer, i32> + Send + 'static,
    ) -> Arc<Future> {
        let future = Future::new();
        let mut written = None;
        self.ask(&future, move |state, data, faults| {
            let written = *written.get_or_insert(state.log.len());
            let version = state.version(data, faults)?;
            if let Some(code) = faults.read {
                return Some(Err(code));
            }
            Some(version.and_then(|version| read(state, data, version, written)))
        });
        future
    }

    pub(crate) fn read_version(self: &Arc<Self>) -> Arc<Future> {
        let future = Future::new();
        self.ask(&future, |state, data, faults| Some(state.version(data, faults)?.map(Answer::Version)));
        future
    }

    pub(crate) fn get(self: &Arc<Self>, key: Vec<u8>, snapshot: bool) -> Arc<Future> {
        self.ask_read(move |state, data, version, written| {
            let (value, is_read) = state.get(data, version, written, &key)?;
            if is_read && !snapshot {
                state.reads.push((key.clone(), key_after(&key)));
            }
            Ok(Answer::Value(value))
        })
    }

    pub(crate) fn get_range(self: &Arc<Self>, range: RangeRead) -> Arc<Future> {
        self.ask_read(move |state, data, version, written| state.range(data, version, written, &range))
    }

    pub(crate) fn watch(self: &Arc<Self>, key: Vec<u8>) -> Arc<Future> {
        let outstanding = &self.cluster.watches;
        if outstanding.fetch_add(1, Ordering::SeqCst) >= self.cluster.max_watches.load(Ordering::SeqCst) {
            outstanding.fetch_sub(1, Ordering::SeqCst);
            return Future::failed(code::TOO_MANY_WATCHES);
        }
        let future = Future::counted(Some(outstanding.clone()));
        let (this, changed) = (self.clone(), future.clone());
        let mut written = None;
        network::queue(Box::new(move |_| {
            let mut state = lock(&this.state);
            if written.is_none() {
                state.reading += 1;
            }
            let written = *written.get_or_insert(state.log.len());
            let data = &mut *lock(&this.cluster.data);
            let progress = match state.check() {
                _ if changed.is_answered() => Some(Ok(())),
                Err(code) => Some(Err(code)),
                Ok(()) => state.version(data, &Faults::of(&this.cluster.file)).map(|version| {
                    let (seen, _) = version.and_then(|version| state.get(data, version, written, &key))?;
                    state.reads.push((key.clone(), key_after(&key)));
                    state.watches.push(Watch { key: key.clone(), seen, changed: changed.clone() });
                    Ok(())
                }),
            };
            let Some(result) = progress else { return false };
            state.reading -= 1;
            drop(state);
            if let Err(code) = result {
                changed.answer(Err(code));
            }
            true
        }));
        future
    }

    /// Queues something that only the transaction itself is asked for; its error comes out later.
    pub(crate) fn change(self: &Arc<Self>, change: impl FnOnce(&mut State) -> Result<(), i32> + Send + 'static) {
        let this = self.clone();
        network::post(move || {
            let mut state = lock(&this.state);
            let result = if state.is_committing { Err(code::USED_DURING_COMMIT) } else { change(&mut state) };
            if let Err(code) = result {
                state.error.get_or_insert(code);
            }
        });
    }

    pub(crate) fn write(self: &Arc<Self>, op: Op) {
        self.change(move |state| {
            let (key, value) = match &op {
                Op::Clear(..) => (&[][..], &[][..]),
                Op::Set(a, b) | Op::Atomic(_, a, b) | Op::StampKey(a, _, b) | Op::StampValue(a, b, _) => {
                    (&a[..], &b[..])
                }
            };
            if key.len() > 10_000 {
                return Err(code::KEY_TOO_LARGE);
            }
            if value.len() > 100_000 {
                return Err(code::VALUE_TOO_LARGE);
            }
            if key.first() == Some(&0xff) {
                return Err(code::OUTSIDE_LEGAL_RANGE);
            }
            state.log.push(op);
            Ok(())
        });
    }

    pub(crate) fn commit(self: &Arc<Self>) -> Arc<Future> {
        let future = Future::new();
        let (this, done) = (self.clone(), future.clone());
        network::queue(Box::new(move |dirty| this.try_commit(&done, dirty)));
        future
    }

    /// Hands the transaction over, once it can be; whether there is nothing more to do.
    fn try_commit(self: &Arc<Self>, done: &Arc<Future>, dirty: &mut Dirty) -> bool {
        let faults = Faults::of(&self.cluster.file);
        let mut state = lock(&self.state);
        let mut data = lock(&self.cluster.data);
        let is_new = !state.is_committing;
        let refusal = match state.check() {
            Err(code) => Some(code),
            Ok(()) if !is_new || state.reading > 0 => return false,
            Ok(()) if state.log.is_empty() && state.writes.is_empty() => {
                state.is_committing = true;
                data.watch(std::mem::take(&mut state.watches));
                let stamps = std::mem::take(&mut state.stamps);
                drop((state, data));
                stamps.iter().for_each(|future| future.answer(Err(code::NO_COMMIT_VERSION)));
                done.answer(Ok(Answer::Nothing));
                return true;
            }
            Ok(()) => match state.version(&mut data, &faults) {
                None => return false,
                Some(version) => version.err(),
            },
        };
        let fault = faults.commit.filter(|_| refusal.is_none());
        let refusal = refusal.or(fault.filter(|fault| !fault.applied).and_then(|fault| fault.code));
        state.is_committing = true;
        if let Some(code) = refusal {
            let watches = std::mem::take(&mut state.watches);
            drop((state, data));
            watches.into_iter().for_each(|watch| watch.changed.answer(Err(code)));
            done.answer(Err(code));
            return true;
        }
        // With a fault, somebody else waits for the answer.
        let answered = if fault.is_some() { Future::new() } else { done.clone() };
        data.batch.push(Commit {
            transaction: self.clone(),
            done: answered,
            version: state.version,
            log: std::mem::take(&mut state.log),
            reads: std::mem::take(&mut state.reads),
            writes: std::mem::take(&mut state.writes),
        });
        if data.batch.len() == 1 {
            dirty.push(self.cluster.clone());
        }
        if let Some(code) = fault.and_then(|fault| fault.code) {
            done.answer(Err(code));
        }
        // Without an answer it is tried until its time is over.
        fault.is_none_or(|fault| fault.code.is_some())
    }

    /// Ends it, unless it was committed.
    pub(crate) fn cancel(self: &Arc<Self>) {
        let this = self.clone();
        network::post(move || {
            let mut state = lock(&this.state);
            state.error.get_or_insert(code::TRANSACTION_CANCELLED);
            let watches = std::mem::take(&mut state.watches);
            let stamps = std::mem::take(&mut state.stamps);
            drop(state);
            for future in watches.into_iter().map(|watch| watch.changed).chain(stamps) {
                future.answer(Err(code::TRANSACTION_CANCELLED));
            }
        });
    }
}

impl Commit {
    /// What it counts.
    pub(crate) fn bytes(&self) -> usize {
        let spans = self.reads.iter().chain(&self.writes).map(|(begin, end)| begin.len() + end.len());
        let writes = self.log.iter().map(|op| {
            let (begin, end) = op.span(None);
            op.bytes() + begin.len() + end.len()
        });
        spans.sum::<usize>() + writes.sum::<usize>()
    }

    /// Tells the transaction what became of it.
    pub(crate) fn finish(self, data: &mut Data, result: Result<(i64, Vec<u8>), i32>) {
        let mut state = lock(&self.transaction.state);
        let watches = std::mem::take(&mut state.watches);
        let stamps = std::mem::take(&mut state.stamps);
        match result {
            Ok((version, stamp)) => {
                state.committed = Some(version);
                drop(state);
                data.watch(watches);
                stamps.iter().for_each(|future| future.answer(Ok(Answer::Key(stamp.clone()))));
                self.done.answer(Ok(Answer::Nothing));
            }
            Err(code) => {
                drop(state);
                let futures = watches.into_iter().map(|watch| watch.changed).chain(stamps);
                futures.for_each(|future| future.answer(Err(code)));
                self.done.answer(Err(code));
            }
        }
    }
}
