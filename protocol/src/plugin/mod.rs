//! Plugins: what they are, what they ask for, where they come from, and what pages ask of them.

mod call;
mod capability;
mod id;
mod installed;
mod json;
mod manifest;
mod registry;
mod transparency;
mod view;

pub use call::{
    Answered, CHECK_SECONDS, CallContext, Document, Edit, EditRange, FORMAT_SECONDS, Finding, FindingSeverity,
    FormatOptions, PluginCall, PluginItem, PluginOutcome, Point, SAVE_SECONDS, STATUS_SECONDS, Said, SaidBy,
};
pub use capability::{Asked, Capability, CapabilityName};
pub use id::{ContractVersion, PluginId, PluginIdError};
pub use installed::{
    Denial, Installed, InstalledList, LogLine, NewInstall, PackageSource, PluginFigures, PluginLog, PluginState,
    Review, SettingsChange, SignatureState,
};
pub use json::plain_json;
pub use manifest::{
    BuildStep, Command, Conversations, FileHooks, LanguageOffer, Manifest, Offers, Participant, Provider, Setting,
    SettingKind, StatusItem, Theme, Tool, View, ViewPlace,
};
pub use registry::{
    NewPublisher, PluginPolicy, PluginUsage, PluginsOverview, Publisher, PublisherKey, PublishersPage, RegistryEntry,
    RegistryPage, RegistryPlugin, RegistryVersion, WhoMayPublish, Yank,
};
pub use transparency::{MirrorFault, RegistryAction, RegistryLogEntry, RegistryLogPage};
pub use view::{Choice, Node, ViewAction, ViewShown};
