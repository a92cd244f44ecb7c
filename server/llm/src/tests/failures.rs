//! Upstreams that refuse, break, hang and lie.

use super::*;

#[tokio::test]
async fn refusals() {
    let overflow =
        json!({ "error": { "message": "maximum context length is 5, sk-topsecret-0123456789" } }).to_string();
    let cases: [(u16, Headers, &str, &str); 9] = [
        (401, &[], "{\"error\":{\"message\":\"bad key sk-topsecret-0123456789\"}}", "llm.refused_key"),
        (403, &[], "", "llm.refused_key"),
        (404, &[], "{\"error\":\"model 'm' not found\"}", "llm.unknown_model"),
        (404, &[("content-type", "text/html")], "<h1>Not Found</h1>", "llm.upstream_error"),
        (429, &[("retry-after", "17")], "{}", "llm.rate_limited"),
        (400, &[], &overflow, "llm.context_overflow"),
        (500, &[], "{\"error\":{\"message\":\"failed with sk-topsecret-0123456789\"}}", "llm.upstream_error"),
        (503, &[("content-type", "text/plain")], "loading model", "llm.upstream_error"),
        (302, &[("location", "/v2/chat/completions")], "", "llm.upstream_error"),
    ];
    for (status, headers, body, expected) in cases {
        let upstream = Script::always(status, headers, body.to_owned()).await;
        let (deltas, result) = upstream.house().await.ask(request()).await;
        let error = result.unwrap_err();
        assert_eq!((error.code(), deltas.len()), (expected, 0), "{status}: {error}");
        assert!(error.to_string().contains('u'), "{error}");
        assert_eq!(upstream.seen().len(), 1, "{status} is neither followed nor tried again");
        match error {
            LlmError::Failed(failure) => match status {
                429 => assert_eq!(failure.retry_after, Some(Duration::from_secs(17))),
                503 => assert!(failure.message.ends_with(": loading model"), "{failure:?}"),
                _ => assert!(!failure.message.contains('<'), "{failure:?}"),
            },
            error => panic!("{error:?}"),
        }
    }
}

#[tokio::test]
async fn an_upstream_that_knows_no_usage_is_asked_without_once_and_for_all() {
    let upstream = Script::start(|seen, guard| async move {
        if seen.body.get("stream_options").is_some() {
            let body = "{\"error\":{\"message\":\"Unrecognized request argument: stream_options\"}}";
            return answer(400, &[], Body::from(body));
        }
        events(stream::iter([(says("x") + &ends("stop")).into()]), guard)
    })
    .await;
    let house = upstream.house().await;
    for questions in [2, 3, 4] {
        house.ask(request()).await.1.unwrap();
        assert_eq!(upstream.seen().len(), questions);
    }
}

#[tokio::test]
async fn a_refusal_that_quotes_the_asker_changes_nothing_for_others() {
    let body = "{\"error\":{\"message\":\"bad text: stream_options\"}}";
    let upstream = Script::always(400, &[], body).await;
    let house = upstream.house().await;
    for questions in [2, 4] {
        assert_eq!(house.code().await, "llm.upstream_error");
        assert_eq!(upstream.seen().len(), questions);
    }
    assert!(upstream.seen()[2].body.get("stream_options").is_some());
}

#[tokio::test]
async fn a_model_that_wants_the_new_bound_gets_it() {
    let upstream = Script::start(|seen, guard| async move {
        if seen.body.get("max_tokens").is_some() {
            let body = "{\"error\":{\"message\":\"Use 'max_completion_tokens' instead.\"}}";
            return answer(400, &[], Body::from(body));
        }
        assert_eq!(seen.body["max_completion_tokens"], 5);
        events(stream::iter([(says("x") + &ends("stop")).into()]), guard)
    })
    .await;
    upstream.house().await.ask(ChatRequest { max_tokens: Some(5), ..request() }).await.1.unwrap();
}

#[tokio::test]
async fn nobody_there() {
    let address = nowhere().await;
    let (_, result) = house(vec![UpstreamSettings::new("u", format!("{address}?k=v"))]).await.ask(request()).await;
    let error = result.unwrap_err();
    assert_eq!(error.code(), "llm.unreachable");
    let shown = error.to_string();
    assert!(shown.contains("“u”") && shown.contains(&format!("{address} ")), "{shown}");
    assert!(shown.contains("nothing listens there") && !shown.contains("k=v"), "{shown}");
}

