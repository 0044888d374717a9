//! The command line: flags, environment variables and the ini file.
//!
//! A value comes from the first of these sources that has it: flag, variable, file. The file's values are defaults of
//! the command, so clap's [`ValueSource`] distinguishes the three. The source that names a server or a resource hides
//! the settings for it in weaker sources: a token from a variable is never sent to a server from a flag.

use std::{env, ffi::OsString, path::PathBuf, time::Duration};

use clap::{
    ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches, Parser, builder::Resettable, error::ErrorKind,
    parser::ValueSource,
};
use daemon::connect::{Target, Token};
use http::Uri;

use crate::{
    controller,
    plugin::{self, Simple},
    resource::ResourceArg,
};

mod file;
use file::Sections;

/// Returns the version, with the revision that the Makefile sets.
pub fn version() -> String {
    daemon::args::format_version(env!("CARGO_PKG_VERSION"), option_env!("REVISION"))
}

/// Send each event of any resource to a plugin, which returns a message for the log.
///
/// When an object appears, changes or is deleted, the plugin gets an event: ADDED, MODIFIED or DELETED. A value comes
/// from a flag, else from its variable, else from the ini file: section `global`, keys as the variables in lower case.
/// Exit codes: 0 stopped by a signal, 1 failed, 2 wrong input.
#[derive(Debug, Parser)]
#[command(name = "event-controller", version = version(), after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    daemon: daemon::Args,
    /// Ini file; event-controller/config.ini.sample has every key
    #[arg(short, long, value_name = "FILE", env = "CONFIG_FILE")]
    config: Option<PathBuf>,
    /// Resource as kubectl names it: pods, deploy, deployments.apps, routes.v1.route.openshift.io
    #[arg(long, value_name = "RES", env = "K8S_RESOURCE")]
    resource: Option<String>,
    /// API group of the resource; also in the original's form: api, apis/GROUP [default: any group with the resource]
    #[arg(long, value_name = "GROUP", env = "K8S_API_GROUP")]
    api_group: Option<String>,
    /// API version of the resource, such as v1 [default: the preferred version]
    #[arg(long, value_name = "VERSION", env = "K8S_API_VERSION")]
    api_version: Option<String>,
    /// Path of the collection, instead of a resource: apis/apps/v1/namespaces/a/deployments
    #[arg(long, value_name = "PATH", env = "K8S_API_PATH")]
    api_path: Option<String>,
    /// true: without --namespace, the namespace of the pod or the context; false: all namespaces, even with --namespace
    #[arg(long, value_name = "BOOL", env = "K8S_NAMESPACED", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = parse_bool)]
    namespaced: Option<bool>,
    /// Only objects with these labels: app=web,tier!=test
    #[arg(short = 'l', long, value_name = "SELECTOR", env = "EVENT_CONTROLLER_SELECTOR")]
    selector: Option<String>,
    /// Only objects with these fields: metadata.name=web,status.phase!=Running
    #[arg(long, value_name = "SELECTOR", env = "EVENT_CONTROLLER_FIELD_SELECTOR")]
    field_selector: Option<String>,
    /// Plugin for the events: `simple` logs a line, `exec` runs a program; settings: section `plugin_NAME` of the file
    #[arg(long, value_name = "NAME", env = "WATCHER_PLUGIN", default_value = "simple", value_parser = parse_plugin)]
    plugin: String,
    /// API server as HOST:PORT or URL, instead of a kubeconfig
    #[arg(long, value_name = "HOST:PORT", env = "K8S_API_ENDPOINT", value_parser = parse_endpoint)]
    api_endpoint: Option<Uri>,
    /// Bearer token for --api-endpoint; as a flag it is visible to other users of the machine
    #[arg(long, value_name = "TOKEN", env = "K8S_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// File with the bearer token for --api-endpoint, read again when it changes
    #[arg(long, value_name = "FILE", env = "EVENT_CONTROLLER_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// File with the CA certificates (PEM) of --api-endpoint
    #[arg(long, value_name = "FILE", env = "K8S_CA")]
    ca: Option<PathBuf>,
    /// Log each step, with the chapter of the book that explains it
    #[arg(long, value_name = "BOOL", env = "EVENT_CONTROLLER_EXPLAIN", action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, value_parser = parse_bool)]
    explain: bool,
}

const EXAMPLES: &str = "Examples:
  event-controller --resource pods                        a log line per event, in all namespaces
  event-controller --resource deploy -n app1 -l app=web   one namespace, one label
  event-controller -c config.ini --plugin exec            your own program: [plugin_exec]";

/// The settings of the process.
#[derive(Debug)]
pub struct Settings {
    /// For [`daemon::Process`].
    pub daemon: daemon::Args,
    /// The API server.
    pub target: Target,
    /// To log once the log has started.
    pub warnings: Vec<String>,
    /// Whether to log the lines of `--explain`.
    pub explain: bool,
    /// Whether to watch the namespace of the pod or the context, which is known after connecting.
    pub own_namespace: bool,
    /// The settings of the controller.
    pub controller: controller::Config,
    /// The settings of the plugin `exec`. None: the plugin is `simple`.
    pub exec: Option<plugin::ExecSettings>,
    /// Changes to the environment of the plugin's child.
    pub environment: plugin::Environment,
}

