//! How routes are added: each with who may call it and what it may refuse. The description of the API (OpenAPI) is made of the same
//! words, so that it cannot say anything else than what is done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use coditect_protocol::{Kind, Problem};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Components, ContentBuilder, HeaderBuilder, Object, OpenApi, PathItem, Ref, RefOr, Response, ResponseBuilder,
    Schema, Type,
};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::access::{Access, Rule, guard};
use super::refusals::{self, Refusals};
use crate::{AppState, doors};

/// Name of the scheme of bearer tokens in the description.
const BEARER: &str = "bearer";
/// Name of the scheme of the browser's cookie.
const COOKIE: &str = "cookie";
/// Name of the scheme of the header that goes with the cookie.
const CSRF: &str = "csrf";

/// Routes and their description.
pub(crate) struct Routes {
    state: AppState,
    router: OpenApiRouter<AppState>,
}

impl Routes {
    pub(crate) fn new(state: &AppState) -> Self {
        Self { state: state.clone(), router: OpenApiRouter::new() }
    }

    /// Adds one route.
    pub(crate) fn add(
        mut self,
        access: Access,
        own: &[Refusals],
        (schemas, mut paths, methods): UtoipaMethodRouter<AppState>,
    ) -> Self {
        let mut described = BTreeMap::new();
        for item in paths.paths.values_mut() {
            for (changes, operation) in operations(item) {
                let refusals = all_refusals(access, own, changes, operation.request_body.is_some());
                describe(operation, access, changes, &refusals);
                let statuses = operation.responses.responses.keys().filter_map(|status| status.parse().ok());
                described.extend(statuses.map(|status: u16| (status, BTreeSet::new())));
                described.extend(refusals);
            }
        }
        let rule = Arc::new(Rule { access, described });
        let guarded = methods.route_layer(from_fn_with_state((self.state.clone(), rule), guard));
        self.router = self.router.routes((schemas, paths, guarded));
        self
    }

    /// All of them together.
    pub(super) fn merge(all: impl IntoIterator<Item = Self>) -> OpenApiRouter<AppState> {
        all.into_iter().fold(OpenApiRouter::new(), |merged, routes| merged.merge(routes.router))
    }

    pub(crate) fn into_router(self) -> OpenApiRouter<AppState> {
        self.router
    }
}

/// The routes, and the whole description.
pub(super) fn split(routes: OpenApiRouter<AppState>, others: OpenApi) -> (Router<AppState>, OpenApi) {
    let (router, paths) = routes.split_for_parts();
    let mut document = <Described as utoipa::OpenApi>::openapi();
    document.merge(paths);
    document.merge(others);
    // The description knows no parameter that may hold slashes; they are sent encoded.
    document.paths.paths =
        document.paths.paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    secure(document.components.get_or_insert_default());
    (router, document)
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Coditect",
        description = "The API of a Coditect server. Everything that goes wrong is told as a `Problem`, whose `code` never changes \
                       its meaning. Programs send `Authorization: Bearer` with the access token of a login or with a personal access \
                       token; browsers send cookies, and with whatever changes something the header `X-Coditect-CSRF`. Files, \
                       terminals and conversations with models also go over the WebSocket at `/api/v5/ws`."
    ),
    components(schemas(Problem, Kind)),
    tags(
        (name = "auth", description = "Registering, logging in, and what a person may do about their own account"),
        (name = "tokens", description = "Personal access tokens"),
        (name = "second factor", description = "Codes of an authenticator, and recovery codes"),
        (name = "device login", description = "Logging in a program without a browser (RFC 8628)"),
        (name = "admin", description = "What an admin may do about people and invitations"),
        (name = "workspaces", description = "Workspaces of a person"),
        (name = "files", description = "Files of a workspace, as resources"),
        (name = "git", description = "A person's logins at the sites that repositories are fetched from and pushed to"),
        (name = "llm", description = "Language models"),
        (name = "plugins", description = "Plugins: the registry, and what people have of it"),
        (name = "gateway", description = "Language models, in the dialects of OpenAI, Anthropic and Gemini"),
        (name = "server", description = "The server itself"),
    )
)]
struct Described;

fn secure(components: &mut Components) {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The access token of a login, or a personal access token. Where a scope is named, a personal access token needs it."))
        .build();
    let cookie = ApiKeyValue::with_description(
        coditect_protocol::auth::ACCESS_COOKIE,
        "Set by a login; over TLS its name begins with `__Host-`.",
    );
    let csrf = ApiKeyValue::with_description(
        coditect_protocol::auth::CSRF_HEADER,
        "The value of the cookie `coditect_csrf`, with every request of a browser that changes something.",
    );
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    components.add_security_scheme(COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    components.add_security_scheme(CSRF, SecurityScheme::ApiKey(ApiKey::Header(csrf)));
}

/// Whether each changes something, and what is said of it.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let changing = [&mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
    let changing = changing.into_iter().filter_map(|operation| Some((true, operation.as_mut()?)));
    item.get.as_mut().map(|operation| (false, operation)).into_iter().chain(changing)
}

