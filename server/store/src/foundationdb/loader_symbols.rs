//! The functions of FoundationDB's client library, as the linker wants them: each passes its call on to the library that
//! was loaded.
//!
//! The crate `foundationdb` declares them in its bindings and expects the linker to find them. Here they are ordinary
//! functions of this program, so that it starts where the library is absent. Those that the store calls, through that
//! crate, are needed: a library without one of them is refused before anything is called. The others exist only because
//! the bindings name them.

use foundationdb_sys as sys;
use libloading::Library;
use std::ffi::{c_char, c_int, c_void};
use std::sync::OnceLock;

/// The functions of the library that was loaded.
static SYMBOLS: OnceLock<Symbols> = OnceLock::new();

/// What a function answers that the library lacks: `api_function_missing`.
const FUNCTION_MISSING: c_int = 2204;

/// What stands for the result of a function that the library lacks.
trait Absent {
    fn absent() -> Self;
}

impl Absent for () {
    fn absent() -> Self {}
}

impl Absent for c_int {
    fn absent() -> Self {
        FUNCTION_MISSING
    }
}

impl Absent for f64 {
    fn absent() -> Self {
        0.0
    }
}

impl<T> Absent for *mut T {
    fn absent() -> Self {
        std::ptr::null_mut()
    }
}

impl Absent for *const c_char {
    fn absent() -> Self {
        c"the client library lacks this function".as_ptr()
    }
}

/// Defines [`Symbols`] and, for each row, a function of that name for the linker.
macro_rules! client_library {
    (
        needed { $(fn $needed:ident($($needed_rest:tt)*) $(-> $needed_result:ty)?;)* }
        other { $(fn $other:ident($($other_rest:tt)*) $(-> $other_result:ty)?;)* }
    ) => {
        client_library! { @symbols
            $(fn $needed($($needed_rest)*) $(-> $needed_result)?;)*
            $(fn $other($($other_rest)*) $(-> $other_result)?;)*
        }

        impl Symbols {
            /// Name of the first needed function that the library lacks.
            pub(super) fn missing(&self) -> Option<&'static str> {
                $(if self.$needed.is_none() {
                    return Some(stringify!($needed));
                })*
                None
            }
        }
    };
    (@symbols $(fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        /// What a library was found to have.
        pub(super) struct Symbols {
            $($name: Option<unsafe extern "C" fn($($ty),*) $(-> $result)?>,)*
        }

        impl Symbols {
            /// Looks all functions up.
            pub(super) fn find(library: &'static Library) -> Self {
                Self {
                    // SAFETY: the types are those of the bindings made from the library's own header, and the library is
                    // never unloaded, so that the addresses stay good.
                    $($name: unsafe { library.get(concat!(stringify!($name), "\0")) }.ok().map(|symbol| *symbol),)*
                }
            }
        }

        $(
            // SAFETY: nothing else in the program defines a symbol of this name; the library's own are not visible to the
            // linker, and it is loaded without making them visible to others.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($arg: $ty),*) $(-> $result)? {
                match SYMBOLS.get().and_then(|symbols| symbols.$name) {
                    // SAFETY: the caller keeps what the header of the library asks for; the arguments go on unchanged.
                    Some(function) => unsafe { function($($arg),*) },
                    None => Absent::absent(),
                }
            }
        )*
    };
}

impl Symbols {
    /// The newest version of the interface that the library knows, if it tells.
    pub(super) fn max_api_version(&self) -> Option<i32> {
        // SAFETY: the function takes nothing and may be called at any time, before all others too.
        self.fdb_get_max_api_version.map(|function| unsafe { function() })
    }

    /// From now on the functions of this program are the library's. The first library stays.
    pub(super) fn install(self) {
        let _ = SYMBOLS.set(self);
    }
}

