//! The functions of the C interface.
//!
//! Handles are pointers to reference-counted values: a `create` gives one reference to the caller, a `destroy` takes it back.

use crate::data::{Cluster, Data};
use crate::future::{Answer, Callback, Future, KeyValue, length};
use crate::transaction::{Op, RangeRead, Transaction, key_after};
use crate::{atomic, code, lock, network};
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Clusters by their files.
static CLUSTERS: Mutex<BTreeMap<PathBuf, Arc<Cluster>>> = Mutex::new(BTreeMap::new());
static VERSION: AtomicI64 = AtomicI64::new(0);
static IS_SET_UP: AtomicBool = AtomicBool::new(false);

const MAX_API_VERSION: i64 = 730;
const MAX_WATCHES: usize = 10_000;
const DB_OPTION_MAX_WATCHES: c_uint = 20;
const TR_OPTION_TIMEOUT: c_uint = 500;
const STAMPED_KEY: c_uint = 14;
const STAMPED_VALUE: c_uint = 15;

/// # Safety
/// As for a slice of so many bytes; nothing is looked at if there are none.
unsafe fn bytes(pointer: *const u8, length: c_int) -> Vec<u8> {
    match usize::try_from(length) {
        // SAFETY: the caller says so.
        Ok(length) if length > 0 => unsafe { std::slice::from_raw_parts(pointer, length) }.to_vec(),
        _ => Vec::new(),
    }
}

/// # Safety
/// The pointer is a handle that was given out and not destroyed.
unsafe fn share<T>(handle: *const T) -> Arc<T> {
    // SAFETY: such a handle is a reference of its own, which stays with the caller: another one is taken here.
    unsafe {
        Arc::increment_strong_count(handle);
        Arc::from_raw(handle)
    }
}

/// # Safety
/// As for [`share`], and the handle is not used afterwards.
unsafe fn take<T>(handle: *const T) -> Arc<T> {
    // SAFETY: the caller gives its reference back.
    unsafe { Arc::from_raw(handle) }
}

fn give<T>(value: Arc<T>) -> *mut T {
    Arc::into_raw(value).cast_mut()
}

fn result(result: Result<(), i32>) -> c_int {
    result.err().unwrap_or(0)
}

/// An option whose value is a number of eight bytes.
///
/// # Safety
/// As for [`bytes`].
unsafe fn number(value: *const u8, length: c_int) -> Result<i64, i32> {
    // SAFETY: the caller says so.
    let bytes = unsafe { bytes(value, length) };
    bytes.try_into().map(i64::from_le_bytes).map_err(|_| code::INVALID_OPTION_VALUE)
}

fn max_api_version() -> i64 {
    let claimed = std::env::var("FDB_DOUBLE_MAX_API_VERSION").ok();
    claimed.and_then(|version| version.parse().ok()).unwrap_or(MAX_API_VERSION)
}

// SAFETY of all that follow: this library is only loaded at run time, by whoever looks for functions of these names.

#[unsafe(no_mangle)]
extern "C" fn fdb_get_max_api_version() -> c_int {
    c_int::try_from(max_api_version()).unwrap_or(0)
}

#[unsafe(no_mangle)]
extern "C" fn fdb_select_api_version_impl(runtime: c_int, header: c_int) -> c_int {
    if i64::from(header) > max_api_version() || runtime > header {
        return code::API_VERSION_NOT_SUPPORTED;
    }
    let selected = VERSION.compare_exchange(0, i64::from(runtime), Ordering::SeqCst, Ordering::SeqCst);
    if selected.is_ok() { 0 } else { code::API_VERSION_ALREADY_SET }
}

#[unsafe(no_mangle)]
extern "C" fn fdb_setup_network() -> c_int {
    if IS_SET_UP.swap(true, Ordering::SeqCst) { code::NETWORK_ALREADY_SET_UP } else { 0 }
}

