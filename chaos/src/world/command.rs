//! Runs one of the system's programs, and says what it said if it failed.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Runs a program to its end and gives what it printed. Each of them works on the kernel's tables and ends at once.
pub fn run(program: &str, arguments: &[&str]) -> Result<String> {
    fed(program, arguments, "")
}

/// The same, with something to read.
pub fn fed(program: &str, arguments: &[&str], input: &str) -> Result<String> {
    let shown = || format!("{program} {}", arguments.join(" "));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("run {}", shown()))?;
    let mut stdin = child.stdin.take().context("its input is a pipe")?;
    // A program that ends without reading is judged by its status.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().with_context(|| format!("wait for {}", shown()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {}", shown(), said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
