//! What a user gives, for the tests of the command line.

use std::{ffi::OsString, io, path::Path};

use super::{Command, Run, Start, Watch, parse};
use crate::process::Refusal;

/// Arguments, variables, and files by name.
#[derive(Clone, Copy, Default)]
pub struct World<'a> {
    pub args: &'a [&'a str],
    pub env: &'a [(&'a str, &'a str)],
    pub files: &'a [(&'a str, &'a str)],
}

impl World<'_> {
    pub fn parse(self) -> Result<Command, Refusal> {
        let args = std::iter::once("demo-controller").chain(self.args.iter().copied()).map(OsString::from).collect();
        let env = |name: &str| self.env.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value));
        let read = |path: &Path| {
            let found = self.files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
        };
        parse(args, &env, &read, false)
    }

    /// What `run` gets.
    pub fn start(self) -> Start<Run> {
        match self.parse() {
            Ok(Command::Run(start)) => *start,
            other => panic!("expected run, got {other:?}"),
        }
    }

    /// What `watch` gets.
    pub fn watch(self) -> Start<Watch> {
        match self.parse() {
            Ok(Command::Watch(start)) => *start,
            other => panic!("expected watch, got {other:?}"),
        }
    }

    /// What `--show-config` prints.
    pub fn shown(self) -> String {
        match self.parse() {
            Ok(Command::ShowConfig(text)) => text,
            other => panic!("expected --show-config, got {other:?}"),
        }
    }

    /// The one line of wrong input.
    pub fn refused(self) -> String {
        let refusal = self.parse().expect_err("a refusal");
        assert_eq!(refusal.code, 2, "{refusal}");
        assert_eq!(refusal.to_string().lines().count(), 1, "{refusal}");
        refusal.to_string()
    }
}

pub fn args<'a>(args: &'a [&'a str]) -> World<'a> {
    World { args, ..World::default() }
}
