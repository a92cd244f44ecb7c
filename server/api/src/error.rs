//! Errors of this crate, and the one type that carries any crate's error out of a route or a call.

use std::net::SocketAddr;
use std::path::PathBuf;

use coditect_protocol::link::OTHER_PERSON;
use coditect_protocol::{Coded, Kind, Problem};

/// Why the server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Somebody else listens there.
    #[error("{address} is in use by another program; stop it, or choose another address with --listen")]
    AddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// It cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The data directory cannot be made or written.
    #[error("the data directory {path} cannot be used: {source}")]
    Data {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The master key; the text says which place it should come from, and why it does not.
    #[error("the master key cannot be used: {0}")]
    MasterKey(String),
    /// A setting has a value that cannot be used.
    #[error("the setting `{name}` cannot be used: {reason}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Why.
        reason: String,
    },
    /// A feature refused to start.
    #[error("{}", .0.message)]
    Feature(Problem),
    /// Serving failed.
    #[error("serving failed: {0}")]
    Serve(std::io::Error),
}

impl ServerError {
    /// The stable code; a feature's own where it was one that refused.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::AddressInUse { .. } => "server.address_in_use",
            Self::Listen { .. } => "server.listen",
            Self::Data { .. } => "server.data",
            Self::MasterKey(_) => "auth.master_key",
            Self::Setting { .. } => "config.bad_value",
            Self::Feature(problem) => &problem.code,
            Self::Serve(_) => "server.serve",
        }
    }
}

/// At the start, an operator wants the detail that [`Coded::problem`] keeps from users.
pub(crate) fn at_start<E: Coded>(error: &E) -> ServerError {
    ServerError::Feature(Problem::new(error.kind(), error.code(), error.to_string()))
}