#[tokio::test]
async fn what_does_not_speak_tls_or_http() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 16]).await;
            let _ = socket.write_all(b"SSH-2.0-something\r\n").await;
        }
    });
    for (scheme, expected) in [("https", "llm.unreachable"), ("http", "llm.bad_stream")] {
        let house = house(vec![UpstreamSettings::new("u", format!("{scheme}://{address}/v1"))]).await;
        assert_eq!(house.code().await, expected);
    }
}

/// Reads a question from a socket, whole; nothing at its end.
async fn question(socket: &mut tokio::net::TcpStream) -> Option<()> {
    use tokio::io::AsyncReadExt;
    let mut seen = Vec::new();
    loop {
        seen.push(socket.read_u8().await.ok()?);
        if let Some(head) = seen.windows(4).position(|end| end == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&seen[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            socket.read_exact(&mut vec![0; length.unwrap_or(0)]).await.ok()?;
            return Some(());
        }
    }
}

#[tokio::test]
async fn a_connection_given_up_while_it_was_unused_costs_no_question() {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    // Each connection is good for one question; whoever puts another hears nothing and finds it closed.
    let serving = tokio::spawn(async move {
        let mut questions = 0;
        for _ in 0..2 {
            let (mut socket, _) = listener.accept().await.unwrap();
            question(&mut socket).await.unwrap();
            let body = says("x") + &ends("stop");
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n", body.len());
            socket.write_all((head + &body).as_bytes()).await.unwrap();
            questions += 1;
            if question(&mut socket).await.is_some() {
                questions += 1;
            }
        }
        questions
    });
    let house = house(vec![UpstreamSettings::new("u", url)]).await;
    for _ in 0..2 {
        let (deltas, result) = house.ask(request()).await;
        assert_eq!(text(&deltas), "x");
        result.unwrap();
    }
    drop(house);
    assert_eq!(tokio::time::timeout(PATIENCE, serving).await.unwrap().unwrap(), 3);
}

#[tokio::test]
async fn who_never_answers_is_asked_no_second_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let count = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            question(&mut socket).await.unwrap();
            *counted.lock().unwrap() += 1;
        }
    });
    assert_eq!(house(vec![UpstreamSettings::new("u", url)]).await.code().await, "llm.bad_stream");
    assert_eq!(*count.lock().unwrap(), 1, "a new connection was not given up while it was unused");
}

