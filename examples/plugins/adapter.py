#!/usr/bin/env python3
"""Runs a plugin of the OpenShift event controller, unchanged, under `event-controller`.

    [global]
    watcher_plugin = exec

    [plugin_exec]
    command = python3 examples/plugins/adapter.py /opt/event-controller/plugin_dns

    [plugin_dns]
    dns_server = 192.0.2.53

The directory holds an `__init__.py` with `handle_event(watcher, event, config)`, which returns a message and a level.
Python 3.6 or later, nothing but the standard library. docs/event-controller.md explains it. The promises:

* The package is imported by its directory's name, and modules beside it can be imported too (`import IPAClient`).
* `config` is the section `[plugin_NAME]` of the config file, NAME being the directory's name without `plugin_`; what it
  lacks is looked up in `[plugin_exec]`.
* `watcher.logger`, `watcher.log()` and `watcher.config` work. The token is read anew each time it is asked for.
* Text that the plugin or a program of it prints goes to the log, never between the answers.
* An exception ends this process, so the event is retried.
* An odd answer (no level, a number, None) is converted: the work is done, a retry would repeat it.
"""

import configparser
import importlib.util
import ipaddress
import json
import logging
import os
import sys
import traceback
from urllib.parse import urlsplit

SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount/'
# The cluster that the pod runs in, by the names that it has inside. Not `kubernetes` alone: that is looked for in the
# pod's own namespace first, where a tenant may have a Service of that name. Nor `kubernetes.default`, which may be a
# pod of that host name there, in a Service `default`.
OWN_CLUSTER = ('kubernetes.default.svc', 'kubernetes.default.svc.cluster.local')
# Keys of [plugin_exec] that are not the plugin's.
NOT_THE_PLUGINS = ('command', 'timeout', 'k8s_token_file')
# The levels that event-controller accepts.
LEVELS = ('TRACE', 'DEBUG', 'INFO', 'WARN', 'WARNING', 'ERROR', 'CRITICAL')
# In characters. It takes an answer of at most 64 KiB.
LONGEST_MESSAGE = 10000


def complain(text):
    print('adapter.py: ' + text, file=sys.stderr, flush=True)


class Lenient(configparser.BasicInterpolation):
    """`%(other_key)s` and `%%` as configparser has them; but a lone `%`, as in a password, is just that."""

    def before_get(self, parser, section, option, value, defaults):
        try:
            return super().before_get(parser, section, option, value, defaults)
        except configparser.InterpolationError:
            return value

    def before_set(self, parser, section, option, value):
        return value


