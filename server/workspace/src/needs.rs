//! What a test needs of the machine.

use std::fmt::Display;
use std::path::Path;

use coditect_sandbox::client::Sandboxes;
use coditect_sandbox::{SandboxError, SandboxMode, SandboxSettings};

/// Tells that a test is left out because the machine lacks `thing`. Fails instead where `CODITECT_TEST_REQUIRE`, names with commas
/// between them, says that it must be there.
pub(crate) fn missing(thing: &str, why: impl Display) {
    let required = std::env::var("CODITECT_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name.trim() == thing), "CODITECT_TEST_REQUIRE names {thing}, but {why}");
    eprintln!("skipped: {why}");
}

/// A program of another package that the server starts; built where that was not done, since cargo builds only those of the
/// package whose tests it runs.
pub(crate) fn helper(name: &str) -> std::path::PathBuf {
    static ONE_AT_A_TIME: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
    // The test's own program is `<target>/<profile>/deps/<name>`.
    let own = std::env::current_exe().unwrap();
    let folder = own.ancestors().nth(2).unwrap();
    let mut built = ONE_AT_A_TIME.lock().unwrap();
    if !built.iter().any(|built| built == name) {
        let profile = folder.file_name().unwrap().to_str().unwrap();
        let profile = if profile == "debug" { "dev" } else { profile };
        let mut command = std::process::Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "--package", name, "--bin", name, "--profile", profile, "--target-dir"]);
        command.arg(folder.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(command.status().unwrap().success(), "{name} cannot be built");
        built.push(name.to_owned());
    }
    folder.join(name)
}

/// Sandboxes whose supervisor ends with the test.
pub(crate) fn sandbox_settings(dir: &Path, mode: SandboxMode) -> SandboxSettings {
    let helper = Some(helper("coditect-sandbox"));
    let keep = std::time::Duration::ZERO;
    SandboxSettings { mode, helper, run_dir: dir.join("run"), keep, ..SandboxSettings::default() }
}

/// `None`, with a note, where the machine has no such walls that work.
pub(crate) async fn sandboxes(settings: SandboxSettings) -> Option<Sandboxes> {
    let thing = if settings.mode == SandboxMode::Landlock { "landlock" } else { "bwrap" };
    match Sandboxes::start(settings, None).await {
        Err(SandboxError::Unavailable { reason }) => {
            missing(thing, reason);
            None
        }
        sandboxes => Some(sandboxes.unwrap()),
    }
}