#[unsafe(no_mangle)]
extern "C" fn fdb_run_network() -> c_int {
    if !IS_SET_UP.load(Ordering::SeqCst) {
        return code::NETWORK_NOT_SET_UP;
    }
    network::run();
    if let Some(file) = std::env::var_os("FDB_DOUBLE_EXIT_FILE") {
        let _ = std::fs::write(file, "stopped");
    }
    0
}

#[unsafe(no_mangle)]
extern "C" fn fdb_stop_network() -> c_int {
    network::stop();
    0
}

#[unsafe(no_mangle)]
extern "C" fn fdb_get_error(code: c_int) -> *const c_char {
    let text = match code {
        0 => c"Success",
        code::TOO_OLD => c"Transaction is too old to perform reads or be committed",
        code::NOT_COMMITTED => c"Transaction not committed due to conflict with another transaction",
        code::TRANSACTION_CANCELLED => c"Operation aborted because the transaction was cancelled",
        code::TIMED_OUT => c"Operation aborted because the transaction timed out",
        code::UNREADABLE => c"Read or wrote an unreadable key",
        _ => c"Another error",
    };
    text.as_ptr()
}

/// Defines functions of the C interface; what their pointers must be is in FoundationDB's documentation.
macro_rules! interface {
    ($(fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $result:ty)? $body:block)*) => {
        $(
            // SAFETY: this library is only loaded at run time, by whoever looks for a function of this name.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($arg: $ty),*) $(-> $result)? {
                // SAFETY: the caller keeps to the documentation: handles are live, pointers have their lengths.
                unsafe { $body }
            }
        )*
    };
}

interface! {
    fn fdb_create_database(file: *const c_char, out: *mut *mut Database) -> c_int {
        let file = PathBuf::from(CStr::from_ptr(file).to_string_lossy().into_owned());
        if !file.is_file() {
            return code::NO_CLUSTER_FILE;
        }
        let new = || {
            Arc::new(Cluster {
                file: file.clone(),
                data: Mutex::new(Data::new()),
                watches: Arc::new(AtomicUsize::new(0)),
                max_watches: AtomicUsize::new(MAX_WATCHES),
            })
        };
        let cluster = lock(&CLUSTERS).entry(file.clone()).or_insert_with(new).clone();
        *out = give(Arc::new(Database(cluster)));
        0
    }

    fn fdb_database_destroy(database: *mut Database) {
        drop(take(database));
    }

    fn fdb_database_set_option(database: *mut Database, option: c_uint, value: *const u8, value_length: c_int) -> c_int {
        if option != DB_OPTION_MAX_WATCHES {
            return code::INVALID_OPTION;
        }
        result(number(value, value_length).and_then(|most| match usize::try_from(most) {
            Ok(most) if most <= 1_000_000 => {
                share(database).0.max_watches.store(most, Ordering::SeqCst);
                Ok(())
            }
            _ => Err(code::INVALID_OPTION_VALUE),
        }))
    }

    fn fdb_database_create_transaction(database: *mut Database, out: *mut *mut Transaction) -> c_int {
        *out = give(Transaction::new(share(database).0.clone()));
        0
    }

    fn fdb_future_destroy(future: *mut Future) {
        take(future).answer(Err(code::OPERATION_CANCELLED));
    }

    fn fdb_future_is_ready(future: *mut Future) -> c_int {
        c_int::from(share(future).is_answered())
    }

    fn fdb_future_set_callback(future: *mut Future, callback: Option<Callback>, parameter: *mut c_void) -> c_int {
        match callback {
            Some(callback) => {
                share(future).call_back(callback, parameter);
                0
            }
            None => code::INVALID_OPERATION,
        }
    }

    fn fdb_future_get_error(future: *mut Future) -> c_int {
        share(future).error()
    }