/// Parses flags, variables and the file.
///
/// # Errors
/// Wrong input, or a request for help or the version. `exit` prints it and ends the process.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Settings, clap::Error> {
    let args: Vec<OsString> = args.into_iter().collect();
    let mut matches = build_command(&plugin::Config::new()).try_get_matches_from(&args)?;
    let mut sections = Sections::default();
    if let Some(path) = matches.get_one::<PathBuf>("config") {
        let file_error = |why: String| usage_error(format!("--config {}: {why}", path.display()));
        sections = Sections::read(path).map_err(file_error)?;
        let global = sections.get("global");
        check_global(&global).map_err(file_error)?;
        matches = build_command(&global).try_get_matches_from(&args)?;
    }
    let cli = Cli::from_arg_matches(&matches)?;
    Sources { matches: &matches, warnings: Vec::new() }.resolve(cli, &sections).map_err(usage_error)
}

fn usage_error(why: String) -> clap::Error {
    Cli::command().error(ErrorKind::ValueValidation, why)
}

/// Builds the command, with the original's variables, and with the values of `[global]` as defaults.
fn build_command(global: &plugin::Config) -> Command {
    Cli::command().mut_args(|arg| {
        let Some(variable) = variable_of(&arg) else { return arg };
        let arg = match arg.get_id().as_str() {
            "max_retries" => arg.default_value("5").help("Retries before an event is dropped"),
            _ => arg,
        };
        let arg = match global.get(&variable.to_lowercase()) {
            Some(value) => arg.default_value(value.clone()),
            None => arg,
        };
        // Empty means unset.
        let is_empty = env::var_os(&variable).is_some_and(|value| value.is_empty());
        if is_empty { arg.env(Resettable::Reset) } else { arg.env(variable) }
    })
}

/// Returns the variable of a flag. Those of [`daemon::Args`] get this program's prefix, or the original's name.
fn variable_of(arg: &clap::Arg) -> Option<String> {
    let variable = arg.get_env()?.to_str()?;
    Some(match variable {
        "DEMO_CONTROLLER_NAMESPACE" => "K8S_NAMESPACE".to_owned(),
        "DEMO_CONTROLLER_LOG_LEVEL" => "LOG_LEVEL".to_owned(),
        _ => variable.replace("DEMO_CONTROLLER_", "EVENT_CONTROLLER_"),
    })
}

