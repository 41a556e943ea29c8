//! Programs: started, waited for, their failures told with the command to repeat.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::failure::Failure;

/// A program about to be run.
#[derive(Debug)]
pub(crate) struct Program {
    command: Command,
    typed: String,
}

impl Program {
    /// `name` in the directory `at`.
    pub(crate) fn new(name: impl AsRef<Path>, at: &Path) -> Self {
        let name = name.as_ref();
        let mut command = Command::new(name);
        command.current_dir(at).stdin(Stdio::null());
        Self {
            command,
            typed: name.display().to_string(),
        }
    }

    /// The Cargo that runs this task.
    pub(crate) fn cargo(at: &Path) -> Self {
        let path = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self {
            typed: "cargo".to_owned(),
            ..Self::new(Path::new(&path), at)
        }
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        for arg in args {
            self.typed += " ";
            self.typed += &arg.as_ref().to_string_lossy();
            self.command.arg(arg);
        }
        self
    }

    /// Sets an environment variable. It is not part of what is printed: it may be a secret.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Takes the environment away from it, but for what finds programs and the user's files.
    pub(crate) fn alone(mut self) -> Self {
        self.command.env_clear();
        for name in ["PATH", "HOME"] {
            if let Some(value) = std::env::var_os(name) {
                self.command.env(name, value);
            }
        }
        self
    }

    /// Runs it, with its output on this terminal.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        let status = self.command.status();
        let status = status.map_err(|source| Failure::Start {
            command: self.typed.clone(),
            source,
        })?;
        self.judge(status)
    }

    /// Runs it on this terminal, keyboard included.
    pub(crate) fn run_for_people(mut self) -> Result<(), Failure> {
        self.command.stdin(Stdio::inherit());
        self.run()
    }

    /// Runs it and gives every line of its standard output to `line` as it comes; errors go to this terminal.
    pub(crate) fn lines(mut self, mut line: impl FnMut(&str)) -> Result<(), Failure> {
        self.command.stdout(Stdio::piped());
        let mut child = self.start()?;
        if let Some(out) = child.stdout.take() {
            for bytes in BufReader::new(out).split(b'\n') {
                let bytes = bytes.map_err(|source| Failure::Start {
                    command: self.typed.clone(),
                    source,
                })?;
                line(&String::from_utf8_lossy(&bytes));
            }
        }
        let status = child.wait();
        let status = status.map_err(|source| Failure::Start {
            command: self.typed.clone(),
            source,
        })?;
        self.judge(status)
    }

    /// Runs it and returns its standard output; errors go to this terminal.
    pub(crate) fn output(self) -> Result<String, Failure> {
        let mut text = String::new();
        self.lines(|line| {
            text += line;
            text.push('\n');
        })?;
        Ok(text)
    }

    /// Runs it and returns what it wrote to its standard error, also where it fails.
    pub(crate) fn errors(mut self) -> Result<String, (Failure, String)> {
        let typed = self.typed.clone();
        self.command.stdout(Stdio::null()).stderr(Stdio::piped());
        let ended = self.command.output().map_err(|source| {
            let command = typed;
            (Failure::Start { command, source }, String::new())
        })?;
        let log = String::from_utf8_lossy(&ended.stderr).into_owned();
        match self.judge(ended.status) {
            Ok(()) => Ok(log),
            Err(failure) => Err((failure, log)),
        }
    }

    /// Whether it runs and succeeds; prints nothing.
    pub(crate) fn succeeds(mut self) -> bool {
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        self.command.status().is_ok_and(|status| status.success())
    }

    /// Starts it in the background, its standard output to be read. It ends when the result is dropped.
    pub(crate) fn background(mut self) -> Result<Background, Failure> {
        self.command.stdout(Stdio::piped());
        self.start().map(Background)
    }

    fn start(&mut self) -> Result<Child, Failure> {
        let started = self.command.spawn();
        started.map_err(|source| Failure::Start {
            command: self.typed.clone(),
            source,
        })
    }

    fn judge(self, status: ExitStatus) -> Result<(), Failure> {
        if status.success() {
            Ok(())
        } else {
            Err(Failure::Program {
                command: self.typed,
                status: status.to_string(),
            })
        }
    }
}

/// A program that runs beside this one, until dropped.
#[derive(Debug)]
pub(crate) struct Background(Child);

impl Background {
    /// Reads lines of its standard output up to and including the first that `last` accepts. What it prints
    /// later must be little: nobody reads it.
    pub(crate) fn lines_until(&mut self, last: impl Fn(&str) -> bool) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        let out = self.0.stdout.as_mut().map(BufReader::new);
        for line in out.into_iter().flat_map(BufRead::lines) {
            let line = line.map_err(|error| Failure::Check(format!("The emulator is gone: {error}")))?;
            let done = last(&line);
            lines.push(line);
            if done {
                return Ok(lines);
            }
        }
        let said = lines.join("\n");
        Err(Failure::Check(format!(
            "An emulator ended before it was ready. {said}"
        )))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sh(script: &str) -> Program {
        Program::new("sh", Path::new("/")).args(["-c", script])
    }

    #[test]
    fn output_is_given_and_a_failure_names_the_command() {
        assert_eq!(sh("printf 'a\\nb'").output().unwrap(), "a\nb\n");
        let failure = sh("exit 3").output().unwrap_err().to_string();
        assert_eq!(failure, "`sh -c exit 3` failed: exit status: 3");
        let failure = Program::new("no-such-program", Path::new("/"))
            .run()
            .unwrap_err()
            .to_string();
        assert!(
            failure.starts_with("`no-such-program` does not start: "),
            "{failure}"
        );
        assert!(sh("exit 0").succeeds() && !sh("exit 1").succeeds());
    }

    #[test]
    fn a_background_program_is_read_until_ready_and_ends_with_its_handle() {
        let mut one = sh("echo a; echo; exec sleep 600").background().unwrap();
        assert_eq!(one.lines_until(str::is_empty).unwrap(), ["a", ""]);
        let process = format!("/proc/{}", one.0.id());
        assert!(Path::new(&process).exists());
        drop(one);
        assert!(!Path::new(&process).exists());

        let mut gone = sh("echo no port").background().unwrap();
        let failure = gone.lines_until(str::is_empty).unwrap_err().to_string();
        assert!(failure.contains("no port"), "{failure}");
    }
}
