//! What an instance may take of the machine: memory, tables and parts.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use crate::CallError;
use crate::meter::Meter;
use crate::settings::HostSettings;

/// The limits of one call. What is refused is refused as the specification has it: the instance sees that it cannot grow, and can make
/// do; where it ends for that, its end names the limit.
pub(crate) struct Limiter {
    settings: Arc<HostSettings>,
    meter: Arc<Meter>,
    memory_most: usize,
    memory_now: usize,
}

impl Limiter {
    pub(crate) fn new(settings: Arc<HostSettings>, meter: Arc<Meter>, memory_most: usize) -> Self {
        Self { settings, meter, memory_most, memory_now: 0 }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_now.saturating_add(desired.saturating_sub(current));
        if total > self.memory_most {
            self.meter.met(CallError::Memory { mib: (self.memory_most >> 20) as u64 });
            return Ok(false);
        }
        self.memory_now = total;
        self.meter.saw_memory(total);
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let is_within = desired <= self.settings.table_elements;
        if !is_within {
            self.meter.met(CallError::Tables { elements: self.settings.table_elements });
        }
        Ok(is_within)
    }

    fn instances(&self) -> usize {
        self.settings.core_instances as usize
    }

    fn tables(&self) -> usize {
        self.settings.tables as usize
    }

    fn memories(&self) -> usize {
        self.settings.memories as usize
    }
}