#[tokio::test]
async fn an_upstream_that_was_found_has_the_timeouts_of_the_settings() {
    for (in_the_answer, expected) in [(false, "llm.timeout_first_token"), (true, "llm.timeout_idle")] {
        let upstream = Script::start(move |_, guard| async move {
            let begun = stream::iter(in_the_answer.then(|| Bytes::from(says("one"))));
            events(begun.chain(stream::pending()), guard)
        })
        .await;
        let settings = LlmSettings {
            first_token_timeout: if in_the_answer { PATIENCE } else { SHORT },
            idle_timeout: SHORT,
            ..settings_of(vec![])
        };
        let house = House::with_places(settings, &[("u", &upstream.url)], LIST_TIMEOUT).await;
        assert_eq!(house.code().await, expected);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off() {
    let upstream = Script::start(|_, _| std::future::ready(broken(vec![says("half").into()]))).await;
    let (deltas, result) = upstream.house().await.ask(request()).await;
    assert_eq!(text(&deltas), "half");
    assert_eq!(result.unwrap_err().code(), "llm.bad_stream");

    let upstream = Script::streams(vec![says("half").into()]).await;
    let (deltas, result) = upstream.house().await.ask(request()).await;
    assert_eq!(text(&deltas), "half");
    assert_eq!(result.unwrap_err().code(), "llm.bad_stream");

    // The answer was whole; only the count of tokens is missing.
    let end = ends("stop").replace("data: [DONE]\n\n", "");
    let upstream = Script::start(move |_, _| std::future::ready(broken(vec![(says("all") + &end).into()]))).await;
    let (deltas, result) = upstream.house().await.ask(request()).await;
    assert_eq!((text(&deltas).as_str(), result.unwrap().usage), ("all", None));
}

#[tokio::test]
async fn a_failure_in_the_middle() {
    for (event, expected) in [
        ("data: {\"error\":{\"message\":\"out of memory, sk-topsecret-0123456789\"}}\n\n", "llm.upstream_error"),
        ("event: error\ndata: {\"message\":\"exceeds the available context size\"}\n\n", "llm.context_overflow"),
        ("data: {\"error\":{\"code\":429,\"message\":\"slow down\"}}\n\n", "llm.rate_limited"),
        ("data: not json\n\n", "llm.bad_stream"),
    ] {
        let upstream = Script::streams(vec![(says("half") + event).into()]).await;
        let (deltas, result) = upstream.house().await.ask(request()).await;
        assert_eq!((text(&deltas).as_str(), result.unwrap_err().code()), ("half", expected));
    }
}

#[tokio::test]
async fn what_is_no_answer() {
    let html: Headers = &[("content-type", "text/html; charset=utf-8")];
    for (headers, body) in [
        (html, &b"<html>Sign in</html>"[..]),
        (&[("content-type", "application/json")], b"{}"),
        (&[("content-type", "application/json")], b"hello"),
        (&[("content-type", "text/event-stream")], b""),
        (&[("content-type", "text/event-stream")], b"\xff\xfe\x00garbage\n\n\n"),
        (&[], b"\x00\x01\x02"),
    ] {
        let upstream = Script::always(200, headers, Bytes::from_static(body)).await;
        let (_, result) = upstream.house().await.ask(request()).await;
        let error = result.unwrap_err();
        assert_eq!(error.code(), "llm.bad_stream", "{error}");
        assert_eq!(error.to_string().contains("text/html"), headers == html, "{error}");
    }
}

async fn impatient(upstream: &Script, first_token: Duration, idle: Duration) -> House {
    house(vec![UpstreamSettings { first_token_timeout: first_token, idle_timeout: idle, ..upstream.settings() }]).await
}

#[tokio::test]
async fn silence_before_the_answer() {
    // Nothing at all; only a head; only signs of life, which are no token.
    for kind in 0..3 {
        let mut upstream = Script::start(move |_, guard| async move {
            if kind == 0 {
                let _guard = guard;
                return std::future::pending().await;
            }
            let alive = stream::repeat(Bytes::from(": processing\n\n")).then(|comment| async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                comment
            });
            if kind == 1 { hanging(vec![], guard) } else { events(alive, guard) }
        })
        .await;
        assert_eq!(impatient(&upstream, SHORT, PATIENCE).await.code().await, "llm.timeout_first_token", "{kind}");
        upstream.client_went().await;
    }
}

#[tokio::test]
async fn silence_in_the_answer() {
    let mut upstream =
        Script::start(
            |_, guard| async move { events(stream::iter([says("one").into()]).chain(stream::pending()), guard) },
        )
        .await;
    let (deltas, result) = impatient(&upstream, PATIENCE, SHORT).await.ask(request()).await;
    assert_eq!((text(&deltas).as_str(), result.unwrap_err().code()), ("one", "llm.timeout_idle"));
    upstream.client_went().await;
}

#[tokio::test]
async fn an_endless_event_ends_at_the_bound() {
    let mut upstream = Script::start(|_, guard| {
        let endless = stream::repeat(Bytes::from(vec![b'x'; 1024 * 1024]));
        std::future::ready(events(stream::iter([Bytes::from("data: ")]).chain(endless), guard))
    })
    .await;
    let (_, result) = upstream.house().await.ask(request()).await;
    let error = result.unwrap_err();
    assert!(error.code() == "llm.bad_stream" && error.to_string().contains("16 MiB"), "{error}");
    upstream.client_went().await;
}

#[tokio::test]
async fn an_endless_refusal_ends_at_the_bound() {
    let mut upstream = Script::start(|_, guard| {
        let endless = stream::repeat(Bytes::from(vec![b'x'; 4096]));
        let mut response = events(endless, guard);
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        std::future::ready(response)
    })
    .await;
    assert_eq!(upstream.house().await.code().await, "llm.upstream_error");
    upstream.client_went().await;
}

#[tokio::test]
async fn models_that_are_not_there() {
    let upstream = Script::streams(vec![(says("x") + &ends("stop")).into()]).await;
    let house = upstream.house().await;
    for model in ["", "m", "/", "/m", "u/", "U/m", "other/m", "u\u{1}/m"] {
        let (_, result) = house.ask(ChatRequest { model: model.to_owned(), ..request() }).await;
        assert_eq!(result.unwrap_err().code(), "llm.unknown_model", "{model:?}");
    }
    let long = ChatRequest { model: "x".repeat(100_000), ..request() };
    assert!(house.ask(long).await.1.unwrap_err().to_string().len() < 1000);
    assert!(upstream.asked().is_empty());
}