class WatcherConfig:
    """`watcher.config`: the original's names, and its order: environment, config file, the pod's files, defaults.

    The controller sets the variables to what it found out itself, all but the token.
    """

    def __init__(self, plugin):
        self.plugin = plugin
        self.config_file = os.environ.get('CONFIG_FILE') or None
        self.config = configparser.ConfigParser(interpolation=Lenient(), strict=False, allow_no_value=True)
        if self.config_file:
            try:
                self.config.read(self.config_file, encoding='utf-8-sig')
            except (configparser.Error, OSError, UnicodeDecodeError) as e:
                complain('reads nothing from {0}: {1}'.format(self.config_file, str(e).replace('\n', ' ')))
        self._section = 'plugin_' + plugin
        for section in ('global', self._section):
            if not self.config.has_section(section):
                self.config.add_section(section)
        self._exec = {}

    def take(self, config):
        """The section [plugin_exec], as each event brings it."""
        self._exec = config
        for key, value in config.items():
            if key not in NOT_THE_PLUGINS and not self.config.has_option(self._section, key):
                self.config.set(self._section, key, value)

    def getPlugin(self):
        return self.plugin

    def getPluginConfig(self):
        return self.config[self._section]

    def getParam(self, env='', file='', default=''):
        return os.environ.get(env.upper()) or self.config['global'].get(env.lower()) or read(file) or default

    # Not below DEBUG: Python has no TRACE.
    log_level = property(lambda self: level_name(max(logging.DEBUG, number(self.getParam('LOG_LEVEL') or 'INFO'))))
    k8s_endpoint = property(lambda self: host_and_port(self.getParam('K8S_API_ENDPOINT', default=OWN_CLUSTER[-1])))
    k8s_namespace = property(lambda self: self.getParam('K8S_NAMESPACE', SERVICE_ACCOUNT + 'namespace'))
    k8s_namespaced = property(lambda self: self.getParam('K8S_NAMESPACED', default='True'))
    k8s_resource = property(lambda self: self.getParam('K8S_RESOURCE'))
    k8s_api_path = property(lambda self: self.getParam('K8S_API_PATH'))
    k8s_api_group = property(lambda self: self.getParam('K8S_API_GROUP', default='oapi'))
    k8s_api_version = property(lambda self: self.getParam('K8S_API_VERSION', default='v1'))

    @property
    def k8s_ca(self):
        """As the token: the file's is for the file's server."""
        ini = self.config['global']
        of_file = ini.get('k8s_ca') if host_and_port(ini.get('k8s_api_endpoint') or '') == self.k8s_endpoint else ''
        return os.environ.get('K8S_CA') or of_file or SERVICE_ACCOUNT + 'ca.crt'

    @property
    def k8s_token(self):
        """Read when asked for, as it rotates, and only from a source that names the very server the plugin talks to."""
        chosen = self._exec.get('k8s_token_file')
        if chosen:
            return read(chosen) or self._no_token('k8s_token_file={0} is empty or cannot be read'.format(chosen))
        if os.environ.get('K8S_TOKEN'):
            return os.environ['K8S_TOKEN']  # Only by hand: the controller never hands its own down.
        ini = self.config['global']
        token = ini.get('k8s_token') or read(ini.get('event_controller_token_file') or '')
        if token and host_and_port(ini.get('k8s_api_endpoint') or '') == self.k8s_endpoint:
            return token
        if is_own_cluster(self.k8s_endpoint):
            return read(SERVICE_ACCOUNT + 'token') or self._no_token('no service account is mounted')
        return self._no_token('none belongs to {0}'.format(self.k8s_endpoint))

    def _no_token(self, why):
        complain('the plugin asks for a token: {0}; name one in [plugin_exec]: k8s_token_file = FILE'.format(why))
        return ''


class Watcher:
    """What a plugin knows of the controller."""

    def __init__(self, config):
        # Without the time: the controller's log has it.
        logging.basicConfig(format='[%(levelname)s] %(message)s', stream=sys.stderr)
        self.config = config
        self.logger = logging.getLogger('watcher')
        self.logger.setLevel(config.log_level)

    def log(self, message, log_level):
        self.logger.log(number(log_level), message)


def read(file):
    try:
        with open(file) as f:
            return f.read().strip()
    except (OSError, UnicodeDecodeError):
        return ''


def host_and_port(endpoint):
    """The original puts `https://` before it by itself."""
    return endpoint.split('://', 1)[-1].rstrip('/')


def is_own_cluster(endpoint):
    def same(text):
        text = (text or '').strip('[]').rstrip('.').lower()
        try:
            return ipaddress.ip_address(text)
        except ValueError:
            return text

    host = same(urlsplit('//' + endpoint).hostname)
    return host in OWN_CLUSTER or (host and host == same(os.environ.get('KUBERNETES_SERVICE_HOST')))


def number(level):
    """A level as Python's logging counts. One that nobody knows counts as WARNING, so that somebody sees it."""
    if level is None:
        return logging.INFO
    if isinstance(level, int):
        return int(level)
    name = str(level).strip().upper()
    if name.isdigit():
        return int(name)
    known = {'TRACE': 5, 'WARN': logging.WARNING}.get(name, logging.getLevelName(name))
    if isinstance(known, int):
        return known
    complain('knows no level {0!r}, takes it for WARNING; known are {1}'.format(level, ', '.join(LEVELS)))
    return logging.WARNING