    fn fdb_future_get_int64(future: *mut Future, out: *mut i64) -> c_int {
        let show = |answer: &Answer| if let Answer::Version(version) = answer { Some(*version) } else { None };
        result(share(future).with(show).map(|version| *out = version))
    }

    fn fdb_future_get_key(future: *mut Future, out: *mut *const u8, out_length: *mut c_int) -> c_int {
        let show = |answer: &Answer| if let Answer::Key(key) = answer { Some((key.as_ptr(), length(key))) } else { None };
        result(share(future).with(show).map(|(key, length)| {
            *out = key;
            *out_length = length;
        }))
    }

    fn fdb_future_get_value(
        future: *mut Future, out_present: *mut c_int, out: *mut *const u8, out_length: *mut c_int,
    ) -> c_int {
        let show = |answer: &Answer| match answer {
            Answer::Value(value) => Some(value.as_ref().map(|value| (value.as_ptr(), length(value)))),
            _ => None,
        };
        result(share(future).with(show).map(|value| {
            *out_present = c_int::from(value.is_some());
            if let Some((value, length)) = value {
                *out = value;
                *out_length = length;
            }
        }))
    }

    fn fdb_future_get_keyvalue_array(
        future: *mut Future, out: *mut *const KeyValue, out_count: *mut c_int, out_more: *mut c_int,
    ) -> c_int {
        let show = |answer: &Answer| match answer {
            Answer::Rows { table, more, .. } => Some((table.as_ptr(), table.len(), *more)),
            _ => None,
        };
        result(share(future).with(show).map(|(table, count, more)| {
            *out = table;
            *out_count = c_int::try_from(count).unwrap_or(c_int::MAX);
            *out_more = c_int::from(more);
        }))
    }

    fn fdb_transaction_destroy(transaction: *mut Transaction) {
        take(transaction).cancel();
    }

    fn fdb_transaction_cancel(transaction: *mut Transaction) {
        share(transaction).cancel();
    }

    fn fdb_transaction_set_option(
        transaction: *mut Transaction, option: c_uint, value: *const u8, value_length: c_int,
    ) -> c_int {
        if option != TR_OPTION_TIMEOUT {
            return code::INVALID_OPTION;
        }
        result(number(value, value_length).and_then(|millis| {
            let millis = u64::try_from(millis).map_err(|_| code::INVALID_OPTION_VALUE)?;
            // It counts from the transaction's creation; zero takes it away.
            let timeout = (millis > 0).then(|| Duration::from_millis(millis));
            share(transaction).change(move |state| {
                state.timeout = timeout;
                Ok(())
            });
            Ok(())
        }))
    }

    fn fdb_transaction_get_read_version(transaction: *mut Transaction) -> *mut Future {
        give(share(transaction).read_version())
    }

    fn fdb_transaction_get(
        transaction: *mut Transaction, key: *const u8, key_length: c_int, snapshot: c_int,
    ) -> *mut Future {
        give(share(transaction).get(bytes(key, key_length), snapshot != 0))
    }

    fn fdb_transaction_get_range(
        transaction: *mut Transaction, begin: *const u8, begin_length: c_int, begin_or_equal: c_int,
        begin_offset: c_int, end: *const u8, end_length: c_int, end_or_equal: c_int, end_offset: c_int, limit: c_int,
        target_bytes: c_int, mode: c_int, iteration: c_int, snapshot: c_int, reverse: c_int,
    ) -> *mut Future {
        // Only "the first key that is not less".
        if (begin_or_equal, begin_offset, end_or_equal, end_offset) != (0, 1, 0, 1) {
            return give(Future::failed(code::INVALID_OPERATION));
        }
        let at_most = |number: c_int| usize::try_from(number).ok().filter(|number| *number > 0).unwrap_or(usize::MAX);
        let mode_bytes = match mode {
            0 if limit == 0 && target_bytes == 0 => return give(Future::failed(code::INVALID_OPERATION)),
            0 => usize::MAX,
            1 => 256,
            2 => 1_000,
            3 => 4_096,
            -2 | 4 => 80_000,
            -1 if iteration > 0 => 4_096,
            _ => return give(Future::failed(code::INVALID_OPERATION)),
        };
        let (begin, end) = (bytes(begin, begin_length), bytes(end, end_length));
        if begin > end {
            return give(Future::failed(code::INVERTED_RANGE));
        }
        give(share(transaction).get_range(RangeRead {
            begin,
            end,
            limit: at_most(limit),
            bytes: at_most(target_bytes).min(mode_bytes),
            reverse: reverse != 0,
            snapshot: snapshot != 0,
        }))
    }

