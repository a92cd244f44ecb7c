//! Models of a server on this machine or network: a plugin of Coditect.

mod chat;
mod stream;
mod thoughts;

use coditect_plugin_sdk::prelude::*;

/// Tokens of an answer, fewest and most.
const MAX_TOKENS: (f64, f64) = (16.0, 32_768.0);

struct LocalModels;

plugin!(LocalModels: Providers);

impl Providers for LocalModels {
    fn models(_provider: &str) -> Result<Vec<Model>> {
        let response = chat::checked(with_key(http::get(address("models")?))?.send()?)?;
        chat::models(&response)
    }

    fn respond(_provider: &str, question: Question, reply: &mut Reply) -> Result<()> {
        let max_tokens: f64 = settings::get("max-tokens")?;
        // Clamped, it is a whole number that fits.
        let max_tokens = max_tokens.clamp(MAX_TOKENS.0, MAX_TOKENS.1) as u32;
        let is_cut_off = answer(&question, max_tokens, reply)?;
        if is_cut_off {
            log::warn!("an answer was cut off: allow more tokens in the settings");
        }
        Ok(())
    }
}

/// Has a question answered, in pieces where the server does that; whether it was cut off.
fn answer(question: &Question, max_tokens: u32, reply: &mut Reply) -> Result<bool> {
    let post = || with_key(http::post(address("chat/completions")?));
    let exchange = post()?.json(&chat::request(question, max_tokens, true)?)?.open()?;
    if stream::is_one(&exchange) {
        return stream::pass_on(exchange.lines(), reply);
    }
    let mut response = exchange.whole()?;
    if chat::refuses_streams(&response) {
        // Its head comes with its end: opened, it may take longer than when it is sent.
        response = post()?.json(&chat::request(question, max_tokens, false)?)?.open()?.whole()?;
    }
    let mut answer = chat::answer(&chat::checked(response)?)?;
    answer.told.say(reply)?;
    Ok(answer.is_cut_off)
}

/// An address below that of the server, which may be set with or without `/v1`.
fn address(path: &str) -> Result<String> {
    let server: String = settings::get("server")?;
    let server = server.trim().trim_end_matches('/');
    let server = server.strip_suffix("/v1").unwrap_or(server);
    let has_scheme = server.starts_with("http://") || server.starts_with("https://");
    has_scheme
        .then(|| format!("{server}/v1/{path}"))
        .ok_or_else(|| Error::invalid("set the server of local models to an address such as http://127.0.0.1:11434"))
}

fn with_key(request: http::Request) -> Result<http::Request> {
    Ok(match settings::get::<Option<String>>("key")? {
        Some(key) if !key.is_empty() => request.header("authorization", format!("Bearer {key}")),
        _ => request,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(server: &str, key: Option<&str>) -> testing::Host {
        testing::Host::new().setting("server", server).setting("key", key).setting("max-tokens", 64)
    }

    fn json(body: &str) -> Result<http::Response> {
        Ok(http::Response { status: 200, headers: vec![], body: body.into() })
    }

    #[test]
    fn an_answer_is_passed_on() {
        let host = host("http://127.0.0.1:1234/v1/", Some("k")).http(|request| {
            assert_eq!(
                (request.method.as_str(), request.url.as_str()),
                ("POST", "http://127.0.0.1:1234/v1/chat/completions")
            );
            assert!(request.headers.contains(&("authorization".into(), "Bearer k".into())));
            json(r#"{"choices":[{"message":{"content":"<think>hm</think>So."},"finish_reason":"length"}]}"#)
        });
        let host = host.enter();
        let question = Question::new("Why?").with_model("m");
        LocalModels::respond("local", question, &mut testing::reply()).unwrap();
        assert_eq!((host.thoughts().as_str(), host.reply().as_str(), host.log().len()), ("hm", "So.", 1));
    }

    #[test]
    fn an_answer_is_passed_on_while_it_comes() {
        let events = ["data: {\"choices\":[{\"delta\":{\"content\":\"S", "o.\"}}]}\n\n", "data: [DONE]\n\n"];
        let host = host("http://127.0.0.1:1234", None).stream(move |request| {
            assert!(String::from_utf8_lossy(&request.body).contains(r#""stream":true"#));
            Ok(testing::Streamed::new(200, events).header("Content-Type", "text/event-stream; charset=utf-8"))
        });
        let host = host.enter();
        LocalModels::respond("local", Question::new("Why?").with_model("m"), &mut testing::reply()).unwrap();
        assert_eq!((host.reply().as_str(), host.log().len()), ("So.", 0));
    }

    #[test]
    fn who_refuses_streams_is_asked_for_a_whole_answer() {
        let host = host("http://127.0.0.1:1234", None).http(|request| {
            if String::from_utf8_lossy(&request.body).contains(r#""stream":true"#) {
                let body = br#"{"error":{"message":"Streaming is not supported."}}"#.to_vec();
                return Ok(http::Response { status: 400, headers: vec![], body });
            }
            json(r#"{"choices":[{"message":{"content":"So."},"finish_reason":"stop"}]}"#)
        });
        let host = host.enter();
        LocalModels::respond("local", Question::new("Why?").with_model("m"), &mut testing::reply()).unwrap();
        assert_eq!(host.reply(), "So.");
    }

    #[test]
    fn without_a_key_none_is_sent() {
        let host = host("http://127.0.0.1:8080", None).http(|request| {
            assert!(request.headers.is_empty());
            json(r#"{"data":[{"id":"m"}]}"#)
        });
        let _host = host.enter();
        assert_eq!(LocalModels::models("local").unwrap()[0].id, "m");
    }

    #[test]
    fn an_odd_server_is_refused() {
        let _host = host("127.0.0.1", Some("")).enter();
        assert!(matches!(LocalModels::models("local"), Err(Error::Invalid(_))));
    }
}
