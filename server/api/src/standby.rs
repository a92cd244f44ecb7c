//! What the server answers before its store can be reached, and the switch to everything else.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use coditect_protocol::health::{Health, HealthStatus, StoreHealth};
use coditect_protocol::{API_PREFIX, Kind, Problem};
use coditect_store::Store;
use http::{HeaderValue, StatusCode, header};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::error::{ApiError, ServerError};
use crate::features::Opening;
use crate::settings::Settings;
use crate::state::AppState;
use crate::{doors, layers, routes, static_files};

/// When to ask again, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");
/// What whoever asks is told meanwhile.
const AWAY: &str = "The server cannot reach its store; everything works again once it can. Try again in a moment.";

/// Leads requests to the routes, or to what answers for them until they are there. A clone is the same.
#[derive(Clone)]
pub(crate) struct Switch {
    waiting: Arc<Waiting>,
    standby: Router,
    turned: Arc<OnceLock<(AppState, Router)>>,
}

/// A server whose store cannot be reached.
struct Waiting {
    settings: Arc<Settings>,
    started: Instant,
    draining: CancellationToken,
    warnings: Vec<String>,
    problem: Mutex<Problem>,
}

impl Switch {
    pub(crate) fn new(opening: &Opening) -> Result<Self, ServerError> {
        let settings = &opening.settings;
        let waiting = Arc::new(Waiting {
            settings: settings.clone(),
            started: opening.started,
            draining: opening.draining.clone(),
            warnings: opening.warnings.clone(),
            problem: Mutex::new(Problem::new(Kind::Unavailable, "store.unavailable", AWAY)),
        });
        let routes = Router::new()
            .route("/health", get(health))
            .route(&format!("{API_PREFIX}/health"), get(health))
            .route(&format!("{API_PREFIX}/{{*path}}"), any(refuse))
            .route("/.well-known/{*path}", any(refuse))
            .merge(static_files::routes(&settings.web_dir, &settings.theia_dir))
            .with_state(waiting.clone());
        Ok(Self { waiting, standby: layers::around(routes, settings, &opening.denials)?, turned: Arc::default() })
    }

    /// From here on, everything works.
    pub(crate) fn turn(&self, state: AppState) -> Result<(), ServerError> {
        let settings = &state.settings;
        let (all, doors) = routes::all(&state).map_err(|error| ServerError::Serve(error.into()))?;
        let all = all.merge(static_files::routes(&settings.web_dir, &settings.theia_dir));
        let router = layers::around(all.with_state(state.clone()), settings, &state.denials)?;
        let router = router.merge(doors::around(doors.with_state(state.clone()), settings, &state.denials));
        // Nobody turns it twice.
        let _ = self.turned.set((state, router));
        Ok(())
    }

    /// Tells requests that they have to wait. What the operator was told of it is not for them.
    pub(crate) fn waits_because_of(&self, problem: Problem) {
        let problem = Problem { message: AWAY.to_owned(), ..problem };
        *self.waiting.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    pub(crate) fn state(&self) -> Option<&AppState> {
        self.turned.get().map(|(state, _)| state)
    }

    /// The one router that is served.
    pub(crate) fn router(&self) -> Router {
        let switch = self.clone();
        Router::new().fallback(move |request: Request| {
            let router = switch.turned.get().map_or(&switch.standby, |(_, router)| router).clone();
            router.oneshot(request)
        })
    }
}

impl Waiting {
    fn problem(&self) -> Problem {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn health(State(waiting): State<Arc<Waiting>>) -> (StatusCode, Json<Health>) {
    let is_draining = waiting.draining.is_cancelled();
    let backend = Store::backend_of(&waiting.settings.store_url()).unwrap_or_default().to_owned();
    let health = Health {
        status: if is_draining { HealthStatus::Draining } else { HealthStatus::Degraded },
        version: env!("CARGO_PKG_VERSION").to_owned(),
        store: StoreHealth { backend, ok: false, code: Some(waiting.problem().code) },
        uptime_seconds: waiting.started.elapsed().as_secs(),
        warnings: waiting.warnings.clone(),
    };
    (if is_draining { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }, Json(health))
}

async fn refuse(State(waiting): State<Arc<Waiting>>) -> Response {
    let mut response = ApiError::told(waiting.problem()).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    response
}