    fn fdb_transaction_set(
        transaction: *mut Transaction, key: *const u8, key_length: c_int, value: *const u8, value_length: c_int,
    ) {
        share(transaction).write(Op::Set(bytes(key, key_length), bytes(value, value_length)));
    }

    fn fdb_transaction_atomic_op(
        transaction: *mut Transaction, key: *const u8, key_length: c_int, operand: *const u8, operand_length: c_int,
        kind: c_uint,
    ) {
        let (key, operand) = (bytes(key, key_length), bytes(operand, operand_length));
        let op = match kind {
            STAMPED_KEY => atomic::split_place(&key).map(|(key, place)| Op::StampKey(key, place, operand)),
            STAMPED_VALUE => atomic::split_place(&operand).map(|(value, place)| Op::StampValue(key, value, place)),
            kind if atomic::is_known(kind) => Ok(Op::Atomic(kind, key, operand)),
            _ => Err(code::INVALID_MUTATION),
        };
        match op {
            Ok(op) => share(transaction).write(op),
            Err(code) => share(transaction).change(move |_| Err(code)),
        }
    }

    fn fdb_transaction_clear(transaction: *mut Transaction, key: *const u8, key_length: c_int) {
        let key = bytes(key, key_length);
        let end = key_after(&key);
        share(transaction).write(Op::Clear(key, end));
    }

    fn fdb_transaction_clear_range(
        transaction: *mut Transaction, begin: *const u8, begin_length: c_int, end: *const u8, end_length: c_int,
    ) {
        let (begin, end) = (bytes(begin, begin_length), bytes(end, end_length));
        if begin > end {
            share(transaction).change(|_| Err(code::INVERTED_RANGE));
        } else {
            share(transaction).write(Op::Clear(begin, end));
        }
    }

    fn fdb_transaction_watch(transaction: *mut Transaction, key: *const u8, key_length: c_int) -> *mut Future {
        give(share(transaction).watch(bytes(key, key_length)))
    }

    fn fdb_transaction_commit(transaction: *mut Transaction) -> *mut Future {
        give(share(transaction).commit())
    }

    fn fdb_transaction_get_committed_version(transaction: *mut Transaction, out: *mut i64) -> c_int {
        *out = lock(&share(transaction).state).committed.unwrap_or(-1);
        0
    }

    fn fdb_transaction_get_versionstamp(transaction: *mut Transaction) -> *mut Future {
        let stamp = Future::new();
        let asked = stamp.clone();
        // Too late once the commit has begun.
        share(transaction).change(move |state| {
            state.stamps.push(asked);
            Ok(())
        });
        give(stamp)
    }

    fn fdb_transaction_add_conflict_range(
        transaction: *mut Transaction, begin: *const u8, begin_length: c_int, end: *const u8, end_length: c_int,
        kind: c_uint,
    ) -> c_int {
        let span = (bytes(begin, begin_length), bytes(end, end_length));
        if span.0 > span.1 {
            return code::INVERTED_RANGE;
        }
        share(transaction).change(move |state| {
            if kind == 0 {
                state.add_read(span);
            } else {
                state.writes.push(span);
            }
            Ok(())
        });
        0
    }
}

/// A connection to a cluster.
struct Database(Arc<Cluster>);
