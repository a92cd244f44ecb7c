//! How much plugins may take. Every number has a default that fits a server for many people.

use std::time::Duration;

use coditect_protocol::plugin::PluginCall;

use crate::call::Call;

/// One person has at most one part in so many of what runs, and of what waits, at the same time…
const SHARE_OF_A_PERSON: usize = 4;
/// …and may have so many calls that run, however few run in all.
const LEAST_OF_A_PERSON: usize = 4;

/// How long a call may take by its kind, in milliseconds from when it begins to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadlines {
    /// Commands.
    pub command_ms: u64,
    /// Formatters.
    pub format_ms: u64,
    /// Diagnostics.
    pub check_ms: u64,
    /// Tools of language models.
    pub tool_ms: u64,
    /// Answers of chat participants and model providers.
    pub respond_ms: u64,
    /// Filters of conversations.
    pub filter_ms: u64,
    /// Lists of models.
    pub models_ms: u64,
    /// Before a file is saved.
    pub save_ms: u64,
    /// After files changed.
    pub events_ms: u64,
    /// Steps of a build.
    pub build_ms: u64,
    /// Views.
    pub view_ms: u64,
    /// Places in the status bar.
    pub status_ms: u64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            command_ms: 30_000,
            format_ms: 2_000,
            check_ms: 2_000,
            tool_ms: 30_000,
            respond_ms: 120_000,
            filter_ms: 2_000,
            models_ms: 10_000,
            save_ms: 2_000,
            events_ms: 10_000,
            build_ms: 120_000,
            view_ms: 5_000,
            status_ms: 1_000,
        }
    }
}

impl Deadlines {
    /// The deadline of a call.
    #[must_use]
    pub fn of(&self, call: &Call) -> Duration {
        let page = |call: &PluginCall| match call {
            PluginCall::Command { .. } => self.command_ms,
            PluginCall::Format { .. } => self.format_ms,
            PluginCall::Check { .. } => self.check_ms,
            PluginCall::Tool { .. } => self.tool_ms,
            PluginCall::Respond { .. } => self.respond_ms,
            PluginCall::WillSave { .. } => self.save_ms,
            PluginCall::BuildStep { .. } => self.build_ms,
            PluginCall::OpenView { .. } | PluginCall::ViewAction { .. } => self.view_ms,
            PluginCall::Status { .. } => self.status_ms,
        };
        Duration::from_millis(match call {
            Call::Page(call) => page(call),
            Call::FilterQuestion { .. } | Call::FilterAnswer { .. } => self.filter_ms,
            Call::ProviderModels { .. } => self.models_ms,
            Call::ProviderRespond { .. } => self.respond_ms,
            Call::Changed { .. } => self.events_ms,
        })
    }
}

/// How much plugins may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSettings {
    /// Threads that run plugins; as many as there are cores where it is 0.
    pub workers: usize,
    /// How much of its deadline a call may spend running, in percent. The rest is for waiting.
    pub cpu_percent: u32,
    /// Memory of a call whose manifest does not say how much it needs, in MiB.
    pub memory_default_mib: u32,
    /// Most memory of a call, whatever its manifest says, in MiB.
    pub memory_max_mib: u32,
    /// Calls that run or wait for something at the same time. One person has at most a quarter of them, and four in any case.
    pub calls_at_once: usize,
    /// Of those, calls of one plugin for one person.
    pub calls_per_caller: usize,
    /// Calls that wait to begin. One person has at most a quarter of them, or what one plugin may have if that is more.
    pub queue: usize,
    /// Of those, calls of one plugin for one person.
    pub queue_per_caller: usize,
    /// How long a call may take.
    pub deadlines: Deadlines,
    /// Largest answer of a call, in bytes.
    pub output_bytes: usize,
    /// How often a call may ask its host for something.
    pub host_calls: u64,
    /// How much it may hand over each time, in bytes.
    pub host_bytes: usize,
    /// What it may write to its log, in bytes.
    pub log_bytes: usize,
    /// Its stack, in bytes.
    pub stack_bytes: usize,
    /// Elements of each of its tables.
    pub table_elements: usize,
    /// Its tables.
    pub tables: u32,
    /// Its memories. All of them together may take what one may.
    pub memories: u32,
    /// Core modules that it consists of.
    pub core_instances: u32,
    /// Requests may reach private networks, where manifest and person allow it too.
    pub private_hosts: bool,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            workers: 0,
            cpu_percent: 80,
            memory_default_mib: 64,
            memory_max_mib: 256,
            calls_at_once: 64,
            calls_per_caller: 4,
            queue: 1024,
            queue_per_caller: 16,
            deadlines: Deadlines::default(),
            output_bytes: 1 << 20,
            host_calls: 10_000,
            host_bytes: 16 << 20,
            log_bytes: 64 << 10,
            stack_bytes: 2 << 20,
            table_elements: 20_000,
            tables: 20,
            memories: 4,
            core_instances: 64,
            private_hosts: false,
        }
    }
}

impl HostSettings {
    /// Threads that run plugins.
    pub(crate) fn worker_threads(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            workers => workers,
        }
    }

    /// Calls of one person that run at the same time.
    pub(crate) fn calls_per_person(&self) -> usize {
        (self.calls_at_once / SHARE_OF_A_PERSON).max(LEAST_OF_A_PERSON)
    }

    /// Calls of one person that wait to begin.
    pub(crate) fn queue_per_person(&self) -> usize {
        (self.queue / SHARE_OF_A_PERSON).max(self.queue_per_caller)
    }

    /// What a call may take whose manifest asks for so many MiB, in bytes.
    pub(crate) fn memory_bytes(&self, asked_mib: Option<u32>) -> usize {
        let mib = asked_mib.unwrap_or(self.memory_default_mib).clamp(1, self.memory_max_mib.max(1));
        usize::try_from(mib).unwrap_or(usize::MAX).saturating_mul(1 << 20)
    }
}
