//! Repositories over `https`, as any git host serves them: git's own program behind a small gateway that wants a login.

use base64::Engine as _;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;

/// Ends with the test's runtime.
pub(crate) struct Gateway {
    port: u16,
    /// The file that makes it trusted.
    pub(crate) certificate: PathBuf,
}

#[derive(Clone)]
struct Serving {
    root: PathBuf,
    /// What `Authorization` has to be.
    expected: String,
    /// Sends everybody there instead.
    redirect: Option<String>,
}

impl Gateway {
    pub(crate) async fn start(root: &Path, credentials: &str) -> Self {
        let expected = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials));
        Self::serve(Serving { root: root.to_owned(), expected, redirect: None }).await
    }

    pub(crate) async fn start_redirecting(root: &Path, to: &str) -> Self {
        Self::serve(Serving { root: root.to_owned(), expected: String::new(), redirect: Some(to.to_owned()) }).await
    }

    async fn serve(serving: Serving) -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let certificate = serving.root.join(format!("{port}.pem"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (acceptor, serving) = (acceptor.clone(), serving.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(connection).await else { return };
                    let service = hyper::service::service_fn(move |request| answer(serving.clone(), request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { port, certificate }
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("https://{}/{name}", self.host())
    }
}

async fn answer(serving: Serving, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let header =
        |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    if let Some(to) = serving.redirect {
        let to = format!("{}{}", to.trim_end_matches('/'), parts.uri);
        return Ok(Response::builder().status(StatusCode::FOUND).header("location", to).body(Full::default()).unwrap());
    }
    if header("authorization") != serving.expected {
        let response =
            Response::builder().status(StatusCode::UNAUTHORIZED).header("www-authenticate", "Basic realm=\"git\"");
        return Ok(response.body(Full::default()).unwrap());
    }
    let body = body.collect().await.unwrap().to_bytes();
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &serving.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_USER", "ada")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = backend.stdin.take().unwrap();
    let sending = async {
        let _ = stdin.write_all(&body).await;
        drop(stdin);
    };
    let (output, ()) = tokio::join!(backend.wait_with_output(), sending);
    Ok(response(&output.unwrap().stdout))
}

/// From what a gateway's program writes: a head, an empty line, the body.
fn response(output: &[u8]) -> Response<Full<Bytes>> {
    let end = output.windows(4).position(|part| part == b"\r\n\r\n").unwrap_or(output.len());
    let head = String::from_utf8_lossy(&output[..end]);
    let mut response = Response::builder();
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        response = match name {
            "Status" => response.status(value.split(' ').next().unwrap_or("500")),
            _ => response.header(name, value),
        };
    }
    response.body(Full::new(Bytes::copy_from_slice(output.get(end + 4..).unwrap_or_default()))).unwrap()
}
