//! Where an answer leads on to.

use http::{StatusCode, header};

use super::Unsent;
use super::place::Place;
use crate::ports::Refused;

/// The next place, where the answer redirects to one.
pub(super) fn follow(response: &reqwest::Response, from: &Place) -> Result<Option<Place>, Unsent> {
    let is_redirect = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let Some(location) = response.headers().get(header::LOCATION).filter(|_| is_redirect) else { return Ok(None) };
    let failed = |why: String| from.refused(Refused::Failed(why));
    let location = std::str::from_utf8(location.as_bytes())
        .map_err(|_| failed("The answer redirects to a URL that cannot be read.".to_owned()))?;
    from.join(location).map(Some).map_err(failed)
}
