//! `/auth/device`: logging in a program without a browser (RFC 8628). Programs may speak JSON or, as the RFC has it, forms; what goes
//! wrong is a problem that also carries the RFC's `error`.

use axum::Json;
use axum::extract::{Form, FromRequest, Path, Request, State};
use axum::response::{IntoResponse, Response};
use coditect_auth::AuthError;
use coditect_protocol::auth::{
    DeviceCode, DeviceCodeRequest, DeviceDecision, DeviceRequest, DeviceTokenRequest, TokenAnswer,
};
use coditect_protocol::{Coded as _, Kind};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::AppState;
use crate::error::{ApiError, ApiFault};
use crate::identity::{Caller, Origin, text};
use crate::problem::{Body, OAuthError, OAuthProblem};
use crate::routes::refusals::{self, Refusals};

/// What a program that asks for tokens must say that it brings.
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

pub(in crate::routes) const CODE: &[Refusals] = &[
    refusals::COUNTED,
    &[(Kind::Invalid, &["auth.bad_client_name"]), (Kind::Unavailable, &["auth.too_many_device_codes"])],
];
pub(in crate::routes) const TOKEN: &[Refusals] = &[
    refusals::COUNTED,
    &[
        (
            Kind::Invalid,
            &[
                "auth.authorization_pending",
                "auth.slow_down",
                "auth.device_expired",
                "auth.device_denied",
                "api.grant_type",
            ],
        ),
        (Kind::Forbidden, &["auth.disabled"]),
        (Kind::NotFound, &["auth.no_such_device_code"]),
    ],
];
pub(in crate::routes) const SHOW: &[Refusals] =
    &[refusals::COUNTED, &[(Kind::NotFound, &["auth.no_such_device_code"])]];

/// The form of RFC 8628 §3.1.
#[derive(Deserialize, ToSchema)]
pub(in crate::routes) struct DeviceCodeForm {
    /// What the program calls itself.
    client_id: Option<String>,
    /// The same, for people; counts before `client_id`.
    client_name: Option<String>,
}

/// The form of RFC 8628 §3.4.
#[derive(Deserialize, ToSchema)]
pub(in crate::routes) struct DeviceTokenForm {
    /// Always `urn:ietf:params:oauth:grant-type:device_code`.
    grant_type: String,
    /// Of the answer to `POST /auth/device/code`.
    device_code: String,
}

impl TryFrom<DeviceCodeForm> for DeviceCodeRequest {
    type Error = ApiFault;
    fn try_from(form: DeviceCodeForm) -> Result<Self, ApiFault> {
        let name = form.client_name.or(form.client_id);
        let client_name = name.ok_or_else(|| ApiFault::BadBody("Give `client_id` or `client_name`.".to_owned()))?;
        Ok(Self { client_name })
    }
}

impl TryFrom<DeviceTokenForm> for DeviceTokenRequest {
    type Error = ApiFault;
    fn try_from(form: DeviceTokenForm) -> Result<Self, ApiFault> {
        if form.grant_type == DEVICE_GRANT {
            return Ok(Self { device_code: form.device_code });
        }
        Err(ApiFault::GrantType)
    }
}

/// A body in JSON, or as a form that stands for the same.
pub(in crate::routes) struct JsonOrForm<J, F>(J, std::marker::PhantomData<F>);

impl<S, J, F> FromRequest<S> for JsonOrForm<J, F>
where
    S: Send + Sync,
    J: DeserializeOwned + TryFrom<F, Error = ApiFault>,
    F: DeserializeOwned,
{
    type Rejection = OAuthRefusal;
    async fn from_request(request: Request, state: &S) -> Result<Self, OAuthRefusal> {
        let kind = text(request.headers(), header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let is_form = kind.split(';').next().is_some_and(|kind| kind.trim() == "application/x-www-form-urlencoded");
        let value = if is_form {
            let Form(form) =
                Form::<F>::from_request(request, state).await.map_err(|rejection| match rejection.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => ApiError::from(ApiFault::TooLarge),
                    _ => ApiFault::BadBody(rejection.body_text()).into(),
                })?;
            form.try_into().map_err(ApiError::from)?
        } else {
            Body::<J>::from_request(request, state).await?.0
        };
        Ok(Self(value, std::marker::PhantomData))
    }
}

