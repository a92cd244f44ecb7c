//! The programs that the server starts.

use std::process::Command;
use std::sync::Once;

/// Lie beside the server.
const PACKAGES: [&str; 2] = ["coditect-sandbox", "coditect-git"];

/// Builds them where that was not done: cargo builds only the programs of the package whose tests it runs.
pub fn build() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        // The test's own program is `<target>/<profile>/deps/<name>`.
        let own = std::env::current_exe().unwrap();
        let folder = own.ancestors().nth(2).unwrap();
        let profile = folder.file_name().unwrap().to_str().unwrap();
        let profile = if profile == "debug" { "dev" } else { profile };
        let mut command = Command::new(env!("CARGO"));
        command
            .args(["build", "--quiet", "--bins", "--profile", profile, "--target-dir"])
            .arg(folder.parent().unwrap());
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        for package in PACKAGES {
            command.args(["--package", package]);
        }
        let built = command.status().unwrap();
        assert!(built.success(), "the programs that the server starts cannot be built");
    });
}
