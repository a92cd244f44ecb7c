//! `coditect-git serve`: answers the server, on standard streams, in the workspace's folder.
//! `coditect-git credential <operation>`: what `git` asks for logins while it fetches or pushes.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve"] => serve(),
        ["credential", operation] => coditect_git::credential_helper(operation),
        ["--version"] => {
            println!("coditect-git {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        _ => {
            eprintln!("Usage: coditect-git serve | coditect-git credential get|store|erase");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("coditect-git: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> std::io::Result<()> {
    // What it reads and writes, logins among it, is not for the person's other programs to look at or to change. Refused behind
    // Landlock, where the supervisor has to see what programs write.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let settings = coditect_git::Settings {
        root: std::env::current_dir()?,
        program: "git".into(),
        helper: std::env::current_exe()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(coditect_git::BLOCKING_THREADS)
        .thread_stack_size(coditect_git::THREAD_STACK_BYTES)
        .build()?;
    let result = runtime.block_on(coditect_git::serve(tokio::io::stdin(), tokio::io::stdout(), settings));
    // A reading that is cancelled may be on its thread still.
    runtime.shutdown_background();
    result
}