/// A refusal that also says it in the words of OAuth.
pub(in crate::routes) struct OAuthRefusal(ApiError);

impl From<ApiError> for OAuthRefusal {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<AuthError> for OAuthRefusal {
    fn from(error: AuthError) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for OAuthRefusal {
    fn into_response(self) -> Response {
        let problem = self.0.problem();
        let error = match problem.code.as_str() {
            "auth.authorization_pending" => "authorization_pending",
            "auth.slow_down" => "slow_down",
            "auth.device_expired" => "expired_token",
            "auth.device_denied" | "auth.disabled" => "access_denied",
            "auth.no_such_device_code" => "invalid_grant",
            code if code == ApiFault::GrantType.code() => "unsupported_grant_type",
            _ if problem.kind == Kind::TooManyRequests => "slow_down",
            _ if problem.kind.status() >= 500 => "temporarily_unavailable",
            _ => "invalid_request",
        };
        let mut response = self.0.into_response();
        response.extensions_mut().insert(OAuthError(error));
        response
    }
}

/// Begins the login of a program, which shows the code to the person.
#[utoipa::path(post, path = "/auth/device/code", operation_id = "device_code", tag = "device login",
    request_body(content((DeviceCodeRequest = "application/json"), (DeviceCodeForm = "application/x-www-form-urlencoded"))),
    responses((status = 200, body = DeviceCode)))]
pub(in crate::routes) async fn code(
    State(state): State<AppState>,
    origin: Origin,
    headers: HeaderMap,
    JsonOrForm(asked, _): JsonOrForm<DeviceCodeRequest, DeviceCodeForm>,
) -> Result<Json<DeviceCode>, OAuthRefusal> {
    let base = base_url(&state, &headers, origin.secure);
    Ok(Json(state.auth.begin_device_login(&asked, &origin.device, &base).await?))
}

/// Asks whether the person has let the program in.
#[utoipa::path(post, path = "/auth/device/token", operation_id = "device_token", tag = "device login",
    request_body(content((DeviceTokenRequest = "application/json"), (DeviceTokenForm = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, body = TokenAnswer),
        (status = 400, body = OAuthProblem, description = "`auth.authorization_pending`, `auth.slow_down`, \
            `auth.device_expired`, `auth.device_denied`, `api.grant_type`, `api.bad_body`, `api.bad_json`, `api.media_type`, \
            `api.bad_request`"),
    ))]
pub(in crate::routes) async fn token(
    State(state): State<AppState>,
    origin: Origin,
    JsonOrForm(asked, _): JsonOrForm<DeviceTokenRequest, DeviceTokenForm>,
) -> Result<Json<TokenAnswer>, OAuthRefusal> {
    // No cookies: whoever polls is a program, and a browser must not be logged in by it.
    Ok(Json(state.auth.poll_device_login(&asked.device_code, &origin.device).await?.into()))
}

/// Which program asks to be let in.
#[utoipa::path(get, path = "/auth/device/{user_code}", operation_id = "device_request", tag = "device login",
    params(("user_code" = String, Path, description = "As the program shows it.")),
    responses((status = 200, body = DeviceRequest)))]
pub(in crate::routes) async fn show(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Path(user_code): Path<String>,
) -> Result<Json<DeviceRequest>, ApiError> {
    Ok(Json(state.auth.device_request(&identity, &user_code).await?))
}

/// Lets the program in, as the person who asks, or refuses it.
#[utoipa::path(post, path = "/auth/device/{user_code}", operation_id = "decide_device_login", tag = "device login",
    params(("user_code" = String, Path, description = "As the program shows it.")), request_body = DeviceDecision,
    responses((status = 204, description = "Decided.")))]
pub(in crate::routes) async fn decide(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Path(user_code): Path<String>,
    Body(decision): Body<DeviceDecision>,
) -> Result<StatusCode, ApiError> {
    state.auth.decide_device_login(&identity, &user_code, decision.approve, &origin.device).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where this request reached the server, for where no setting says how people reach it.
fn base_url(state: &AppState, headers: &HeaderMap, secure: bool) -> String {
    let scheme = if secure { "https" } else { "http" };
    let host = text(headers, header::HOST.as_str()).map_or_else(|| state.settings.listen.to_string(), str::to_owned);
    format!("{scheme}://{host}")
}
