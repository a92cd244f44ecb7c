//! A disk in memory that loses power: what was not synced is there or not, sector by sector, in no order.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use redb::StorageBackend;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The power is cut: this call and all later ones fail.
    Cut,
    /// The call fails, once. A sync that fails forgets what it did not bring to the disk.
    Io,
    /// There is no room, once.
    Full,
    /// A read ends early, once.
    ShortRead,
}

/// The disk; a clone is the same one.
#[derive(Debug, Clone)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// What no loss of power takes.
    durable: Vec<u8>,
    /// What reads answer.
    visible: Vec<u8>,
    /// What was given since, in order.
    pending: Vec<Pending>,
    random: StdRng,
    calls: u64,
    fault: Option<(u64, Fault)>,
    is_dead: bool,
}

#[derive(Debug)]
enum Pending {
    Length(usize),
    Write(usize, Vec<u8>),
}

impl Disk {
    /// A disk that holds these bytes.
    pub(crate) fn new(image: Vec<u8>, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            visible: image.clone(),
            durable: image,
            pending: Vec::new(),
            random: StdRng::seed_from_u64(seed),
            calls: 0,
            fault: None,
            is_dead: false,
        })))
    }

    /// Lets a fault happen at the n-th call from now, which is one of those that the fault is about or the next such.
    pub(crate) fn fail_at(&self, call: u64, fault: Fault) {
        let mut state = self.lock();
        state.fault = Some((state.calls + call, fault));
    }

    /// Whether the fault that was asked for has not happened.
    pub(crate) fn is_waiting(&self) -> bool {
        self.lock().fault.is_some()
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.lock().is_dead
    }

    /// Calls so far.
    pub(crate) fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Cuts the power now.
    pub(crate) fn cut(&self) {
        self.lock().is_dead = true;
    }

    /// What is on the disk when the power comes back.
    pub(crate) fn power_on(&self) {
        let mut state = self.lock();
        state.is_dead = false;
        state.fault = None;
        state.lose();
        state.visible = state.durable.clone();
    }

    pub(crate) fn image(&self) -> Vec<u8> {
        self.lock().visible.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a call, and answers the fault that happens at it.
    fn call(&mut self, is_about: impl Fn(Fault) -> bool) -> io::Result<()> {
        if self.is_dead {
            return Err(io::Error::other("the power is off"));
        }
        self.calls += 1;
        let Some((_, fault)) = self.fault.filter(|(at, fault)| *at <= self.calls && is_about(*fault)) else {
            return Ok(());
        };
        self.fault = None;
        self.is_dead = fault == Fault::Cut;
        Err(match fault {
            Fault::Cut => io::Error::other("the power is off"),
            Fault::Io => io::Error::other("the disk does not answer"),
            Fault::Full => ErrorKind::StorageFull.into(),
            Fault::ShortRead => ErrorKind::UnexpectedEof.into(),
        })
    }

    /// Brings some of what is pending to the disk, and forgets the rest.
    fn lose(&mut self) {
        let mut sectors = Vec::new();
        // Now and then nothing, now and then all of it.
        let kept = [0.0, 0.1, 0.5, 0.9, 1.0][self.random.random_range(0..5)];
        let mut length = self.durable.len();
        for pending in std::mem::take(&mut self.pending) {
            match pending {
                Pending::Length(new) => {
                    if self.random.random_bool(kept) {
                        length = new;
                    }
                }
                Pending::Write(offset, data) => sectors.extend(into_sectors(offset, &data)),
            }
        }
        self.durable.resize(length, 0);
        // In any order: of two writes to a sector, the older may be what remains.
        sectors.shuffle(&mut self.random);
        for (offset, data) in sectors {
            if self.random.random_bool(kept) && offset + data.len() <= length {
                self.durable[offset..offset + data.len()].copy_from_slice(&data);
            }
        }
    }
}

/// A write, cut at the borders of sectors.
fn into_sectors(offset: usize, data: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < data.len() {
        let end = data.len().min(at + SECTOR - (offset + at) % SECTOR);
        parts.push((offset + at, data[at..end].to_vec()));
        at = end;
    }
    parts
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if bytes.len() < offset + data.len() {
        bytes.resize(offset + data.len(), 0);
    }
    bytes[offset..offset + data.len()].copy_from_slice(data);
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().visible.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.lock();
        state.call(|fault| fault != Fault::Full)?;
        let part = state.visible.get(place(offset)..place(offset) + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(part);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.lock();
        let is_longer = place(len) > state.visible.len();
        state.call(|fault| fault != Fault::ShortRead && (fault != Fault::Full || is_longer))?;
        state.visible.resize(place(len), 0);
        state.pending.push(Pending::Length(place(len)));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.lock();
        if let Err(error) = state.call(|fault| fault != Fault::ShortRead) {
            if !state.is_dead {
                // What is not on the disk now counts as clean, and is never written by a later sync.
                state.lose();
            }
            return Err(error);
        }
        for pending in std::mem::take(&mut state.pending) {
            match pending {
                Pending::Length(length) => state.durable.resize(length, 0),
                Pending::Write(offset, data) => put(&mut state.durable, offset, &data),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let failed = state.call(|fault| fault != Fault::ShortRead);
        if failed.is_ok() {
            put(&mut state.visible, place(offset), data);
        }
        // A write during which the power is cut may have reached the disk in part.
        if failed.is_ok() || state.is_dead {
            state.pending.push(Pending::Write(place(offset), data.to_vec()));
        }
        failed
    }
}