client_library! {
    needed {
        fn fdb_get_error(code: sys::fdb_error_t) -> *const c_char;
        fn fdb_setup_network() -> sys::fdb_error_t;
        fn fdb_run_network() -> sys::fdb_error_t;
        fn fdb_stop_network() -> sys::fdb_error_t;
        fn fdb_future_destroy(f: *mut sys::FDBFuture);
        fn fdb_future_is_ready(f: *mut sys::FDBFuture) -> sys::fdb_bool_t;
        fn fdb_future_set_callback(
            f: *mut sys::FDBFuture, callback: sys::FDBCallback, callback_parameter: *mut c_void,
        ) -> sys::fdb_error_t;
        fn fdb_future_get_error(f: *mut sys::FDBFuture) -> sys::fdb_error_t;
        fn fdb_future_get_int64(f: *mut sys::FDBFuture, out: *mut i64) -> sys::fdb_error_t;
        fn fdb_future_get_key(
            f: *mut sys::FDBFuture, out_key: *mut *const u8, out_key_length: *mut c_int,
        ) -> sys::fdb_error_t;
        fn fdb_future_get_value(
            f: *mut sys::FDBFuture, out_present: *mut sys::fdb_bool_t, out_value: *mut *const u8,
            out_value_length: *mut c_int,
        ) -> sys::fdb_error_t;
        fn fdb_future_get_keyvalue_array(
            f: *mut sys::FDBFuture, out_kv: *mut *const sys::FDBKeyValue, out_count: *mut c_int,
            out_more: *mut sys::fdb_bool_t,
        ) -> sys::fdb_error_t;
        fn fdb_create_database(
            cluster_file_path: *const c_char, out_database: *mut *mut sys::FDBDatabase,
        ) -> sys::fdb_error_t;
        fn fdb_database_destroy(d: *mut sys::FDBDatabase);
        fn fdb_database_set_option(
            d: *mut sys::FDBDatabase, option: sys::FDBDatabaseOption, value: *const u8, value_length: c_int,
        ) -> sys::fdb_error_t;
        fn fdb_database_create_transaction(
            d: *mut sys::FDBDatabase, out_transaction: *mut *mut sys::FDBTransaction,
        ) -> sys::fdb_error_t;
        fn fdb_transaction_destroy(tr: *mut sys::FDBTransaction);
        fn fdb_transaction_cancel(tr: *mut sys::FDBTransaction);
        fn fdb_transaction_set_option(
            tr: *mut sys::FDBTransaction, option: sys::FDBTransactionOption, value: *const u8, value_length: c_int,
        ) -> sys::fdb_error_t;
        fn fdb_transaction_get_read_version(tr: *mut sys::FDBTransaction) -> *mut sys::FDBFuture;
        fn fdb_transaction_get(
            tr: *mut sys::FDBTransaction, key: *const u8, key_length: c_int, snapshot: sys::fdb_bool_t,
        ) -> *mut sys::FDBFuture;
        fn fdb_transaction_get_range(
            tr: *mut sys::FDBTransaction, begin_key: *const u8, begin_key_length: c_int,
            begin_or_equal: sys::fdb_bool_t,
            begin_offset: c_int, end_key: *const u8, end_key_length: c_int, end_or_equal: sys::fdb_bool_t,
            end_offset: c_int, limit: c_int, target_bytes: c_int, mode: sys::FDBStreamingMode, iteration: c_int,
            snapshot: sys::fdb_bool_t, reverse: sys::fdb_bool_t,
        ) -> *mut sys::FDBFuture;
        fn fdb_transaction_set(
            tr: *mut sys::FDBTransaction, key: *const u8, key_length: c_int, value: *const u8, value_length: c_int,
        );
        fn fdb_transaction_atomic_op(
            tr: *mut sys::FDBTransaction, key: *const u8, key_length: c_int, param: *const u8, param_length: c_int,
            operation_type: sys::FDBMutationType,
        );
        fn fdb_transaction_clear(tr: *mut sys::FDBTransaction, key: *const u8, key_length: c_int);
        fn fdb_transaction_clear_range(
            tr: *mut sys::FDBTransaction, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int,
        );
        fn fdb_transaction_watch(
            tr: *mut sys::FDBTransaction, key: *const u8, key_length: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_transaction_commit(tr: *mut sys::FDBTransaction) -> *mut sys::FDBFuture;
        fn fdb_transaction_get_committed_version(
            tr: *mut sys::FDBTransaction, out_version: *mut i64,
        ) -> sys::fdb_error_t;
        fn fdb_transaction_get_versionstamp(tr: *mut sys::FDBTransaction) -> *mut sys::FDBFuture;
        fn fdb_transaction_add_conflict_range(
            tr: *mut sys::FDBTransaction, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int, kind: sys::FDBConflictRangeType,
        ) -> sys::fdb_error_t;
        fn fdb_select_api_version_impl(runtime_version: c_int, header_version: c_int) -> sys::fdb_error_t;
        fn fdb_get_max_api_version() -> c_int;
    }
    other {
        fn fdb_error_predicate(predicate_test: c_int, code: sys::fdb_error_t) -> sys::fdb_bool_t;
        fn fdb_network_set_option(
            option: sys::FDBNetworkOption, value: *const u8, value_length: c_int,
        ) -> sys::fdb_error_t;
        fn fdb_add_network_thread_completion_hook(
            hook: Option<unsafe extern "C" fn(arg1: *mut c_void)>, hook_parameter: *mut c_void,
        ) -> sys::fdb_error_t;
        fn fdb_future_cancel(f: *mut sys::FDBFuture);
        fn fdb_future_release_memory(f: *mut sys::FDBFuture);
        fn fdb_future_block_until_ready(f: *mut sys::FDBFuture) -> sys::fdb_error_t;
        fn fdb_future_get_bool(f: *mut sys::FDBFuture, out: *mut sys::fdb_bool_t) -> sys::fdb_error_t;
        fn fdb_future_get_uint64(f: *mut sys::FDBFuture, out: *mut u64) -> sys::fdb_error_t;
        fn fdb_future_get_double(f: *mut sys::FDBFuture, out: *mut f64) -> sys::fdb_error_t;
        fn fdb_future_get_mappedkeyvalue_array(
            f: *mut sys::FDBFuture, out_kv: *mut *const sys::FDBMappedKeyValue, out_count: *mut c_int,
            out_more: *mut sys::fdb_bool_t,
        ) -> sys::fdb_error_t;
        fn fdb_future_get_key_array(
            f: *mut sys::FDBFuture, out_key_array: *mut *const sys::FDBKey, out_count: *mut c_int,
        ) -> sys::fdb_error_t;
        fn fdb_future_get_string_array(
            f: *mut sys::FDBFuture, out_strings: *mut *mut *const c_char, out_count: *mut c_int,
        ) -> sys::fdb_error_t;
        fn fdb_future_get_keyrange_array(
            f: *mut sys::FDBFuture, out_ranges: *mut *const sys::FDBKeyRange, out_count: *mut c_int,
        ) -> sys::fdb_error_t;
        fn fdb_future_get_granule_summary_array(
            f: *mut sys::FDBFuture, out_summaries: *mut *const sys::FDBGranuleSummary, out_count: *mut c_int,
        ) -> sys::fdb_error_t;
        fn fdb_future_readbg_get_descriptions(
            f: *mut sys::FDBFuture, out: *mut *mut sys::FDBBGFileDescription, desc_count: *mut c_int,
        ) -> sys::fdb_error_t;
        fn fdb_readbg_parse_snapshot_file(
            file_data: *const u8, file_len: c_int, tenant_prefix: *const sys::FDBBGTenantPrefix,
            encryption_ctx: *const sys::FDBBGEncryptionCtx,
        ) -> *mut sys::FDBResult;
        fn fdb_readbg_parse_delta_file(
            file_data: *const u8, file_len: c_int, tenant_prefix: *const sys::FDBBGTenantPrefix,
            encryption_ctx: *const sys::FDBBGEncryptionCtx,
        ) -> *mut sys::FDBResult;
        fn fdb_result_destroy(r: *mut sys::FDBResult);
        fn fdb_result_get_keyvalue_array(
            r: *mut sys::FDBResult, out_kv: *mut *const sys::FDBKeyValue, out_count: *mut c_int,
            out_more: *mut sys::fdb_bool_t,
        ) -> sys::fdb_error_t;
        fn fdb_result_get_bg_mutations_array(
            r: *mut sys::FDBResult, out_mutations: *mut *const sys::FDBBGMutation, out_count: *mut c_int,
        ) -> sys::fdb_error_t;
        fn fdb_create_database_from_connection_string(
            connection_string: *const c_char, out_database: *mut *mut sys::FDBDatabase,
        ) -> sys::fdb_error_t;
        fn fdb_database_open_tenant(
            d: *mut sys::FDBDatabase, tenant_name: *const u8, tenant_name_length: c_int,
            out_tenant: *mut *mut sys::FDBTenant,
        ) -> sys::fdb_error_t;
        fn fdb_database_reboot_worker(
            db: *mut sys::FDBDatabase, address: *const u8, address_length: c_int, check: sys::fdb_bool_t,
            duration: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_database_force_recovery_with_data_loss(
            db: *mut sys::FDBDatabase, dcid: *const u8, dcid_length: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_database_create_snapshot(
            db: *mut sys::FDBDatabase, uid: *const u8, uid_length: c_int, snap_command: *const u8,
            snap_command_length: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_database_get_main_thread_busyness(db: *mut sys::FDBDatabase) -> f64;
        fn fdb_database_get_server_protocol(db: *mut sys::FDBDatabase, expected_version: u64) -> *mut sys::FDBFuture;
        fn fdb_database_purge_blob_granules(
            db: *mut sys::FDBDatabase, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int, purge_version: i64, force: sys::fdb_bool_t,
        ) -> *mut sys::FDBFuture;
        fn fdb_database_wait_purge_granules_complete(
            db: *mut sys::FDBDatabase, purge_key: *const u8, purge_key_length: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_database_blobbify_range(
            db: *mut sys::FDBDatabase, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_database_blobbify_range_blocking(
            db: *mut sys::FDBDatabase, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_database_unblobbify_range(
            db: *mut sys::FDBDatabase, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_database_list_blobbified_ranges(
            db: *mut sys::FDBDatabase, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int, range_limit: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_database_verify_blob_range(
            db: *mut sys::FDBDatabase, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int, version: i64,
        ) -> *mut sys::FDBFuture;
        fn fdb_database_flush_blob_range(
            db: *mut sys::FDBDatabase, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int, compact: sys::fdb_bool_t, version: i64,
        ) -> *mut sys::FDBFuture;
        fn fdb_database_get_client_status(db: *mut sys::FDBDatabase) -> *mut sys::FDBFuture;
        fn fdb_tenant_create_transaction(
            tenant: *mut sys::FDBTenant, out_transaction: *mut *mut sys::FDBTransaction,
        ) -> sys::fdb_error_t;
        fn fdb_tenant_purge_blob_granules(
            db: *mut sys::FDBTenant, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int, purge_version: i64, force: sys::fdb_bool_t,
        ) -> *mut sys::FDBFuture;
        fn fdb_tenant_wait_purge_granules_complete(
            db: *mut sys::FDBTenant, purge_key: *const u8, purge_key_length: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_tenant_blobbify_range(
            tenant: *mut sys::FDBTenant, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_tenant_blobbify_range_blocking(
            tenant: *mut sys::FDBTenant, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_tenant_unblobbify_range(
            tenant: *mut sys::FDBTenant, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_tenant_list_blobbified_ranges(
            tenant: *mut sys::FDBTenant, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int, range_limit: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_tenant_verify_blob_range(
            tenant: *mut sys::FDBTenant, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int, version: i64,
        ) -> *mut sys::FDBFuture;
        fn fdb_tenant_flush_blob_range(
            tenant: *mut sys::FDBTenant, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int, compact: sys::fdb_bool_t, version: i64,
        ) -> *mut sys::FDBFuture;
        fn fdb_tenant_get_id(tenant: *mut sys::FDBTenant) -> *mut sys::FDBFuture;
        fn fdb_tenant_destroy(tenant: *mut sys::FDBTenant);
        fn fdb_transaction_set_read_version(tr: *mut sys::FDBTransaction, version: i64);
        fn fdb_transaction_get_key(
            tr: *mut sys::FDBTransaction, key: *const u8, key_length: c_int, or_equal: sys::fdb_bool_t, offset: c_int,
            snapshot: sys::fdb_bool_t,
        ) -> *mut sys::FDBFuture;
        fn fdb_transaction_get_addresses_for_key(
            tr: *mut sys::FDBTransaction, key: *const u8, key_length: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_transaction_get_mapped_range(
            tr: *mut sys::FDBTransaction, begin_key: *const u8, begin_key_length: c_int,
            begin_or_equal: sys::fdb_bool_t,
            begin_offset: c_int, end_key: *const u8, end_key_length: c_int, end_or_equal: sys::fdb_bool_t,
            end_offset: c_int, mapper_name: *const u8, mapper_name_length: c_int, limit: c_int, target_bytes: c_int,
            mode: sys::FDBStreamingMode, iteration: c_int, snapshot: sys::fdb_bool_t, reverse: sys::fdb_bool_t,
        ) -> *mut sys::FDBFuture;
        fn fdb_transaction_get_tag_throttled_duration(tr: *mut sys::FDBTransaction) -> *mut sys::FDBFuture;
        fn fdb_transaction_get_total_cost(tr: *mut sys::FDBTransaction) -> *mut sys::FDBFuture;
        fn fdb_transaction_get_approximate_size(tr: *mut sys::FDBTransaction) -> *mut sys::FDBFuture;
        fn fdb_transaction_on_error(tr: *mut sys::FDBTransaction, error: sys::fdb_error_t) -> *mut sys::FDBFuture;
        fn fdb_transaction_reset(tr: *mut sys::FDBTransaction);
        fn fdb_transaction_get_estimated_range_size_bytes(
            tr: *mut sys::FDBTransaction, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_transaction_get_range_split_points(
            tr: *mut sys::FDBTransaction, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int, chunk_size: i64,
        ) -> *mut sys::FDBFuture;
        fn fdb_transaction_get_blob_granule_ranges(
            tr: *mut sys::FDBTransaction, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int, range_limit: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_transaction_read_blob_granules(
            tr: *mut sys::FDBTransaction, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int, begin_version: i64, read_version: i64,
            granule_context: sys::FDBReadBlobGranuleContext,
        ) -> *mut sys::FDBResult;
        fn fdb_transaction_summarize_blob_granules(
            tr: *mut sys::FDBTransaction, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int, summary_version: i64, range_limit: c_int,
        ) -> *mut sys::FDBFuture;
        fn fdb_transaction_read_blob_granules_description(
            tr: *mut sys::FDBTransaction, begin_key: *const u8, begin_key_length: c_int, end_key: *const u8,
            end_key_length: c_int, begin_version: i64, read_version: i64, read_version_out: *mut i64,
        ) -> *mut sys::FDBFuture;
        fn fdb_get_client_version() -> *const c_char;
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use libloading::os::unix;

    #[test]
    fn what_a_library_lacks_is_named_and_does_no_harm() {
        // The program itself: were its functions visible to others, the library would call them instead of its own.
        let program: &'static Library = Box::leak(Box::new(unix::Library::this().into()));
        let symbols = Symbols::find(program);
        assert_eq!(symbols.missing(), Some("fdb_get_error"));
        assert_eq!(symbols.max_api_version(), None);
        // SAFETY: no library is loaded; the function looks at nothing.
        assert_eq!(unsafe { fdb_get_max_api_version() }, FUNCTION_MISSING);
    }
}
