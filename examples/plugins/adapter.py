#!/usr/bin/env python3
"""Runs a plugin of the OpenShift event controller, unchanged, under `event-controller`.

    [global]
    watcher_plugin = exec

    [plugin_exec]
    command = python3 examples/plugins/adapter.py /opt/event-controller/plugin_dns

    [plugin_dns]
    dns_server = 192.0.2.53

The directory has an `__init__.py` with `handle_event(watcher, event, config)`, which returns a message and a level.
Needs Python 3.6 or later and only the standard library. See docs/event-controller.md. The promises:

* The package is imported by its directory's name; modules beside it can be imported, too (`import IPAClient`).
* `config` is the section `[plugin_NAME]` of the config file, where NAME is the directory's name without `plugin_`.
  Missing keys are read from `[plugin_exec]`.
* `watcher.logger`, `watcher.log()` and `watcher.config` work. The token is read again at each access.
* Output of the plugin and of its child processes is logged, and never mixed with the responses.
* An exception ends this process, so the event is retried.
* An unusual return value (no level, a number, None) is converted: the work is done, and a retry would repeat it.
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
# DNS names of the API server within its cluster. `kubernetes` and `kubernetes.default` are not safe: a pod's resolver
# tries the pod's own namespace first, where a tenant may have a Service or pod of that name.
OWN_CLUSTER = ('kubernetes.default.svc', 'kubernetes.default.svc.cluster.local')
# Keys of [plugin_exec] that are not for the plugin.
RESERVED_KEYS = ('command', 'timeout', 'k8s_token_file')
# The levels that event-controller accepts.
LEVELS = ('TRACE', 'DEBUG', 'INFO', 'WARN', 'WARNING', 'ERROR', 'CRITICAL')
# In characters. event-controller accepts a response of at most 64 KiB.
MAX_MESSAGE_LENGTH = 10000


def warn(text):
    print('adapter.py: ' + text, file=sys.stderr, flush=True)


class Lenient(configparser.BasicInterpolation):
    """Interpolates `%(other_key)s` and `%%` as configparser does, but accepts a single `%`, as in a password."""

    def before_get(self, parser, section, option, value, defaults):
        try:
            return super().before_get(parser, section, option, value, defaults)
        except configparser.InterpolationError:
            return value

    def before_set(self, parser, section, option, value):
        return value


class WatcherConfig:
    """`watcher.config`: the original's names and order of sources: environment, config file, the pod's files, defaults.

    The controller sets the variables to the settings in use, except the token.
    """

    def __init__(self, plugin):
        self.plugin = plugin
        self.config_file = os.environ.get('CONFIG_FILE') or None
        self.config = configparser.ConfigParser(interpolation=Lenient(), strict=False, allow_no_value=True)
        if self.config_file:
            try:
                self.config.read(self.config_file, encoding='utf-8-sig')
            except (configparser.Error, OSError, UnicodeDecodeError) as e:
                warn('cannot read {0}: {1}'.format(self.config_file, str(e).replace('\n', ' ')))
        self._section = 'plugin_' + plugin
        for section in ('global', self._section):
            if not self.config.has_section(section):
                self.config.add_section(section)
        self._exec = {}

    def set_exec_section(self, config):
        """Stores the section [plugin_exec], which each event contains."""
        self._exec = config
        for key, value in config.items():
            if key not in RESERVED_KEYS and not self.config.has_option(self._section, key):
                self.config.set(self._section, key, value)

    def getPlugin(self):
        return self.plugin

    def getPluginConfig(self):
        return self.config[self._section]

    def getParam(self, env='', file='', default=''):
        return os.environ.get(env.upper()) or self.config['global'].get(env.lower()) or read(file) or default

    # At least DEBUG: Python has no TRACE.
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
        """Like the token, the CA of the file is only for the server of the file."""
        ini = self.config['global']
        from_file = ini.get('k8s_ca') if host_and_port(ini.get('k8s_api_endpoint') or '') == self.k8s_endpoint else ''
        return os.environ.get('K8S_CA') or from_file or SERVICE_ACCOUNT + 'ca.crt'

    @property
    def k8s_token(self):
        """Reads the token at each access, because it rotates, and only from a source for the plugin's server."""
        path = self._exec.get('k8s_token_file')
        if path:
            return read(path) or self._no_token('k8s_token_file={0} is empty or cannot be read'.format(path))
        if os.environ.get('K8S_TOKEN'):
            return os.environ['K8S_TOKEN']  # Set by the user: event-controller removes its own token.
        ini = self.config['global']
        token = ini.get('k8s_token') or read(ini.get('event_controller_token_file') or '')
        if token and host_and_port(ini.get('k8s_api_endpoint') or '') == self.k8s_endpoint:
            return token
        if is_own_cluster(self.k8s_endpoint):
            return read(SERVICE_ACCOUNT + 'token') or self._no_token('no service account is mounted')
        return self._no_token('none is for {0}'.format(self.k8s_endpoint))

    def _no_token(self, why):
        warn('the plugin needs a token: {0}; set one in [plugin_exec]: k8s_token_file = FILE'.format(why))
        return ''