/// What this crate refuses by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiFault {
    /// No route has this path.
    #[error("There is no such address in the API.")]
    NoSuchRoute,
    /// The route is there, but not for this method.
    #[error("This address does not take that method.")]
    Method,
    /// A body over its limit.
    #[error("The request's body is larger than allowed.")]
    TooLarge,
    /// The answer did not begin in time.
    #[error("The server took too long to answer; try again.")]
    Timeout,
    /// A body of another type than the route takes.
    #[error("Send the body as application/json.")]
    MediaType,
    /// Not HTTP as it should be.
    #[error("{0}")]
    BadRequest(&'static str),
    /// JSON, but not what was asked for; the text names the field.
    #[error("{0}")]
    BadBody(String),
    /// No JSON.
    #[error("The request's body is not valid JSON.")]
    BadJson,
    /// A parameter of the address is missing or malformed.
    #[error("{0}")]
    BadQuery(&'static str),
    /// A program that asks for tokens brings something else than a device code.
    #[error("Only urn:ietf:params:oauth:grant-type:device_code is taken as grant_type.")]
    GrantType,
    /// A condition of a request that cannot be read.
    #[error("If-Match takes one entity tag in quotes, or *; If-None-Match takes * only.")]
    BadEtag,
    /// A part of a file that does not say where it goes.
    #[error("Content-Range is `bytes first-last/*` or `bytes first-last/size`, and Content-Length just as long.")]
    BadContentRange,
    /// A range of a file that it does not have.
    #[error("The range lies outside the file, which has {size} bytes.")]
    Range {
        /// Size of the file, in bytes.
        size: u64,
    },
    /// A file over a limit.
    #[error("The file is larger than the limit of {limit} bytes (setting {setting}).")]
    FileTooLarge {
        /// Limit, in bytes.
        limit: u64,
        /// The setting that says so.
        setting: &'static str,
    },
    /// The server was reached under a name that is not its own.
    #[error("This server does not answer under that name; who runs it can add the name to the setting allowed_hosts.")]
    UnknownHost,
    /// A fault of the server; what it was is in the log.
    #[error("an internal step failed")]
    Internal,
    /// There is no token at all.
    #[error("Log in first.")]
    NotLoggedIn,
    /// A browser's request of a page that is not this site's.
    #[error("This request came from a page of another site.")]
    OtherSite,
    /// The page of one login came with the cookies of another.
    #[error("This page belongs to another login; reload it.")]
    OtherPerson,
    /// Two places that one step cannot reach.
    #[error("A file cannot be moved or copied between a workspace and the home in one step.")]
    AcrossRoots,
    /// The server stops.
    #[error("The server is stopping; try again in a moment.")]
    Draining,
    /// An ordinary request where a WebSocket was due.
    #[error("This address takes only WebSocket requests.")]
    NotAWebSocket,
    /// A socket that does not begin as it must.
    #[error("{reason}")]
    NoHello {
        /// What is missing.
        reason: &'static str,
        /// A slow line is no fault of the page, which comes back with its link.
        is_late: bool,
    },
    /// Page and server do not speak the same.
    #[error("This page is of another version than the server; reload it.")]
    Version,
    /// As many pages as allowed are open.
    #[error("You have too many pages open; close some.")]
    TooManyLinks,
    /// The page uses the number of a call under way.
    #[error("Two calls of one page have the same number.")]
    CallInUse,
    /// As many calls as allowed are under way.
    #[error("Too many calls are under way; wait for some to end.")]
    TooManyCalls,
    /// The calls under way take more memory than allowed.
    #[error("The calls under way are too large together; wait for some to end.")]
    TooMuchContent,
    /// The questions to models that are held take more memory than allowed.
    #[error("Too many large questions to models are under way; try again in a moment.")]
    TooManyQuestions,
    /// A key of a model server is said to be for somebody else than it can be for there.
    #[error("{0}")]
    KeyOwner(&'static str),
    /// The policy has no such team.
    #[error("There is no such team; it may have been removed meanwhile.")]
    NoSuchTeam,
    /// Nothing is kept of that call.
    #[error("There is no such conversation; it may have been deleted meanwhile.")]
    NoSuchConversation,
    /// The operator wants none, or this machine cannot run them.
    #[error("There are no plugins on this server; who runs it can switch them on with the setting plugins.")]
    PluginsOff,
    /// A model of a plugin is asked outside of the workspace in which its person has it.
    #[error("There is no model {0} here; choose another, or look at your plugins in this workspace.")]
    NoPluginModel(String),
    /// What the policy says of models counts for those of plugins too.
    #[error("You may not ask {0}; an admin decides who may ask which model.")]
    ModelNotAllowed(String),
    /// A model of a plugin is shown a picture.
    #[error("Models of plugins take no pictures; leave them out, or choose another model.")]
    NoPictures,
    /// A plugin that looks at conversations does not let this one pass. The texts are the plugin's.
    #[error("The plugin {plugin} does not let this pass: {why}")]
    HeldBack {
        /// Which.
        plugin: String,
        /// Why.
        why: String,
    },
    /// A plugin that looks at answers could not be given one.
    #[error(
        "The answer is longer than the {limit} bytes that plugins look at; switch off those that do, or ask for less."
    )]
    AnswerTooLong {
        /// Limit, in bytes.
        limit: usize,
    },
    /// As many packages as allowed are on their way.
    #[error("Too many packages of plugins are being sent; try again in a moment.")]
    TooManyPackages,
    /// As many lists of plugins as allowed are followed.
    #[error("{limit} of your pages follow their plugins, the most allowed at once; close one of them.")]
    TooManyPluginLists {
        /// Limit.
        limit: usize,
    },
    /// As many models as allowed are answering.
    #[error("{limit} models are answering you, the most allowed at once; wait for one to end, or stop it.")]
    TooManyChats {
        /// Limit.
        limit: usize,
    },
}

