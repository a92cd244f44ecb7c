//! How wasmtime is set up.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use sha2::{Digest, Sha256};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::HostError;
use crate::settings::HostSettings;

/// What host functions may use of a call's stack, beside what the plugin may use, in bytes.
const HOST_STACK_BYTES: usize = 1 << 20;
/// What the engine itself keeps of an instance and all its parts, in bytes.
const INSTANCE_BYTES: usize = 4 << 20;
/// What is written into the fingerprint: changes whenever old translations must not be taken any more.
const EPOCH_OF_FINGERPRINTS: &str = "coditect plugin host 1";

/// What both engines share, and with it all that a translation depends on.
///
/// Of WebAssembly's extensions those stay that compilers for languages use: SIMD, bulk memory, reference types, several values, tail
/// calls. Threads, garbage collection, exceptions and whatever is asynchronous in components is not even compiled in.
fn config(settings: &HostSettings) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(settings.stack_bytes)
        .async_stack_size(settings.stack_bytes.saturating_add(HOST_STACK_BYTES))
        .concurrency_support(false)
        .wasm_component_model(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .generate_address_map(false)
        .native_unwind_info(false)
        .memory_init_cow(true);
    config
}

/// An engine that translates, and takes nothing from the machine beforehand.
pub(crate) fn translating(settings: &HostSettings) -> Result<Engine, HostError> {
    Engine::new(&config(settings)).map_err(unusable)
}

/// An engine that runs: the memory of as many calls as may run at once is reserved, but taken only while it is used.
pub(crate) fn running(settings: &HostSettings) -> Result<Engine, HostError> {
    let calls = u32::try_from(settings.calls_at_once).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_core_instances(calls.saturating_mul(settings.core_instances))
        .total_memories(calls.saturating_mul(settings.memories))
        .total_tables(calls.saturating_mul(settings.tables))
        .total_stacks(calls)
        .max_core_instances_per_component(settings.core_instances)
        .max_memories_per_component(settings.memories)
        .max_tables_per_component(settings.tables)
        .max_tables_per_module(settings.tables)
        .max_memories_per_module(settings.memories)
        .max_component_instance_size(INSTANCE_BYTES)
        .max_core_instance_size(INSTANCE_BYTES)
        .table_elements(settings.table_elements)
        .max_memory_size(settings.memory_bytes(Some(settings.memory_max_mib)));
    let mut config = config(settings);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).map_err(unusable)
}

#[expect(clippy::needless_pass_by_value, reason = "goes to map_err")]
fn unusable(error: wasmtime::Error) -> HostError {
    HostError::Engine { detail: format!("{error:#}") }
}

/// Names all that a translation depends on: version, target, features and settings. Hexadecimal SHA-256.
pub(crate) fn fingerprint(engine: &Engine) -> String {
    let mut digest = Fingerprint(Sha256::new_with_prefix(EPOCH_OF_FINGERPRINTS));
    engine.precompile_compatibility_hash().hash(&mut digest);
    hex(&digest.0.finalize())
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Fingerprint(Sha256);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Not asked for: the digest is taken from within.
    fn finish(&self) -> u64 {
        0
    }
}

/// How much of a deadline may be spent running.
pub(crate) fn cpu_limit(settings: &HostSettings, deadline: Duration) -> Duration {
    deadline * settings.cpu_percent.clamp(1, 100) / 100
}