/// Every refusal of a route: its own, and those of the checks before it.
fn all_refusals(
    access: Access,
    own: &[Refusals],
    changes: bool,
    has_body: bool,
) -> BTreeMap<u16, BTreeSet<&'static str>> {
    let identified = !matches!(access, Access::Everybody | Access::OwnSite);
    let by_access = match access {
        Access::Everybody | Access::AnyCredential => None,
        Access::OwnSite => Some(refusals::OTHER_SITE),
        Access::Login => Some(refusals::NEEDS_LOGIN),
        Access::Scoped(_) => Some(refusals::SCOPE),
        Access::Door => Some(refusals::DOOR),
        Access::Admin | Access::Metrics => Some(refusals::NOT_ADMIN),
        Access::AdminLogin => Some(refusals::NO_ADMIN_LOGIN),
    };
    let lists = [
        Some(refusals::ANYWHERE),
        by_access,
        identified.then_some(refusals::UNKNOWN_CALLER),
        (identified && changes && access != Access::Door).then_some(refusals::CSRF),
        has_body.then_some(refusals::BODY),
    ];
    let mut all = BTreeMap::<u16, BTreeSet<&'static str>>::new();
    for (kind, codes) in lists.into_iter().flatten().chain(own.iter().copied()).flatten() {
        all.entry(kind.status()).or_default().extend(*codes);
    }
    all
}

fn describe(
    operation: &mut Operation,
    access: Access,
    changes: bool,
    refusals: &BTreeMap<u16, BTreeSet<&'static str>>,
) {
    for (status, codes) in refusals {
        // A route that says more of a status than that it is a problem has the word.
        let told = || if access == Access::Door { in_dialect(codes) } else { problem(codes) };
        operation.responses.responses.entry(status.to_string()).or_insert_with(|| RefOr::T(told()));
    }
    operation.security = Some(security(access, changes));
    let who = match access {
        Access::Everybody | Access::OwnSite => "Open to everybody.".to_owned(),
        Access::Login => "Needs a login; personal access tokens are refused.".to_owned(),
        Access::Scoped(scope) => {
            format!("Needs a login, or a personal access token with the scope `{}`.", scope.name())
        }
        Access::Door => "Needs a personal access token with the scope `llm`, or a login's access token, in the header of the \
                         dialect: `Authorization: Bearer`, `x-api-key`, `x-goog-api-key`. Refusals are told as the dialect tells \
                         them, their code in `x-coditect-code`."
            .to_owned(),
        Access::Admin => "Needs an admin: a login, or a personal access token with the scope `admin`.".to_owned(),
        Access::AdminLogin => "Needs an admin's login; personal access tokens are refused.".to_owned(),
        Access::Metrics => "Needs an admin: a login, or a personal access token with the scope `metrics`.".to_owned(),
        Access::AnyCredential => {
            "Needs a login or a personal access token; each call demands its own scope.".to_owned()
        }
    };
    let text = operation.description.take().or_else(|| operation.summary.clone()).unwrap_or_default();
    operation.description = Some(format!("{text}\n\n{who}").trim_start().to_owned());
}

fn problem(codes: &BTreeSet<&'static str>) -> Response {
    refusal(codes, Ref::from_schema_name("Problem"))
}

/// A refusal at a door: what it looks like is the dialect's business.
fn in_dialect(codes: &BTreeSet<&'static str>) -> Response {
    let code =
        HeaderBuilder::new().schema(Some(Object::with_type(Type::String))).description(Some("The code.")).build();
    let mut told = refusal(codes, Object::with_type(Type::Object));
    told.headers.insert(doors::CODE.to_string(), RefOr::T(code));
    told
}

fn refusal(codes: &BTreeSet<&'static str>, schema: impl Into<RefOr<Schema>>) -> Response {
    let codes: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
    ResponseBuilder::new()
        .description(codes.join(", "))
        .content("application/json", ContentBuilder::new().schema(Some(schema)).build())
        .build()
}

fn security(access: Access, changes: bool) -> Vec<SecurityRequirement> {
    const NO_SCOPES: [&str; 0] = [];
    let scopes: &[&str] = match access {
        Access::Everybody | Access::OwnSite => return vec![SecurityRequirement::default()],
        Access::Scoped(scope) => &[scope.name()],
        Access::Door => return vec![SecurityRequirement::new(BEARER, ["llm"])],
        Access::Admin => &["admin"],
        Access::Metrics => &["metrics"],
        Access::Login | Access::AdminLogin | Access::AnyCredential => &[],
    };
    let cookie = SecurityRequirement::new(COOKIE, NO_SCOPES);
    let cookie = if changes { cookie.add::<_, _, &str>(CSRF, NO_SCOPES) } else { cookie };
    vec![SecurityRequirement::new(BEARER, scopes.iter().copied()), cookie]
}
