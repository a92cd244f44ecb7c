//! What is answered later.

use crate::{code, lock};
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A key and a value, as C sees them.
#[repr(C, packed(4))]
pub(crate) struct KeyValue {
    key: *const u8,
    key_length: c_int,
    value: *const u8,
    value_length: c_int,
}

/// What C is called with.
pub(crate) type Callback = unsafe extern "C" fn(*mut Future, *mut c_void);

/// Something that is answered later, once.
pub(crate) struct Future {
    state: Mutex<State>,
    /// Counts those that are not answered.
    outstanding: Option<Arc<AtomicUsize>>,
}

pub(crate) enum Answer {
    Nothing,
    Version(i64),
    Key(Vec<u8>),
    Value(Option<Vec<u8>>),
    Rows { table: Vec<KeyValue>, _rows: Vec<(Vec<u8>, Vec<u8>)>, more: bool },
}

struct State {
    /// Not changed any more once it is there, so that C can keep what points into it.
    answer: Option<Result<Answer, i32>>,
    callback: Option<(Callback, *mut c_void)>,
}

// SAFETY: what the pointers point to is either part of the same state and never changed, or belongs to the caller, who is
// called back from another thread by agreement.
unsafe impl Send for State {}

impl Future {
    pub(crate) fn new() -> Arc<Self> {
        Self::counted(None)
    }

    pub(crate) fn counted(outstanding: Option<Arc<AtomicUsize>>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { answer: None, callback: None }), outstanding })
    }

    pub(crate) fn failed(code: i32) -> Arc<Self> {
        let future = Self::new();
        future.answer(Err(code));
        future
    }

    /// Answers, if nothing was answered before.
    pub(crate) fn answer(self: &Arc<Self>, answer: Result<Answer, i32>) {
        let mut state = lock(&self.state);
        if state.answer.is_some() {
            return;
        }
        state.answer = Some(answer);
        let callback = state.callback.take();
        drop(state);
        if let Some(outstanding) = &self.outstanding {
            outstanding.fetch_sub(1, Ordering::SeqCst);
        }
        if let Some((callback, parameter)) = callback {
            // SAFETY: the caller registered this function for this parameter, and it is called once.
            unsafe { callback(Arc::as_ptr(self).cast_mut(), parameter) };
        }
    }

    pub(crate) fn is_answered(&self) -> bool {
        lock(&self.state).answer.is_some()
    }

    /// Calls back once it is answered, maybe now.
    pub(crate) fn call_back(self: &Arc<Self>, callback: Callback, parameter: *mut c_void) {
        let mut state = lock(&self.state);
        if state.answer.is_none() {
            state.callback = Some((callback, parameter));
            return;
        }
        drop(state);
        // SAFETY: as in `answer`.
        unsafe { callback(Arc::as_ptr(self).cast_mut(), parameter) };
    }

    /// Shows the answer.
    pub(crate) fn with<T>(&self, show: impl FnOnce(&Answer) -> Option<T>) -> Result<T, i32> {
        match &lock(&self.state).answer {
            None => Err(code::FUTURE_NOT_SET),
            Some(Err(code)) => Err(*code),
            Some(Ok(answer)) => show(answer).ok_or(code::INVALID_OPERATION),
        }
    }

    pub(crate) fn error(&self) -> i32 {
        match &lock(&self.state).answer {
            None => code::FUTURE_NOT_SET,
            Some(Err(code)) => *code,
            Some(Ok(_)) => 0,
        }
    }
}

impl Answer {
    pub(crate) fn rows(rows: Vec<(Vec<u8>, Vec<u8>)>, more: bool) -> Self {
        let row = |(key, value): &(Vec<u8>, Vec<u8>)| KeyValue {
            key: key.as_ptr(),
            key_length: length(key),
            value: value.as_ptr(),
            value_length: length(value),
        };
        Self::Rows { table: rows.iter().map(row).collect(), _rows: rows, more }
    }
}

pub(crate) fn length(bytes: &[u8]) -> c_int {
    c_int::try_from(bytes.len()).unwrap_or(c_int::MAX)
}
