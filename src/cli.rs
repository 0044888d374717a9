//! The command line. Doc comments here are the help texts.
#![allow(missing_docs)]

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use daemon::{
    Error,
    args::{parse_duration, parse_positive_duration},
    connect::Target,
};

use crate::{controller, informer::Key, pki};

/// Returns the version, with the revision that the Makefile sets.
pub fn version() -> String {
    daemon::args::format_version(env!("CARGO_PKG_VERSION"), option_env!("REVISION"))
}

/// Issue the TLS certificates that applications request with Pki objects, record an event on the waiting pods if a request
/// is refused, and log the lifecycle of every pod.
#[derive(Debug, Parser)]
#[command(name = "demo-controller", version = version(), args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controller (the default)
    Run(Box<RunArgs>),
    /// Print the CustomResourceDefinition of Pki, for kubectl apply -f -
    Crd,
}

/// The flags of the controller.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub daemon: daemon::Args,
    /// Names that may have a certificate, one per line: `name` in any namespace, or `namespace/name`. `#` starts a
    /// comment. Read again when it changes [default: app1 and app2 in any namespace]
    #[arg(long, value_name = "FILE", env = "DEMO_CONTROLLER_ALLOWED_NAMES", value_parser = allowed_names)]
    allowed_names: Option<PathBuf>,
    /// Reconcile every cached object once per interval, spread over it (0: never)
    #[arg(long, value_name = "DURATION", env = "DEMO_CONTROLLER_RESYNC", default_value = "10m", value_parser = parse_duration)]
    resync: Duration,
    /// Record the event of a persistent error again at this interval. (An event lives for an hour.)
    #[arg(long, value_name = "DURATION", env = "DEMO_CONTROLLER_REMIND", default_value = "30m", value_parser = parse_positive_duration)]
    remind: Duration,
    /// Secret with the CA that signs; created if absent, never overwritten
    #[arg(long, value_name = "NS/NAME", env = "DEMO_CONTROLLER_CA_SECRET",
          default_value = "controlplane/demo-controller-ca", value_parser = secret)]
    ca_secret: Key,
    /// DNS domain of the cluster, for the names in a certificate
    #[arg(long, value_name = "DOMAIN", env = "DEMO_CONTROLLER_CLUSTER_DOMAIN", default_value = "cluster.local",
          value_parser = domain)]
    cluster_domain: String,
    /// Let the API server check every write, but store none
    #[arg(long, env = "DEMO_CONTROLLER_DRY_RUN")]
    dry_run: bool,
    /// Run only while this process holds the Lease demo-controller (in the namespace of POD_NAMESPACE, else of the service
    /// account, else of the context)
    #[arg(long, env = "DEMO_CONTROLLER_LEADER_ELECT")]
    pub leader_elect: bool,
    /// Log each step, with the chapter of the book that explains it
    #[arg(long, env = "DEMO_CONTROLLER_EXPLAIN")]
    pub explain: bool,
}

impl RunArgs {
    /// The API server to connect to.
    pub fn target(&self) -> Target {
        Target::Kubeconfig { files: self.daemon.kubeconfig.clone(), context: self.daemon.context.clone() }
    }

    /// Returns the settings of the controller.
    ///
    /// # Errors
    /// Flags that contradict each other. (clap's `conflicts_with` counts a variable that is `false`.)
    pub fn config(&self) -> Result<controller::Config, Error> {
        if self.dry_run && self.leader_elect {
            return Err(Error::Usage(
                "--dry-run and --leader-elect exclude each other: expected one of them".to_owned(),
            ));
        }
        Ok(controller::Config {
            namespace: self.daemon.namespace.clone(),
            workers: self.daemon.workers,
            max_retries: self.daemon.max_retries,
            resync: (!self.resync.is_zero()).then_some(self.resync),
            watch_idle: self.daemon.watch_idle,
            shutdown_grace: self.daemon.shutdown_grace,
            pki: pki::Config {
                allowed_names: self.allowed_names.clone(),
                ca_secret: self.ca_secret.clone(),
                cluster_domain: self.cluster_domain.clone(),
                remind: self.remind,
                dry_run: self.dry_run,
            },
        })
    }
}

/// The file must be readable at the start.
fn allowed_names(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    pki::read_allowed_names(&path)
        .map_err(|why| format!("cannot be read ({why}): expected a text file with one name per line"))?;
    Ok(path)
}