/// Checks the keys and values of `[global]` by parsing them as flags, because clap expects valid defaults.
fn check_global(global: &plugin::Config) -> Result<(), String> {
    let cli = Cli::command();
    let mut flags = vec!["event-controller".to_owned()];
    for (key, value) in global {
        let arg = cli.get_arguments().find(|arg| variable_of(arg).is_some_and(|name| name.to_lowercase() == *key));
        match arg.and_then(clap::Arg::get_long).filter(|long| *long != "config") {
            Some(long) => flags.push(format!("--{long}={value}")),
            None => return Err(format!("unknown key {key} in [global]: expected a variable of --help, in lower case")),
        }
    }
    let checked = build_command(&plugin::Config::new()).try_get_matches_from(flags);
    checked.map(drop).map_err(|error| {
        let text = error.to_string();
        text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

/// The sources of the values, and a warning for each ignored value.
struct Sources<'a> {
    matches: &'a ArgMatches,
    warnings: Vec<String>,
}

impl Sources<'_> {
    fn resolve(mut self, cli: Cli, sections: &Sections) -> Result<Settings, String> {
        let (resource, (namespace, own_namespace)) = match self.resource_by_path(&cli)? {
            Some((resource, namespace)) => (resource, (namespace, false)),
            None => (self.resource_by_name(&cli)?, self.resolve_namespace(&cli)),
        };
        let target = self.resolve_target(&cli)?;
        let config = sections.get(&format!("plugin_{}", cli.plugin));
        let exec = match cli.plugin.as_str() {
            "exec" => Some(plugin::ExecSettings::parse(&config)?),
            _ => Simple::check(&config).map(|_| None)?,
        };
        let slow = exec.as_ref().map_or(Duration::ZERO, |exec| exec.max_reconcile_time(cli.daemon.workers));
        let level = cli.daemon.log.log_level.map(|level| level.to_string());
        let environment = [
            ("CONFIG_FILE", cli.config.map(|path| path.display().to_string())),
            ("K8S_RESOURCE", Some(resource.to_string())),
        ];
        let level = level.map(|level| ("LOG_LEVEL", Some(level)));
        Ok(Settings {
            controller: controller::Config {
                resource,
                namespace,
                labels: cli.selector,
                fields: cli.field_selector,
                plugin: config,
                workers: cli.daemon.workers,
                max_retries: cli.daemon.max_retries,
                watch_idle: cli.daemon.watch_idle,
                shutdown_grace: cli.daemon.shutdown_grace,
                stuck_after: Duration::from_secs(300).saturating_add(slow),
            },
            daemon: cli.daemon,
            target,
            warnings: self.warnings,
            explain: cli.explain,
            own_namespace,
            exec,
            environment: environment.into_iter().chain(level).collect(),
        })
    }

    /// Returns the source of a value. None: not given. Stronger sources are greater.
    fn source(&self, id: &str) -> Option<ValueSource> {
        self.matches.value_source(id)
    }

    fn ignore(&mut self, id: &str, winner: &str) {
        self.warnings
            .push(format!("--{} is ignored, because {winner} comes from a stronger source", id.replace('_', "-")));
    }

    /// Returns the resource and namespace of `--api-path`, if its source is at least as strong as that of `--resource`.
    fn resource_by_path(&self, cli: &Cli) -> Result<Option<(ResourceArg, Option<String>)>, String> {
        let path = cli.api_path.as_deref().filter(|_| self.source("api_path") >= self.source("resource"));
        path.map(|path| ResourceArg::parse_path(path).map_err(|why| format!("--api-path {path}: {why}"))).transpose()
    }

    /// Returns the resource of `--resource`. A group or version from a weaker source belongs to another resource.
    fn resource_by_name(&mut self, cli: &Cli) -> Result<ResourceArg, String> {
        let Some(resource) = &cli.resource else {
            return Err("no resource: expected --resource, K8S_RESOURCE or k8s_resource in the file".to_owned());
        };
        self.unless_weaker("api_path", &cli.api_path);
        let group = self.unless_weaker("api_group", &cli.api_group);
        let version = self.unless_weaker("api_version", &cli.api_version);
        ResourceArg::parse(resource, group, version).map_err(|why| format!("--resource {resource}: {why}"))
    }

    fn unless_weaker<'a>(&mut self, id: &str, value: &'a Option<String>) -> Option<&'a str> {
        if value.is_some() && self.source(id) < self.source("resource") {
            self.ignore(id, "--resource");
            return None;
        }
        value.as_deref()
    }

    /// Returns the namespace, and whether to use that of the pod or the context.
    fn resolve_namespace(&mut self, cli: &Cli) -> (Option<String>, bool) {
        let namespace = cli.daemon.namespace.clone();
        match cli.namespaced {
            Some(true) if namespace.is_none() => (None, true),
            Some(false) if namespace.is_some() && self.source("namespaced") >= self.source("namespace") => {
                self.ignore("namespace", "--namespaced=false");
                (None, false)
            }
            _ => (namespace, false),
        }
    }

    /// Returns the API server, with the token and the CA only from the source that names it.
    fn resolve_target(&mut self, cli: &Cli) -> Result<Target, String> {
        // The variable KUBECONFIG does not count: it is often set for other programs.
        let kubeconfig = self.source("kubeconfig").filter(|source| *source != ValueSource::EnvVariable);
        let (server, context) = (self.source("api_endpoint"), kubeconfig.max(self.source("context")));
        if server.is_some() && server == context {
            return Err("--api-endpoint contradicts --kubeconfig and --context: expected one server".to_owned());
        }
        let by = if server > context { "--api-endpoint" } else { "--kubeconfig or --context" };
        for id in ["token", "token_file", "ca"] {
            match self.source(id) {
                Some(source) if Some(source) < server.max(context) => self.ignore(id, by),
                Some(source) if server <= context || Some(source) > server => {
                    let flag = id.replace('_', "-");
                    return Err(format!(
                        "--{flag} is only for a server from the same source (flag, variable or file): expected --api-endpoint \
                         there, too"
                    ));
                }
                _ => {}
            }
        }
        let Some(url) = cli.api_endpoint.clone().filter(|_| server > context) else {
            if server.is_some() {
                self.ignore("api_endpoint", by);
            }
            return Ok(Target::Kubeconfig {
                files: cli.daemon.kubeconfig.clone(),
                context: cli.daemon.context.clone(),
            });
        };
        let same_source = |id| self.source(id) == server;
        let token = cli.token.clone().filter(|_| same_source("token")).map(Token::Inline);
        let file = cli.token_file.clone().filter(|_| same_source("token_file")).map(Token::File);
        if token.is_some() && file.is_some() {
            return Err("--token contradicts --token-file: expected one of the two".to_owned());
        }
        Ok(Target::Server { url, token: token.or(file), ca: cli.ca.clone().filter(|_| same_source("ca")) })
    }
}

fn parse_bool(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

fn parse_plugin(text: &str) -> Result<String, String> {
    match text {
        "simple" | "exec" => Ok(text.to_owned()),
        _ => Err("expected simple, or exec, which can run any program".to_owned()),
    }
}

/// Parses `HOST:PORT` or a URL. Without a scheme it is https, because a token is sent there.
fn parse_endpoint(text: &str) -> Result<Uri, String> {
    let full = if text.contains("://") { text.trim().to_owned() } else { format!("https://{}", text.trim()) };
    let uri = full.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("https" | "http")));
    uri.ok_or_else(|| "expected HOST:PORT or a URL such as https://api.example.com:6443".to_owned())
}

#[cfg(test)]
mod tests;