impl Coded for ApiFault {
    fn code(&self) -> &'static str {
        match self {
            Self::NoSuchRoute => "api.no_such_route",
            Self::Method => "api.method",
            Self::TooLarge => "api.too_large",
            Self::Timeout => "api.timeout",
            Self::MediaType => "api.media_type",
            Self::BadRequest(_) => "api.bad_request",
            Self::BadBody(_) => "api.bad_body",
            Self::BadJson => "api.bad_json",
            Self::BadQuery(_) => "api.bad_query",
            Self::GrantType => "api.grant_type",
            Self::BadEtag => "files.bad_etag",
            Self::BadContentRange => "files.bad_content_range",
            Self::Range { .. } => "files.range",
            Self::FileTooLarge { .. } => "files.too_large",
            Self::UnknownHost => "api.unknown_host",
            Self::Internal => "api.internal",
            Self::NotLoggedIn => "auth.not_logged_in",
            Self::OtherSite => "auth.other_site",
            Self::OtherPerson => OTHER_PERSON,
            Self::AcrossRoots => "files.across_roots",
            Self::Draining => "server.draining",
            Self::NotAWebSocket => "link.not_a_websocket",
            Self::NoHello { .. } => "link.no_hello",
            Self::Version => "link.version",
            Self::TooManyLinks => "link.too_many",
            Self::CallInUse => "link.call_in_use",
            Self::TooManyCalls => "link.too_many_calls",
            Self::TooMuchContent => "link.too_much_content",
            Self::TooManyQuestions => "llm.too_many_questions",
            Self::KeyOwner(_) => "llm.key_owner",
            Self::NoSuchTeam => "llm.team_not_found",
            Self::NoSuchConversation => "llm.conversation_not_found",
            Self::PluginsOff => "plugins.off",
            Self::NoPluginModel(_) => "llm.unknown_model",
            Self::ModelNotAllowed(_) => "llm.not_allowed",
            Self::NoPictures => "plugins.no_pictures",
            Self::HeldBack { .. } => "plugins.held_back",
            Self::AnswerTooLong { .. } => "plugins.answer_too_long",
            Self::TooManyPackages => "plugins.busy",
            Self::TooManyPluginLists { .. } => "plugins.too_many_lists",
            Self::TooManyChats { .. } => "llm.too_many_chats",
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NoSuchRoute
            | Self::NoSuchTeam
            | Self::NoSuchConversation
            | Self::PluginsOff
            | Self::NoPluginModel(_) => Kind::NotFound,
            Self::TooLarge | Self::FileTooLarge { .. } | Self::AnswerTooLong { .. } => Kind::TooLarge,
            Self::Range { .. } => Kind::RangeNotSatisfiable,
            Self::Timeout => Kind::Timeout,
            Self::NotLoggedIn | Self::OtherPerson => Kind::Unauthenticated,
            Self::UnknownHost | Self::OtherSite | Self::ModelNotAllowed(_) | Self::HeldBack { .. } => Kind::Forbidden,
            Self::Internal => Kind::Internal,
            Self::Draining | Self::NoHello { is_late: true, .. } => Kind::Unavailable,
            Self::TooManyLinks
            | Self::TooManyCalls
            | Self::TooMuchContent
            | Self::TooManyQuestions
            | Self::TooManyPackages
            | Self::TooManyPluginLists { .. }
            | Self::TooManyChats { .. } => Kind::TooManyRequests,
            Self::Method
            | Self::MediaType
            | Self::BadRequest(_)
            | Self::BadBody(_)
            | Self::BadJson
            | Self::BadQuery(_)
            | Self::GrantType
            | Self::BadEtag
            | Self::BadContentRange
            | Self::AcrossRoots
            | Self::NotAWebSocket
            | Self::NoHello { is_late: false, .. }
            | Self::Version
            | Self::CallInUse
            | Self::NoPictures
            | Self::KeyOwner(_) => Kind::Invalid,
        }
    }
}

/// What any route or call fails with: the error of whichever crate refused.
#[derive(Debug)]
pub struct ApiError(Box<Problem>);

impl ApiError {
    /// A fault of the server that was logged already.
    #[must_use]
    pub fn internal() -> Self {
        Self(Box::new(ApiFault::Internal.problem()))
    }

    /// Nobody wants the outcome any more.
    #[must_use]
    pub fn cancelled() -> Self {
        Self(Box::new(Problem::cancelled()))
    }

    /// A problem that was made before, told as it is.
    #[must_use]
    pub fn told(problem: Problem) -> Self {
        Self(Box::new(problem))
    }

    /// What is told.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.0
    }

    /// The problem.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        *self.0
    }
}