fn secret(text: &str) -> Result<Key, String> {
    let parts = text.split_once('/');
    parts
        .filter(|(namespace, name)| daemon::names::is_label(namespace) && daemon::names::is_subdomain(name))
        .map(|(namespace, name)| Key::new(namespace, name))
        .ok_or_else(|| "expected NAMESPACE/NAME, such as controlplane/demo-controller-ca".to_owned())
}

fn domain(text: &str) -> Result<String, String> {
    match daemon::names::is_subdomain(text) {
        true => Ok(text.to_owned()),
        false => Err("expected a DNS domain, such as cluster.local".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<RunArgs, String> {
        let args = ["demo-controller"].iter().chain(args);
        let cli = Cli::try_parse_from(args).map_err(|e| e.to_string().lines().next().unwrap_or_default().to_owned())?;
        Ok(match cli.command {
            Some(Command::Run(run)) => *run,
            _ => cli.run,
        })
    }

    #[test]
    fn flags_of_run_are_accepted_without_the_command() {
        for args in [&["-n", "app1", "--resync", "0"][..], &["run", "-n", "app1", "--resync", "0"]] {
            let config = parse(args).unwrap().config().unwrap();
            assert_eq!((config.namespace.as_deref(), config.resync), (Some("app1"), None));
        }
    }

    #[test]
    fn defaults_are_as_documented() {
        let config = parse(&[]).unwrap().config().unwrap();
        assert_eq!((config.workers, config.max_retries, config.resync), (4, 12, Some(Duration::from_secs(600))));
        assert_eq!((config.watch_idle.as_secs(), config.shutdown_grace.as_secs()), (150, 20));
        assert_eq!((config.pki.remind.as_secs(), config.pki.dry_run), (1800, false));
        assert_eq!(config.pki.ca_secret, Key::new("controlplane", "demo-controller-ca"));
        assert_eq!((config.pki.allowed_names, config.pki.cluster_domain.as_str()), (None, "cluster.local"));
    }

    #[test]
    fn every_flag_reaches_the_config() {
        let names = testkit::Folder::new("cli");
        let file = names.file("names", "app1");
        let flags = "--workers 2 --max-retries 3 --resync 4s --watch-idle 5s --shutdown-grace 6s --remind 7s --dry-run \
                     --ca-secret ns/ca --cluster-domain corp --allowed-names";
        let args: Vec<&str> = flags.split_whitespace().chain([file.to_str().unwrap()]).collect();
        let config = parse(&args).unwrap().config().unwrap();
        let seconds = [config.watch_idle, config.shutdown_grace, config.pki.remind].map(|time| time.as_secs());
        assert_eq!((config.workers, config.max_retries, config.resync), (2, 3, Some(Duration::from_secs(4))));
        assert_eq!((seconds, config.pki.dry_run, config.pki.ca_secret), ([5, 6, 7], true, Key::new("ns", "ca")));
        assert_eq!((config.pki.allowed_names, &*config.pki.cluster_domain), (Some(file), "corp"));
    }

    #[test]
    fn every_flag_has_the_variable_of_its_name() {
        for arg in <Cli as clap::CommandFactory>::command().get_arguments() {
            let Some(flag) = arg.get_long().filter(|flag| !["help", "version", "kubeconfig"].contains(flag)) else {
                continue;
            };
            let variable = format!("DEMO_CONTROLLER_{}", flag.to_uppercase().replace('-', "_"));
            assert_eq!(arg.get_env(), Some(variable.as_ref()), "--{flag}");
        }
    }

    #[test]
    fn error_has_the_flag_and_the_accepted_values() {
        for (args, flag, accepted) in [
            (["--ca-secret", "x"], "--ca-secret", "NAMESPACE/NAME"),
            (["--resync", "10"], "--resync", "10m"),
            (["--allowed-names", "/nowhere"], "--allowed-names", "one name per line"),
            (["--cluster-domain", "a..b"], "--cluster-domain", "cluster.local"),
        ] {
            let error = parse(&args).unwrap_err();
            assert!(error.contains(flag) && error.contains(accepted), "{error}");
        }
        let error = parse(&["--dry-run", "--leader-elect"]).unwrap().config().unwrap_err();
        assert!(matches!(error, Error::Usage(why) if why.contains("expected one of them")));
    }
}