def level_name(level):
    """A level as the controller knows it: of those that are not louder, the loudest."""
    level = number(level)
    for name in ('CRITICAL', 'ERROR', 'WARNING', 'INFO', 'DEBUG'):
        if level >= getattr(logging, name):
            return name
    return 'TRACE'


def answer(result, event):
    """Whatever the plugin returned, as a message and a level."""
    if isinstance(result, (tuple, list)) and len(result) == 2:
        message, level = result
    elif result is None or isinstance(result, str):
        message, level = result, None
    else:
        complain('expects (message, level) from handle_event, got {0}'.format(type(result).__name__))
        message, level = result, logging.WARNING
    if message is None:
        message = '{0} {1} {2}: handled; the plugin has no message'.format(
            event['type'], event['object'].get('kind'), event['object']['metadata']['name'])
    # A half of a surrogate pair is no text for anyone else.
    message = str(message).encode('utf-8', 'replace').decode('utf-8')
    return {'message': message[:LONGEST_MESSAGE], 'level': level_name(level)}


def load(directory):
    """Imports DIR/__init__.py as the package that it is, with DIR's parent on the path."""
    # Not what lies beside this script: a `dns.py` there would hide the library that the plugin means.
    here = os.path.dirname(os.path.realpath(__file__))
    sys.path[:] = [os.path.dirname(directory)] + [p for p in sys.path if os.path.realpath(p or '.') != here]
    name = os.path.basename(directory).replace('.', '_')
    spec = importlib.util.spec_from_file_location(
        name, os.path.join(directory, '__init__.py'), submodule_search_locations=[directory])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main():
    # The protocol keeps stdin and stdout for itself. Everybody else, the programs that the plugin starts too, reads
    # nothing from 0 and writes 1 to where 2 goes. Copies of a file descriptor are not inherited. That of stdout stays
    # open until the very end: whoever closes it has ended, for the controller, and is killed.
    requests = os.fdopen(os.dup(0), 'rb')
    answers = os.fdopen(os.dup(1), 'w', encoding='utf-8', closefd=False)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    if len(sys.argv) != 2:
        sys.exit('adapter.py: needs one argument, the directory that holds the plugin\'s __init__.py')
    directory = os.path.abspath(sys.argv[1])
    if not os.path.isfile(os.path.join(directory, '__init__.py')):
        sys.exit('adapter.py: {0} holds no __init__.py'.format(sys.argv[1]))
    name = os.path.basename(directory)
    watcher = Watcher(WatcherConfig(name[len('plugin_'):] if name.startswith('plugin_') else name))
    try:
        plugin = load(directory)
    except ImportError as e:
        traceback.print_exc()
        sys.exit('adapter.py: {0} cannot be imported: {1}; {2} has to find it'.format(name, e, sys.executable))
    if not callable(getattr(plugin, 'handle_event', None)):
        sys.exit('adapter.py: {0}/__init__.py has no handle_event(watcher, event, config)'.format(name))

    for line in requests:
        request = json.loads(line.decode('utf-8'))
        event = request['event']
        watcher.config.take(request['config'])
        try:
            result = plugin.handle_event(watcher, event, watcher.config.getPluginConfig())
        except BaseException:  # sys.exit() in the plugin included.
            # No answer means: not done, and only the end of the process says so at once. The controller starts it
            # again and repeats the event, up to --max-retries times; the original ended for good, and with it
            # ended what all other events would have brought. Not sys.exit(): it waits for the plugin's threads.
            traceback.print_exc()
            complain('the plugin failed; the event is to be retried')
            os._exit(1)
        answers.write(json.dumps(answer(result, event), ensure_ascii=False) + '\n')
        answers.flush()


if __name__ == '__main__':
    main()