impl<E: Coded> From<E> for ApiError {
    fn from(error: E) -> Self {
        match (error.is_inside(), error.kind()) {
            (false, _) => {}
            (true, Kind::Internal) => tracing::error!(code = error.code(), %error, "internal error"),
            (true, _) => tracing::warn!(code = error.code(), %error, "something that is needed cannot be used"),
        }
        Self(Box::new(error.problem()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Every fault after another; what is added to the enum must be added here to compile.
    fn after(fault: &ApiFault) -> Option<ApiFault> {
        Some(match fault {
            ApiFault::NoSuchRoute => ApiFault::Method,
            ApiFault::Method => ApiFault::TooLarge,
            ApiFault::TooLarge => ApiFault::Timeout,
            ApiFault::Timeout => ApiFault::MediaType,
            ApiFault::MediaType => ApiFault::BadRequest(""),
            ApiFault::BadRequest(_) => ApiFault::BadBody(String::new()),
            ApiFault::BadBody(_) => ApiFault::BadJson,
            ApiFault::BadJson => ApiFault::BadQuery(""),
            ApiFault::BadQuery(_) => ApiFault::GrantType,
            ApiFault::GrantType => ApiFault::BadEtag,
            ApiFault::BadEtag => ApiFault::BadContentRange,
            ApiFault::BadContentRange => ApiFault::Range { size: 1 },
            ApiFault::Range { .. } => ApiFault::FileTooLarge { limit: 1, setting: "" },
            ApiFault::FileTooLarge { .. } => ApiFault::UnknownHost,
            ApiFault::UnknownHost => ApiFault::Internal,
            ApiFault::Internal => ApiFault::NotLoggedIn,
            ApiFault::NotLoggedIn => ApiFault::OtherSite,
            ApiFault::OtherSite => ApiFault::OtherPerson,
            ApiFault::OtherPerson => ApiFault::AcrossRoots,
            ApiFault::AcrossRoots => ApiFault::Draining,
            ApiFault::Draining => ApiFault::NotAWebSocket,
            ApiFault::NotAWebSocket => ApiFault::NoHello { reason: "", is_late: false },
            ApiFault::NoHello { .. } => ApiFault::Version,
            ApiFault::Version => ApiFault::TooManyLinks,
            ApiFault::TooManyLinks => ApiFault::CallInUse,
            ApiFault::CallInUse => ApiFault::TooManyCalls,
            ApiFault::TooManyCalls => ApiFault::TooMuchContent,
            ApiFault::TooMuchContent => ApiFault::TooManyQuestions,
            ApiFault::TooManyQuestions => ApiFault::KeyOwner(""),
            ApiFault::KeyOwner(_) => ApiFault::NoSuchTeam,
            ApiFault::NoSuchTeam => ApiFault::NoSuchConversation,
            ApiFault::NoSuchConversation => ApiFault::PluginsOff,
            ApiFault::PluginsOff => ApiFault::NoPluginModel(String::new()),
            ApiFault::NoPluginModel(_) => ApiFault::ModelNotAllowed(String::new()),
            ApiFault::ModelNotAllowed(_) => ApiFault::NoPictures,
            ApiFault::NoPictures => ApiFault::HeldBack { plugin: String::new(), why: String::new() },
            ApiFault::HeldBack { .. } => ApiFault::AnswerTooLong { limit: 1 },
            ApiFault::AnswerTooLong { .. } => ApiFault::TooManyPackages,
            ApiFault::TooManyPackages => ApiFault::TooManyPluginLists { limit: 1 },
            ApiFault::TooManyPluginLists { .. } => ApiFault::TooManyChats { limit: 1 },
            ApiFault::TooManyChats { .. } => return None,
        })
    }

    #[test]
    fn what_the_store_says_of_itself_is_told_to_nobody() {
        use coditect_auth::AuthError;
        use coditect_store::StoreError;
        use coditect_workspace::WorkspaceError;
        let away = || StoreError::FdbUnreachable { place: "/etc/inside".to_owned() };
        let refused = || StoreError::Unavailable { reason: "/etc/inside".to_owned() };
        let damaged = || StoreError::Corrupt { place: "/etc/inside".to_owned(), detail: "x".to_owned() };
        for error in [away, refused, damaged] as [fn() -> StoreError; 3] {
            let code = error().code();
            let told =
                [ApiError::from(error()), AuthError::Store(error()).into(), WorkspaceError::Store(error()).into()];
            for problem in told.map(ApiError::into_problem) {
                assert_eq!(problem.code, code);
                assert!(!problem.message.contains("inside") && problem.message.contains("log"), "{problem}");
            }
        }
        // What somebody can do something about is told.
        assert!(ApiError::from(StoreError::OutOfSpace).problem().message.contains("disk"));
    }

    #[test]
    fn every_code_means_one_thing() {
        let mut codes = HashSet::new();
        for fault in std::iter::successors(Some(ApiFault::NoSuchRoute), after) {
            assert!(codes.insert(fault.code()), "{} stands for two faults", fault.code());
            let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(fault.code().split_once('.').is_some_and(|(area, what)| plain(area) && plain(what)));
        }
        assert!(codes.contains("llm.too_many_chats"));
    }
}
