//! Accounts: logging in, the password, the second factor, logins, tokens, language models, and what an admin does about people and
//! models.

use coditect_protocol::auth::{
    Credentials, DeviceDecision, NewInvite, NewToken, PasswordChange, PasswordForgotten, PasswordReset, PersonChange,
    Reauthentication, Registration, SecondFactorAnswer, SecondFactorChallenge, SessionInfo, TotpCode,
};
use coditect_protocol::llm::{HistorySettings, NewModelKey, PolicyInForce, Step, UsageBy};
use gloo_net::http::Method;
use js_sys::Promise;
use serde::{Deserialize, Serialize};
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;

use crate::paths::percent_encode;
use crate::{Shell, to_js};

/// How a login goes on once its password was right.
#[derive(Serialize, Deserialize, Tsify)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LoginStep {
    /// The person is in.
    Done {
        /// Who.
        session: SessionInfo,
    },
    /// The account has a second factor, with which `answerSecondFactor` goes on.
    SecondFactor {
        /// What it asks.
        challenge: SecondFactorChallenge,
    },
}

/// Logging in and out.
#[wasm_bindgen]
impl Shell {
    /// Registers a person and logs them in.
    #[wasm_bindgen(unchecked_return_type = "Promise<SessionInfo>")]
    pub fn register(&self, registration: Ts<Registration>) -> Promise {
        self.run(|core| async move { to_js(&core.rest.register(registration.into()).await?) })
    }

    /// Logs a person in, or tells that a second factor is wanted.
    #[wasm_bindgen(unchecked_return_type = "Promise<LoginStep>")]
    pub fn login(&self, credentials: Ts<Credentials>) -> Promise {
        self.run(|core| async move { to_js(&core.rest.login(credentials.into()).await?) })
    }

    /// Ends a login with its second factor.
    #[wasm_bindgen(js_name = answerSecondFactor, unchecked_return_type = "Promise<SessionInfo>")]
    pub fn answer_second_factor(&self, answer: Ts<SecondFactorAnswer>) -> Promise {
        self.run(|core| async move { to_js(&core.rest.answer_second_factor(answer.into()).await?) })
    }

