//! Mail to people: what it says, and the seam behind which it is sent.
//!
//! A mail is sent beside the request that causes it, so that neither a slow mail server nor whether there is an account shows
//! in the time of an answer. A mail that cannot be sent is logged; whoever waits for it asks again.

mod file;
mod message;

use std::sync::Arc;

use async_trait::async_trait;
use coditect_protocol::UserId;
use tokio::sync::Semaphore;

pub use file::{FileMailer, MAIL_FILES_KEPT};

use crate::Auth;
use crate::login_name::LoginName;
use crate::settings::{AuthSettings, MailDelivery};

/// Mails that may be under way at once; further ones are not sent, which the log says.
const MAX_UNDER_WAY: usize = 64;

/// One mail. `Debug` shows neither to whom nor what it says.
#[derive(Clone)]
pub struct Mail {
    /// E-mail address of the person.
    pub to: String,
    /// Subject, in ASCII.
    pub subject: String,
    /// What it says; lines end with `\n`.
    pub text: String,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("subject", &self.subject).finish_non_exhaustive()
    }
}

impl Mail {
    /// The address for a log: who knows it recognises it, and nobody else learns it.
    #[must_use]
    pub fn masked_to(&self) -> String {
        let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
        match self.to.split_once('@') {
            Some((local, domain)) => format!("{}***@{}***", first(local), first(domain)),
            None => "***".to_owned(),
        }
    }
}

/// A mail could not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("The mail could not be sent: {0}.")]
pub struct MailError(pub String);

/// Sends mail.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends one mail, or takes it over for good.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}

/// Sends nothing, and says in the log (target `mail`) that a mail was due: to whom, masked, and its subject. It never shows
/// the text, which may hold a code.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogMailer;

#[async_trait]
impl Mailer for LogMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        tracing::info!(target: "mail", to = mail.masked_to(), subject = mail.subject, "a mail is due");
        Ok(())
    }
}

/// Where mail goes.
#[derive(Clone)]
pub(crate) struct Post {
    mailer: Arc<dyn Mailer>,
    under_way: Arc<Semaphore>,
}

impl Post {
    /// As the settings say.
    pub(crate) fn to(settings: &AuthSettings) -> Option<Self> {
        match &settings.mail {
            MailDelivery::Off => None,
            MailDelivery::Log => Some(Self::new(Arc::new(LogMailer))),
            MailDelivery::Files(directory) => {
                Some(Self::new(Arc::new(FileMailer::new(directory.clone(), settings.mail_from.clone()))))
            }
        }
    }

    pub(crate) fn new(mailer: Arc<dyn Mailer>) -> Self {
        Self { mailer, under_way: Arc::new(Semaphore::new(MAX_UNDER_WAY)) }
    }

    async fn send(&self, mail: Mail) {
        if let Err(error) = self.mailer.send(&mail).await {
            tracing::warn!(target: "mail", to = mail.masked_to(), subject = mail.subject, %error, "a mail was not sent");
        }
    }
}

/// What is told to a person about their own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    PasswordChanged,
    PasswordReset,
    SecondFactorEnabled,
    SecondFactorDisabled,
    SecondFactorRemoved,
    SecondFactorGuessed,
    RecoveryCodesRenewed,
}

impl Notice {
    fn subject(self) -> &'static str {
        match self {
            Self::PasswordChanged => "Your password was changed",
            Self::PasswordReset => "Your password was reset",
            Self::SecondFactorEnabled => "Your second factor was switched on",
            Self::SecondFactorDisabled => "Your second factor was switched off",
            Self::SecondFactorRemoved => "Your second factor was removed by an admin",
            Self::SecondFactorGuessed => "Somebody knows your password",
            Self::RecoveryCodesRenewed => "You have new recovery codes",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::PasswordChanged => "The password of your account was changed, and its other logins were ended.",
            Self::PasswordReset => "The password of your account was reset with a code, and all its logins were ended.",
            Self::SecondFactorEnabled => "Logins to your account now ask for a code of your authenticator.",
            Self::SecondFactorDisabled => "Logins to your account no longer ask for a second factor.",
            Self::SecondFactorRemoved => {
                "An admin of the server removed the second factor of your account. Logins no longer ask for it; \
                 you can set up a new one."
            }
            Self::SecondFactorGuessed => {
                "Somebody gave the right password of your account, and then wrong codes for its second factor until \
                 they were stopped. If that was not you, change your password now."
            }
            Self::RecoveryCodesRenewed => "New recovery codes were made for your account; the old ones are void.",
        }
    }
}

impl Auth {
    /// Tells a person what happened to their account, where they can be reached by mail.
    pub(crate) fn notify(&self, login: &str, notice: Notice) {
        let warning = "If that was not you, ask who runs the server for help at once.";
        self.hand_over(login, |_| Mail {
            to: login.to_owned(),
            subject: notice.subject().to_owned(),
            text: format!("Hello,\n\n{}\n\n{warning}\n", notice.text()),
        });
    }

    /// Like [`Auth::notify`], by id.
    pub(crate) async fn notify_person(&self, user: UserId, notice: Notice) {
        if self.post.is_none() {
            return;
        }
        match self.user_row(user).await {
            Ok(row) => self.notify(&row.login, notice),
            Err(error) => tracing::warn!(target: "mail", %error, "a person could not be told of a change"),
        }
    }

    /// Sends the code that a person asked for to reset their password.
    pub(crate) fn mail_reset_code(&self, login: &LoginName, code: &str) {
        let minutes = self.inner.settings.reset_code_lifetime.as_secs() / 60;
        self.hand_over(&login.key, |page| Mail {
            to: login.typed.clone(),
            subject: "Your code for a new password".to_owned(),
            text: format!(
                "Hello,\n\nsomebody, most likely you, asked for a new password of your account. The code is\n\n    \
                 {code}\n\nIt is good once, for {minutes} minutes.{page}\n\nIf you did not ask for it, do nothing: \
                 without the code nothing changes.\n"
            ),
        });
    }

    /// Hands a mail over. What it makes the mail from is the sentence that says where to go, if the operator named an address.
    fn hand_over(&self, login: &str, mail: impl FnOnce(&str) -> Mail) {
        let Some(post) = &self.post else { return };
        if !LoginName::parse(login).is_ok_and(|login| login.is_address()) {
            return;
        }
        let Ok(place) = Arc::clone(&post.under_way).try_acquire_owned() else {
            tracing::warn!(target: "mail", "a mail was not sent, because too many are under way");
            return;
        };
        let url = &self.inner.settings.public_url;
        // Only from the settings: who sends a forged Host header must not choose where a mail points to.
        let page = if url.is_empty() { String::new() } else { format!(" Enter it at {url}.") };
        let (mail, post) = (mail(&page), post.clone());
        tokio::spawn(async move {
            post.send(mail).await;
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_address_and_debug_tell_nothing() {
        let mail = |to: &str| Mail { to: to.to_owned(), subject: "Subject".to_owned(), text: "code k7m2p".to_owned() };
        assert_eq!(mail("ada@example.org").masked_to(), "a***@e***");
        assert_eq!(mail("ada").masked_to(), "***");
        let shown = format!("{:?}", mail("ada@example.org"));
        assert!(!shown.contains("ada") && !shown.contains("k7m2p"), "{shown}");
    }
}