class Watcher:
    """The interface of the original for plugins."""

    def __init__(self, config):
        # Without the time, which the controller's log adds.
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
    """Removes the scheme, because the original adds `https://`."""
    return endpoint.split('://', 1)[-1].rstrip('/')


def is_own_cluster(endpoint):
    def normalize(text):
        text = (text or '').strip('[]').rstrip('.').lower()
        try:
            return ipaddress.ip_address(text)
        except ValueError:
            return text

    host = normalize(urlsplit('//' + endpoint).hostname)
    return host in OWN_CLUSTER or (host and host == normalize(os.environ.get('KUBERNETES_SERVICE_HOST')))


def number(level):
    """Converts a level to Python's number. An unknown level is WARNING, so that it is noticed."""
    if level is None:
        return logging.INFO
    if isinstance(level, int):
        return int(level)
    name = str(level).strip().upper()
    if name.isdigit():
        return int(name)
    value = {'TRACE': 5, 'WARN': logging.WARNING}.get(name, logging.getLevelName(name))
    if isinstance(value, int):
        return value
    warn('unknown level {0!r}, using WARNING; expected one of {1}'.format(level, ', '.join(LEVELS)))
    return logging.WARNING


def level_name(level):
    """Converts a level to the highest level of event-controller that is not above it."""
    level = number(level)
    for name in ('CRITICAL', 'ERROR', 'WARNING', 'INFO', 'DEBUG'):
        if level >= getattr(logging, name):
            return name
    return 'TRACE'


def make_response(result, event):
    """Converts a return value of the plugin to a message and a level."""
    if isinstance(result, (tuple, list)) and len(result) == 2:
        message, level = result
    elif result is None or isinstance(result, str):
        message, level = result, None
    else:
        warn('expected (message, level) from handle_event, got {0}'.format(type(result).__name__))
        message, level = result, logging.WARNING
    if message is None:
        message = '{0} {1} {2}: handled; the plugin has no message'.format(
            event['type'], event['object'].get('kind'), event['object']['metadata']['name'])
    # UTF-8 cannot encode half of a surrogate pair.
    message = str(message).encode('utf-8', 'replace').decode('utf-8')
    return {'message': message[:MAX_MESSAGE_LENGTH], 'level': level_name(level)}


def load(directory):
    """Imports DIR/__init__.py as a package, with DIR's parent on the path."""
    # Without the directory of this script: a `dns.py` there would hide a library of that name.
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
    # Only the protocol uses stdin and stdout. For the plugin and its child processes stdin is empty, and stdout is
    # stderr. Child processes do not inherit the copies of the file descriptors. The copy of stdout is never closed: for
    # event-controller a closed stdout is an exit.
    requests = os.fdopen(os.dup(0), 'rb')
    responses = os.fdopen(os.dup(1), 'w', encoding='utf-8', closefd=False)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    if len(sys.argv) != 2:
        sys.exit('adapter.py: expected one argument, the directory with the plugin\'s __init__.py')
    directory = os.path.abspath(sys.argv[1])
    if not os.path.isfile(os.path.join(directory, '__init__.py')):
        sys.exit('adapter.py: {0} has no __init__.py'.format(sys.argv[1]))
    name = os.path.basename(directory)
    watcher = Watcher(WatcherConfig(name[len('plugin_'):] if name.startswith('plugin_') else name))
    try:
        plugin = load(directory)
    except ImportError as e:
        traceback.print_exc()
        sys.exit('adapter.py: cannot import {0}: {1} (with {2})'.format(name, e, sys.executable))
    if not callable(getattr(plugin, 'handle_event', None)):
        sys.exit('adapter.py: {0}/__init__.py has no handle_event(watcher, event, config)'.format(name))

    for line in requests:
        request = json.loads(line.decode('utf-8'))
        event = request['event']
        watcher.config.set_exec_section(request['config'])
        try:
            result = plugin.handle_event(watcher, event, watcher.config.getPluginConfig())
        except BaseException:  # includes sys.exit() in the plugin
            # An exit without a response makes event-controller start this script again and retry the event, up to
            # --max-retries times. Not sys.exit(), which waits for the plugin's threads.
            traceback.print_exc()
            warn('the plugin failed; the exit makes event-controller retry the event')
            os._exit(1)
        responses.write(json.dumps(make_response(result, event), ensure_ascii=False) + '\n')
        responses.flush()


if __name__ == '__main__':
    main()