    /// Ends the login and the link.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn logout(&self) -> Promise {
        self.run(|core| async move {
            core.rest.logout().await?;
            core.disconnect();
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Who is logged in; rejects with kind `unauthenticated` when nobody is.
    #[wasm_bindgen(unchecked_return_type = "Promise<SessionInfo>")]
    pub fn session(&self) -> Promise {
        self.run(|core| async move { to_js(&core.rest.session().await?) })
    }

    /// What a page must know before anybody is logged in.
    #[wasm_bindgen(js_name = authConfig, unchecked_return_type = "Promise<AuthConfig>")]
    pub fn auth_config(&self) -> Promise {
        self.pass_openly(Method::GET, "auth/config", JsValue::UNDEFINED)
    }

    /// Asks for a mail with a code; resolves the same whether there is such an account or not.
    #[wasm_bindgen(js_name = forgotPassword, unchecked_return_type = "Promise<void>")]
    pub fn forgot_password(&self, forgotten: Ts<PasswordForgotten>) -> Promise {
        self.pass_openly(Method::POST, "auth/password/forgot", forgotten.into())
    }

    /// Sets a password with a code from a mail or an admin; ends every login of the person and revokes their access tokens.
    #[wasm_bindgen(js_name = resetPassword, unchecked_return_type = "Promise<void>")]
    pub fn reset_password(&self, reset: Ts<PasswordReset>) -> Promise {
        self.pass_openly(Method::POST, "auth/password/reset", reset.into())
    }
}

/// The person's own account.
#[wasm_bindgen]
impl Shell {
    /// Sets another password; ends every other login of the person, and gives this one new tokens.
    #[wasm_bindgen(js_name = changePassword, unchecked_return_type = "Promise<SessionInfo>")]
    pub fn change_password(&self, change: Ts<PasswordChange>) -> Promise {
        self.run(|core| async move { to_js(&core.rest.change_password(change.into()).await?) })
    }

    /// The person's logins.
    #[wasm_bindgen(js_name = listSessions, unchecked_return_type = "Promise<SessionEntry[]>")]
    pub fn list_sessions(&self) -> Promise {
        self.pass(Method::GET, "auth/sessions", JsValue::UNDEFINED)
    }

    /// Ends one of them.
    #[wasm_bindgen(js_name = endSession, unchecked_return_type = "Promise<void>")]
    pub fn end_session(&self, id: &str) -> Promise {
        self.pass(Method::DELETE, &below("auth/sessions", id, ""), JsValue::UNDEFINED)
    }

    /// Ends all of them but this one.
    #[wasm_bindgen(js_name = endOtherSessions, unchecked_return_type = "Promise<Ended>")]
    pub fn end_other_sessions(&self) -> Promise {
        self.pass(Method::DELETE, "auth/sessions", JsValue::UNDEFINED)
    }

    /// The person's access tokens.
    #[wasm_bindgen(js_name = listTokens, unchecked_return_type = "Promise<TokenEntry[]>")]
    pub fn list_tokens(&self) -> Promise {
        self.pass(Method::GET, "auth/tokens", JsValue::UNDEFINED)
    }

    /// Makes an access token; it is told only here.
    #[wasm_bindgen(js_name = makeToken, unchecked_return_type = "Promise<TokenMade>")]
    pub fn make_token(&self, token: Ts<NewToken>) -> Promise {
        self.pass(Method::POST, "auth/tokens", token.into())
    }

    /// Revokes an access token.
    #[wasm_bindgen(js_name = revokeToken, unchecked_return_type = "Promise<void>")]
    pub fn revoke_token(&self, id: &str) -> Promise {
        self.pass(Method::DELETE, &below("auth/tokens", id, ""), JsValue::UNDEFINED)
    }

    /// Whether logins ask for a second factor.
    #[wasm_bindgen(js_name = secondFactor, unchecked_return_type = "Promise<SecondFactorStatus>")]
    pub fn second_factor(&self) -> Promise {
        self.pass(Method::GET, "auth/second-factor", JsValue::UNDEFINED)
    }

    /// Begins the set-up of an authenticator.
    #[wasm_bindgen(js_name = beginTotp, unchecked_return_type = "Promise<TotpSetup>")]
    pub fn begin_totp(&self, who: Ts<Reauthentication>) -> Promise {
        self.pass(Method::POST, "auth/second-factor/totp", who.into())
    }

    /// Ends the set-up with a code of the authenticator; the recovery codes are told only here.
    #[wasm_bindgen(js_name = confirmTotp, unchecked_return_type = "Promise<RecoveryCodes>")]
    pub fn confirm_totp(&self, code: Ts<TotpCode>) -> Promise {
        self.pass(Method::POST, "auth/second-factor/totp/confirm", code.into())
    }

    /// Makes new recovery codes; those until now count no more.
    #[wasm_bindgen(js_name = renewRecoveryCodes, unchecked_return_type = "Promise<RecoveryCodes>")]
    pub fn renew_recovery_codes(&self, who: Ts<Reauthentication>) -> Promise {
        self.pass(Method::POST, "auth/second-factor/recovery-codes", who.into())
    }

    /// Takes the second factor away.
    #[wasm_bindgen(js_name = disableSecondFactor, unchecked_return_type = "Promise<void>")]
    pub fn disable_second_factor(&self, who: Ts<Reauthentication>) -> Promise {
        self.pass(Method::POST, "auth/second-factor/disable", who.into())
    }

    /// Which program asks to be let in, by the code that it shows.
    #[wasm_bindgen(js_name = deviceRequest, unchecked_return_type = "Promise<DeviceRequest>")]
    pub fn device_request(&self, user_code: &str) -> Promise {
        self.pass(Method::GET, &below("auth/device", user_code, ""), JsValue::UNDEFINED)
    }

    /// Lets it in, or not.
    #[wasm_bindgen(js_name = decideDevice, unchecked_return_type = "Promise<void>")]
    pub fn decide_device(&self, user_code: &str, decision: Ts<DeviceDecision>) -> Promise {
        self.pass(Method::POST, &below("auth/device", user_code, ""), decision.into())
    }
}

/// What an admin does.
#[wasm_bindgen]
impl Shell {
    /// People in the order in which they registered, from the one after `after` on.
    #[wasm_bindgen(js_name = listPeople, unchecked_return_type = "Promise<People>")]
    pub fn list_people(&self, after: Option<String>) -> Promise {
        let query = after.map(|after| ["?after=", &percent_encode(&after)].concat()).unwrap_or_default();
        self.pass(Method::GET, &["admin/people", &query].concat(), JsValue::UNDEFINED)
    }

    /// Gives a person another role, keeps them out or lets them in again.
    #[wasm_bindgen(js_name = changePerson, unchecked_return_type = "Promise<PersonEntry>")]
    pub fn change_person(&self, id: &str, change: Ts<PersonChange>) -> Promise {
        self.pass(Method::PATCH, &below("admin/people", id, ""), change.into())
    }

    /// Makes a code with which the person can set a password; it is told only here.
    #[wasm_bindgen(js_name = issueResetCode, unchecked_return_type = "Promise<ResetCode>")]
    pub fn issue_reset_code(&self, id: &str) -> Promise {
        self.pass(Method::POST, &below("admin/people", id, "/reset-code"), JsValue::UNDEFINED)
    }

    /// Takes a person's second factor away.
    #[wasm_bindgen(js_name = removeSecondFactor, unchecked_return_type = "Promise<void>")]
    pub fn remove_second_factor(&self, id: &str) -> Promise {
        self.pass(Method::DELETE, &below("admin/people", id, "/second-factor"), JsValue::UNDEFINED)
    }

    /// Ends all logins of a person.
    #[wasm_bindgen(js_name = endSessionsOf, unchecked_return_type = "Promise<Ended>")]
    pub fn end_sessions_of(&self, id: &str) -> Promise {
        self.pass(Method::DELETE, &below("admin/people", id, "/sessions"), JsValue::UNDEFINED)
    }

    /// Invitations that are open.
    #[wasm_bindgen(js_name = listInvites, unchecked_return_type = "Promise<InviteEntry[]>")]
    pub fn list_invites(&self) -> Promise {
        self.pass(Method::GET, "admin/invites", JsValue::UNDEFINED)
    }

    /// Makes an invitation; its code is told only here.
    #[wasm_bindgen(js_name = makeInvite, unchecked_return_type = "Promise<InviteMade>")]
    pub fn make_invite(&self, invite: Ts<NewInvite>) -> Promise {
        self.pass(Method::POST, "admin/invites", invite.into())
    }

    /// Takes an invitation back.
    #[wasm_bindgen(js_name = revokeInvite, unchecked_return_type = "Promise<void>")]
    pub fn revoke_invite(&self, id: &str) -> Promise {
        self.pass(Method::DELETE, &below("admin/invites", id, ""), JsValue::UNDEFINED)
    }

    /// Signs access tokens with a new key from now on.
    #[wasm_bindgen(js_name = rotateKeys, unchecked_return_type = "Promise<void>")]
    pub fn rotate_keys(&self) -> Promise {
        self.pass(Method::POST, "admin/keys/rotate", JsValue::UNDEFINED)
    }
}

/// Language models: who may ask which, for how much, and who did. Where `everybodys` is set it is about all people, which only admins may
/// ask.
#[wasm_bindgen]
impl Shell {
    /// What the person may ask, and what is left of their budgets.
    #[wasm_bindgen(js_name = myModels, unchecked_return_type = "Promise<MyModels>")]
    pub fn my_models(&self) -> Promise {
        self.pass(Method::GET, "llm/me", JsValue::UNDEFINED)
    }

    /// The models that the model servers have.
    #[wasm_bindgen(js_name = modelsThereAre, unchecked_return_type = "Promise<ModelList>")]
    pub fn models_there_are(&self) -> Promise {
        self.pass(Method::GET, "llm/models", JsValue::UNDEFINED)
    }

    /// Keys of model servers, without the keys themselves.
    #[wasm_bindgen(js_name = listModelKeys, unchecked_return_type = "Promise<KeyList>")]
    pub fn list_model_keys(&self, everybodys: bool) -> Promise {
        self.pass(Method::GET, &llm(everybodys, "keys"), JsValue::UNDEFINED)
    }

    /// Keeps a key of a model server.
    #[wasm_bindgen(js_name = addModelKey, unchecked_return_type = "Promise<ModelKey>")]
    pub fn add_model_key(&self, everybodys: bool, key: Ts<NewModelKey>) -> Promise {
        self.pass(Method::POST, &llm(everybodys, "keys"), key.into())
    }

    /// Forgets a key of a model server.
    #[wasm_bindgen(js_name = removeModelKey, unchecked_return_type = "Promise<void>")]
    pub fn remove_model_key(&self, everybodys: bool, id: &str) -> Promise {
        self.pass(Method::DELETE, &below(&llm(everybodys, "keys"), id, ""), JsValue::UNDEFINED)
    }

    /// Sums over calls, of everybody or one person. Times are in milliseconds since 1970, `to` is the first no longer.
    #[wasm_bindgen(js_name = modelUsage, unchecked_return_type = "Promise<UsageReport>")]
    pub fn model_usage(
        &self,
        everybodys: bool,
        from: f64,
        to: f64,
        step: Ts<Step>,
        by: Ts<UsageBy>,
        user: Option<String>,
    ) -> Promise {
        let (step, by) = (word(&step.into()), word(&by.into()));
        let asked = format!("usage?from={from:.0}&to={to:.0}&step={step}&by={by}{}", also("user", user));
        self.pass(Method::GET, &llm(everybodys, &asked), JsValue::UNDEFINED)
    }

    /// Calls, the latest first, from the page that `cursor` names on.
    #[wasm_bindgen(js_name = modelCalls, unchecked_return_type = "Promise<CallPage>")]
    pub fn model_calls(
        &self,
        everybodys: bool,
        from: f64,
        to: f64,
        cursor: Option<String>,
        user: Option<String>,
    ) -> Promise {
        let asked = format!("calls?from={from:.0}&to={to:.0}{}{}", also("cursor", cursor), also("user", user));
        self.pass(Method::GET, &llm(everybodys, &asked), JsValue::UNDEFINED)
    }

    /// Whether what the person asks and is answered is kept.
    #[wasm_bindgen(js_name = historySettings, unchecked_return_type = "Promise<HistoryTerms>")]
    pub fn history_settings(&self) -> Promise {
        self.pass(Method::GET, "llm/history/settings", JsValue::UNDEFINED)
    }

    /// Keeps it from now on, or deletes what was kept and keeps nothing.
    #[wasm_bindgen(js_name = changeHistorySettings, unchecked_return_type = "Promise<HistoryTerms>")]
    pub fn change_history_settings(&self, settings: Ts<HistorySettings>) -> Promise {
        self.pass(Method::PUT, "llm/history/settings", settings.into())
    }

    /// Conversations that are kept, the latest first, from the page that `cursor` names on.
    #[wasm_bindgen(js_name = listHistory, unchecked_return_type = "Promise<HistoryPage>")]
    pub fn list_history(&self, cursor: Option<String>) -> Promise {
        let asked = also("cursor", cursor).replacen('&', "?", 1);
        self.pass(Method::GET, &llm(false, &["history", &asked].concat()), JsValue::UNDEFINED)
    }

    /// One of them, with what was said.
    #[wasm_bindgen(js_name = showHistory, unchecked_return_type = "Promise<HistoryItem>")]
    pub fn show_history(&self, id: &str) -> Promise {
        self.pass(Method::GET, &below("llm/history", id, ""), JsValue::UNDEFINED)
    }

    /// Deletes one of them.
    #[wasm_bindgen(js_name = deleteHistory, unchecked_return_type = "Promise<void>")]
    pub fn delete_history(&self, id: &str) -> Promise {
        self.pass(Method::DELETE, &below("llm/history", id, ""), JsValue::UNDEFINED)
    }

    /// Deletes all of them.
    #[wasm_bindgen(js_name = clearHistory, unchecked_return_type = "Promise<void>")]
    pub fn clear_history(&self) -> Promise {
        self.pass(Method::DELETE, "llm/history", JsValue::UNDEFINED)
    }

    /// What admins say about models.
    #[wasm_bindgen(js_name = modelPolicy, unchecked_return_type = "Promise<PolicyInForce>")]
    pub fn model_policy(&self) -> Promise {
        self.pass(Method::GET, "admin/llm/policy", JsValue::UNDEFINED)
    }

    /// Replaces it; rejects with `llm.policy_changed` where it is no longer of the version that was seen.
    #[wasm_bindgen(js_name = changeModelPolicy, unchecked_return_type = "Promise<PolicyInForce>")]
    pub fn change_model_policy(&self, policy: Ts<PolicyInForce>) -> Promise {
        self.pass(Method::PUT, "admin/llm/policy", policy.into())
    }
}

impl Shell {
    /// One path for all of these routes: each costs the module only its name.
    pub(crate) fn pass(&self, method: Method, route: &str, body: JsValue) -> Promise {
        let route = route.to_owned();
        self.run(|core| async move { core.rest.pass(&method, &route, &body).await })
    }

    fn pass_openly(&self, method: Method, route: &str, body: JsValue) -> Promise {
        let route = route.to_owned();
        self.run(|core| async move { core.rest.pass_openly(&method, &route, &body).await })
    }
}

/// The route of one thing of a collection; its id may be anything that somebody typed.
fn below(collection: &str, id: &str, part: &str) -> String {
    [collection, "/", &percent_encode(id), part].concat()
}

/// A route about the person's own use of models, or everybody's.
fn llm(everybodys: bool, route: &str) -> String {
    [if everybodys { "admin/llm/" } else { "llm/" }, route].concat()
}

/// A further part of a query, where it is said.
fn also(name: &str, value: Option<String>) -> String {
    value.map(|value| ["&", name, "=", &percent_encode(&value)].concat()).unwrap_or_default()
}

/// A word that JavaScript gave; the server refuses those that it does not know.
fn word(given: &JsValue) -> String {
    percent_encode(&given.as_string().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{also, below, llm};

    #[test]
    fn what_was_typed_stays_one_segment() {
        assert_eq!(below("auth/device", "ABCD-EFGH", ""), "auth/device/ABCD-EFGH");
        assert_eq!(below("admin/people", "../x?y", "/sessions"), "admin/people/..%2Fx%3Fy/sessions");
        assert_eq!(below(&llm(true, "keys"), "../policy", ""), "admin/llm/keys/..%2Fpolicy");
        assert_eq!(
            [llm(false, "calls?to=1"), also("cursor", Some("a&b=1".to_owned()))].concat(),
            "llm/calls?to=1&cursor=a%26b%3D1"
        );
        assert_eq!(also("user", None), "");
    }
}
